//! Writing the blocks of a CAR into a spill file.

use super::description::Description;
use super::finished_file::FinishedFile;
use super::groups::Groups;
use super::index_entry::MAX_SEGMENT;
use super::index_page::WrittenIndex;
use super::repeats::Repeats;
use super::segment::{self, SegmentBuilder};
use super::tables::SEGMENTS;
use super::unfinished_file::UnfinishedFile;
use super::{RedbStore, SpillFile};
use crate::budget::Budget;
use crate::car::Header;
use crate::cid;
use crate::error::{Error, LimitName, Result};
use crate::limits::MAX_CAR_LEN;
use crate::store::Form;
use crate::store::contents::{CarStats, Contents};
use crate::store::packed::{self, Packed, State};
use crate::store::trust::Trust;

/// Writes blocks into a spill file.
pub(crate) struct SpillWriter {
    file: UnfinishedFile,
    groups: Groups,
    /// For each group, the segment that blocks are appended to.
    filling: Vec<FillingSegment>,
    segment_len: usize,
    /// Number of segments that have a number.
    segments: u32,
    hashed: bool,
    processed: bool,
}

/// A segment that is not full yet.
#[derive(Default)]
struct FillingSegment {
    builder: SegmentBuilder,
    number: u32,
}

/// A spill file with all blocks and their index, but without a description.
pub(crate) struct SealedFile {
    file: UnfinishedFile,
    index: WrittenIndex,
    segments: u32,
    hashed: bool,
    processed: bool,
}

impl SpillWriter {
    pub(crate) fn new(file: SpillFile, memory_limit: u64, trust: Trust) -> Result<Self> {
        let file = UnfinishedFile::begin(file, memory_limit, true)?;
        let segment_len = file.settings().segment_len as usize;
        let hashed = trust != Trust::Unchecked;
        let groups = Groups::new(Budget::new(memory_limit).filling_segments(segment_len), hashed);
        let mut filling = Vec::new();
        filling.resize_with(groups.count(), FillingSegment::default);
        Ok(SpillWriter {
            file,
            groups,
            filling,
            segment_len,
            segments: 0,
            hashed,
            processed: false,
        })
    }

    pub(crate) fn push(&mut self, packed: &Packed<'_>) -> Result<()> {
        if packed.min_end() > MAX_CAR_LEN {
            return Err(Error::limit(LimitName::CarLen, MAX_CAR_LEN, packed.min_end()));
        }
        self.processed |= packed.form() == Form::Value;
        let number = self.store(packed)?;
        self.file.note(&packed.cid, packed.state != State::Bad, u64::from(number))
    }

    /// Appends a block to the segment of its group. Returns the number of the segment.
    fn store(&mut self, packed: &Packed<'_>) -> Result<u32> {
        let group = self.groups.of(packed);
        let filling = self
            .filling
            .get_mut(group)
            .ok_or_else(|| Error::store("a block is in a group that does not exist"))?;
        let len = packed.bytes.len().saturating_add(packed::MAX_HEAD_LEN);
        if filling.builder.bytes().len().saturating_add(len) > self.segment_len {
            filling.flush(&mut self.file)?;
        }
        if filling.builder.bytes().is_empty() {
            filling.number =
                next_number(&mut self.segments).map_err(|error| self.file.name(error))?;
        }
        if len > self.segment_len {
            self.file.insert_long(SEGMENTS, filling.number, segment::of_one(packed))?;
        } else {
            filling.builder.push(packed);
        }
        Ok(filling.number)
    }

    /// Writes the segments that are not full yet, and the index.
    pub(crate) fn seal(mut self) -> Result<SealedFile> {
        for segment in &mut self.filling {
            segment.flush(&mut self.file)?;
        }
        let SpillWriter { mut file, segments, hashed, processed, .. } = self;
        let index = file.write_index(u64::from(segments))?;
        Ok(SealedFile { file, index, segments, hashed, processed })
    }
}

/// Returns the number of the next segment.
fn next_number(segments: &mut u32) -> Result<u32> {
    let number = *segments;
    if u64::from(number) > MAX_SEGMENT {
        let (max, found) = (MAX_SEGMENT.saturating_add(1), u64::from(number).saturating_add(1));
        return Err(Error::limit(LimitName::Segments, max, found));
    }
    *segments = number.saturating_add(1);
    Ok(number)
}

impl SealedFile {
    /// Returns the number of distinct blocks.
    pub(crate) fn distinct_blocks(&self) -> u64 {
        self.index.distinct
    }

