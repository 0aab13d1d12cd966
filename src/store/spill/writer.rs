//! How blocks come into a spill file.

use super::file::{Opened, SpillFile};
use super::groups::Groups;
use super::meta::{Meta, SEGMENTS};
use super::pages::Written;
use super::runs::MAX_SEGMENT;
use super::segment::SegmentBuilder;
use super::transaction::Transaction;
use super::{RedbStore, open_kept};
use crate::cid;
use crate::error::{Error, LimitName, Result};
use crate::store::Form;
use crate::store::contents::Contents;
use crate::store::packed::{self, Packed, State};
use crate::store::trust::Trust;

/// Takes blocks into a spill file.
pub(crate) struct Writer {
    file: Transaction,
    groups: Groups,
    /// For each group the segment that is not full.
    open: Vec<OpenSegment>,
    segment_len: usize,
    /// Segments that were begun.
    segments: u32,
    hashed: bool,
    reduced: bool,
}

/// A segment that blocks are appended to.
#[derive(Default)]
struct OpenSegment {
    builder: SegmentBuilder,
    number: u32,
}

impl Writer {
    pub(crate) fn new(file: SpillFile, memory_limit: u64, trust: Trust) -> Result<Self> {
        let segment_len = file.settings.segment_len;
        let file = Transaction::begin(file, memory_limit, true)?;
        let hashed = trust != Trust::Unchecked;
        let groups = Groups::new(memory_limit, segment_len, hashed);
        let mut open = Vec::new();
        open.resize_with(groups.count(), OpenSegment::default);
        Ok(Writer { file, groups, open, segment_len, segments: 0, hashed, reduced: false })
    }

    pub(crate) fn push(&mut self, packed: &Packed<'_>) -> Result<()> {
        let group = self.groups.of(packed);
        let len = packed.bytes.len().saturating_add(packed::MAX_HEAD_LEN);
        let segment = self
            .open
            .get_mut(group)
            .ok_or_else(|| Error::store("a block is in a group that is not there"))?;
        if segment.builder.bytes().len().saturating_add(len) > self.segment_len {
            segment.flush(&mut self.file, self.segment_len)?;
        }
        if segment.builder.bytes().is_empty() {
            segment.number = self.segments;
            let number = u64::from(self.segments);
            if number > MAX_SEGMENT {
                return Err(Error::limit(
                    LimitName::Segments,
                    MAX_SEGMENT.saturating_add(1),
                    number.saturating_add(1),
                ));
            }
            self.segments = self.segments.saturating_add(1);
        }
        segment.builder.push(packed);
        self.reduced |= packed.form() == Form::Reduced;
        let number = u64::from(segment.number);
        // A long block does not wait for the next of its group: each group may have one.
        if segment.builder.bytes().len() > self.segment_len {
            segment.flush(&mut self.file, self.segment_len)?;
        }
        self.file.note(&packed.cid, packed.state != State::Bad, number)
    }

    /// Writes the index and all the rest, and opens the store. `contents` tells what the CAR is,
    /// given the number of distinct blocks in it.
    pub(crate) fn finish(
        mut self,
        contents: impl FnOnce(u64) -> Result<Contents>,
    ) -> Result<RedbStore> {
        self.open
            .iter_mut()
            .try_for_each(|segment| segment.flush(&mut self.file, self.segment_len))?;
        let Written { shape, distinct, repeats, .. } =
            self.file.write_index(u64::from(self.segments))?;
        let contents = contents(distinct)?;
        // Of the description, these two are as long as the CAR has it.
        let roots = contents.header.roots().len().saturating_mul(cid::LEN);
        self.file.count(roots.saturating_add(repeats.as_bytes().len()) as u64)?;
        let [secret, _] = self.file.secrets;
        let meta = Meta {
            secret,
            stats: contents.stats,
            stored: self.file.stored,
            segments: self.segments,
            shape,
            hashed: self.hashed,
            reduced: self.reduced,
            header: contents.header,
            repeats,
        };
        self.file.write(|txn| {
            // It is there even if nothing is in it.
            txn.open_table(SEGMENTS)?;
            meta.write(txn)
        })?;
        // Half a CAR is not what somebody who keeps it wants to find.
        let fault = match (&self.file.target, contents.fault) {
            (Opened::Kept { .. }, Some(fault)) => return Err(fault),
            (_, fault) => fault,
        };
        self.file.end()?;
        let Transaction { database, target, first, budget, settings, .. } = self.file;
        let (database, first) = match &target {
            Opened::Temporary(_) => (database, first),
            Opened::Kept { file, .. } => {
                database.close().map_err(|error| first.explain(error))?;
                file.as_file().sync_all().map_err(Error::spill_io)?;
                open_kept(file.reopen().map_err(Error::spill_io)?, budget, false)?
            }
        };
        let mut store = RedbStore::read(database, first, meta, budget)?;
        store.trust = if self.hashed { Trust::Hashed } else { Trust::HashWhenReached };
        store.fault = fault;
        store.file = Some((target, settings));
        Ok(store)
    }
}

impl OpenSegment {
    /// Stores what is there, and begins anew.
    fn flush(&mut self, file: &mut Transaction, usual_len: usize) -> Result<()> {
        if self.builder.bytes().is_empty() {
            return Ok(());
        }
        file.insert(SEGMENTS, self.number, self.builder.bytes())?;
        self.builder.clear(usual_len);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;
    use crate::cid::{Cid, Codec};
    use crate::error::ErrorKind;
    use crate::store::{BlockStore, CarStore};
    use crate::varint;
    use crate::{Loader, Verification};

    /// Nobody may change a file that is open, be it kept or not, and a kept one is open until its
    /// store is dropped.
    #[test]
    fn blocks_that_were_hashed_before_they_were_stored_are_not_hashed_again() {
        let folder = tempfile::tempdir().unwrap();
        let car = include_bytes!("../../../samples/repo.car");
        let kept = |verification| SpillFile::keep(folder.path().join(format!("{verification:?}")));
        for verification in
            [Verification::EveryBlock, Verification::ReachedBlocks, Verification::DangerouslyNone]
        {
            for file in [SpillFile::temporary_in(folder.path()), kept(verification)] {
                let loader = Loader::new().verification(verification).memory_limit(0);
                let store = loader.spill(&car[..], file).unwrap().into_store();
                let root = store.header().root();
                let is_hashed = store.get(&root).unwrap().unwrap().verified == Some(root);
                assert_eq!(is_hashed, verification != Verification::DangerouslyNone);
            }
        }
    }

    /// Else redb looks for something to write at each read.
    #[test]
    fn nothing_is_left_to_be_written_while_a_spilled_car_is_read() {
        let mut car = include_bytes!("../../../samples/repo.car").to_vec();
        for number in 0..2000u32 {
            let block = number.to_le_bytes().repeat(250);
            varint::encode((cid::LEN + block.len()) as u64, &mut car);
            car.extend_from_slice(Cid::of(Codec::Raw, &block).as_bytes());
            car.extend_from_slice(&block);
        }
        let store = RedbStore::new(&car[..], SpillFile::temporary().cache_size(0)).unwrap();
        let modified = || {
            let Some((Opened::Temporary(file), _)) = &store.file else {
                panic!("a temporary file")
            };
            file.metadata().unwrap().modified().unwrap()
        };
        let before = modified();
        // The system's clock may be a coarse one.
        sleep(Duration::from_millis(50));
        assert!(store.sections().map(Result::unwrap).count() > 2000);
        assert_eq!(modified(), before);
    }

    /// So many segments take gigabytes: the count is moved there.
    #[test]
    fn a_segment_more_than_the_index_can_name_is_a_limit() {
        let file = SpillFile::temporary().segment_len(0);
        let mut writer = Writer::new(file, 1 << 20, Trust::Hashed).unwrap();
        let most = MAX_SEGMENT + 1;
        writer.segments = u32::try_from(most - 2).unwrap();
        let mut push = |number: u64| {
            let bytes = number.to_be_bytes();
            let packed = Packed {
                offset: number,
                cid: Cid::of(Codec::Raw, &bytes),
                state: State::Raw,
                bytes: &bytes,
            };
            writer.push(&packed)
        };
        // Each has a segment of its own.
        for number in 0..2 {
            push(number).unwrap();
        }
        let error = push(2).unwrap_err();
        let ErrorKind::Limit { limit: LimitName::Segments, max, found } = *error.kind() else {
            panic!("{error}")
        };
        assert_eq!((max, found), (most, most + 1));
    }
}