    /// Writes the description of a CAR with these contents, and opens the store.
    pub(crate) fn finish(mut self, contents: Contents) -> Result<FinishedFile> {
        let Contents { header, stats, fault, .. } = contents;
        let description = self.describe(header, stats)?;
        // A part of a CAR must not be mistaken for the whole in a kept spill file.
        let fault = match fault {
            Some(fault) if self.file.is_kept() => return Err(fault),
            fault => fault,
        };
        let trust = if self.hashed { Trust::Hashed } else { Trust::HashWhenReached };
        let written = self.file.finish()?;
        let mut store =
            RedbStore::of(written.database, written.errors, description, written.budget)?;
        store.trust = trust;
        store.fault = fault;
        Ok(FinishedFile::new(store, written.file, written.settings))
    }

    fn describe(&mut self, header: Header, stats: CarStats) -> Result<Description> {
        let WrittenIndex { layout, ref mut repeats, .. } = self.index;
        let repeats: Repeats = core::mem::take(repeats);
        // Only these two parts of the description grow with the CAR.
        let roots = header.roots().len().saturating_mul(cid::LEN);
        self.file.count(roots.saturating_add(repeats.as_bytes().len()) as u64)?;
        let description = Description {
            secret: self.file.secret(),
            stats,
            stored: self.file.stored(),
            segments: self.segments,
            layout,
            hashed: self.hashed,
            processed: self.processed,
            header,
            repeats,
        };
        self.file.write(|txn| {
            // The table must exist even if there are no segments.
            txn.open_table(SEGMENTS)?;
            description.write(txn)
        })?;
        Ok(description)
    }
}

impl FillingSegment {
    /// Stores the segment and begins an empty one.
    fn flush(&mut self, file: &mut UnfinishedFile) -> Result<()> {
        if self.builder.bytes().is_empty() {
            return Ok(());
        }
        file.insert(SEGMENTS, self.number, self.builder.bytes())?;
        self.builder.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps::{WRITES, counted};
    use super::*;
    use crate::cid::{Cid, Codec};
    use crate::error::ErrorKind;
    use crate::store::{BlockStore, CarStore};
    use crate::varint;
    use crate::{Loader, Verification};

    /// Nobody may change a file while its store exists, so blocks need not be hashed twice.
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

    /// Otherwise redb looks for something to write at each read.
    #[test]
    fn nothing_is_left_to_be_written_while_a_spilled_car_is_read() {
        let mut car = include_bytes!("../../../samples/repo.car").to_vec();
        for number in 0..2000u32 {
            let block = number.to_le_bytes().repeat(250);
            varint::encode((cid::LEN + block.len()) as u64, &mut car);
            car.extend_from_slice(Cid::of(Codec::Raw, &block).as_bytes());
            car.extend_from_slice(&block);
        }
        let file = SpillFile::temporary().cache_size(0);
        let (writes, store) = counted(&WRITES, || RedbStore::new(&car[..], file).unwrap());
        assert!(writes > 100, "{writes}");
        let read = || store.sections().map(Result::unwrap).count();
        let (writes, sections) = counted(&WRITES, read);
        assert!(sections > 2000);
        assert_eq!(writes, 0);
    }

    /// So many segments would take gigabytes, so the test sets their number.
    #[test]
    fn a_segment_more_than_the_index_can_name_is_a_limit() {
        let file = SpillFile::temporary().segment_len(0);
        let mut writer = SpillWriter::new(file, 1 << 20, Trust::Hashed).unwrap();
        let most = MAX_SEGMENT + 1;
        writer.segments = u32::try_from(most - 2).unwrap();
        // Each has a segment of its own.
        for number in 0..2 {
            push(&mut writer, number).unwrap();
        }
        let error = push(&mut writer, 2).unwrap_err();
        let ErrorKind::Limit { limit: LimitName::Segments, max, found } = *error.kind() else {
            panic!("{error}")
        };
        assert_eq!((max, found), (most, most + 1));
    }

    fn push(writer: &mut SpillWriter, offset: u64) -> Result<()> {
        let bytes = offset.to_be_bytes();
        let cid = Cid::of(Codec::Raw, &bytes);
        writer.push(&Packed { offset, cid, state: State::Original, bytes: &bytes })
    }

    /// A kept spill file with a longer CAR could not be opened.
    #[test]
    fn a_section_beyond_the_longest_car_is_a_limit() {
        let mut writer = SpillWriter::new(SpillFile::temporary(), 1 << 20, Trust::Hashed).unwrap();
        // A length of one byte, a CID, and the number itself.
        let last = MAX_CAR_LEN - (1 + cid::LEN as u64 + 8);
        push(&mut writer, last).unwrap();
        let error = push(&mut writer, last + 1).unwrap_err();
        let ErrorKind::Limit { limit: LimitName::CarLen, max, found } = *error.kind() else {
            panic!("{error}")
        };
        assert_eq!((max, found), (MAX_CAR_LEN, MAX_CAR_LEN + 1));
    }
}
