//! The index of a spill file, made of more entries than memory holds: sorted piece by piece, and
//! then merged.
//!
//! ```text
//! entry   64 bits of hash | 22 bits of another | codec | not good | 40 bits of payload
//! ```
//!
//! Sorted as numbers, entries of one CID stand together, the good and early ones first. CIDs that
//! agree in all 87 bits are taken for one: the hashes have secrets, so no choice of CIDs makes that
//! likelier than chance does. Were it ever to happen, a block would be missing, since a block's CID
//! is compared whole before it is given.

use redb::{ReadableTable, WriteTransaction};

use super::cache::pages_of;
use super::meta::RUNS;
use crate::cid::{Cid, Codec};
use crate::store::hash::Secret;

/// Bits of an entry that hold the payload: the number of a segment, or a place.
pub(super) const PAYLOAD_BITS: u32 = 40;

/// Bits of an entry that are not of the CID's hash.
const REST_BITS: u32 = PAYLOAD_BITS + 1;

/// Bits of the second hash.
const SECOND_BITS: u32 = 22;

/// Bytes of an entry.
const ENTRY_LEN: usize = 16;

/// Entries of a stored piece: as many as fill a page of 16 KiB of redb's. The smaller a piece, the
/// fewer parts of the range of hashes it has something of, and is read for; but each costs redb
/// about as much as one of 4 KiB.
const PIECE: usize = 16_372 / ENTRY_LEN;

/// Highest number of a segment.
pub(super) const MAX_SEGMENT: u64 = (1 << 24) - 1;

/// Fewest entries that are sorted together.
const MIN_BUFFER: usize = 1 << 16;

/// What the index says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u128);

impl Entry {
    pub(super) fn new(secrets: &[Secret; 2], cid: &Cid, is_good: bool, payload: u64) -> Self {
        let [first, second] = secrets.each_ref().map(|secret| u128::from(secret.hash(cid)));
        let is_raw = u128::from(cid.codec() == Codec::Raw);
        let identity = (first << SECOND_BITS | second >> (u64::BITS - SECOND_BITS)) << 1 | is_raw;
        let payload = u128::from(payload) & ((1 << PAYLOAD_BITS) - 1);
        Entry(identity << REST_BITS | u128::from(!is_good) << PAYLOAD_BITS | payload)
    }

    /// The same for all entries of one CID.
    fn identity(self) -> u128 {
        self.0 >> REST_BITS
    }

    /// The first 64 bits of hash.
    pub(super) fn hash(self) -> u64 {
        u64::try_from(self.0 >> (u128::BITS - u64::BITS)).unwrap_or(u64::MAX)
    }

    pub(super) fn payload(self) -> u64 {
        u64::try_from(self.0 & ((1 << PAYLOAD_BITS) - 1)).unwrap_or(u64::MAX)
    }
}

/// Takes entries in any order, and gives them sorted, one for each CID.
pub(super) struct Runs {
    buffer: Vec<Entry>,
    /// Entries that are sorted together.
    capacity: usize,
    /// The upper halves of the first and last hash of each stored piece.
    pieces: Vec<(u32, u32)>,
    /// Entries in the stored pieces.
    stored: u64,
    /// Whether payloads are segments, of whose repeats somebody wants to know.
    of_segments: bool,
    repeats: Repeats,
}

/// Payloads of entries that did not stay, as bits: segments in which some block is not the one that
/// its CID stands for.
#[derive(Default)]
pub(super) struct Repeats(Vec<u8>);

impl Repeats {
    /// Enters the number of a segment.
    pub(super) fn insert(&mut self, payload: u64) {
        let at = usize::try_from(payload.min(MAX_SEGMENT) / 8).unwrap_or(0);
        if self.0.len() <= at {
            self.0.resize(at.saturating_add(1), 0);
        }
        if let Some(byte) = self.0.get_mut(at) {
            *byte |= 1 << (payload % 8);
        }
    }

    pub(super) fn contains(&self, payload: u64) -> bool {
        let byte = usize::try_from(payload / 8).ok().and_then(|at| self.0.get(at));
        byte.is_some_and(|byte| byte >> (payload % 8) & 1 == 1)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `None` if there are more than segments can be.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() as u64 <= MAX_SEGMENT / 8 + 1).then(|| Repeats(bytes.to_vec()))
    }
}

impl Runs {
    /// Sorts in `memory` bytes. Payloads are the numbers of segments, or places.
    pub(super) fn new(memory: u64, of_segments: bool) -> Self {
        let capacity = usize::try_from(memory).unwrap_or(usize::MAX) / ENTRY_LEN;
        Runs {
            buffer: Vec::new(),
            capacity: capacity.max(MIN_BUFFER),
            pieces: Vec::new(),
            stored: 0,
            of_segments,
            repeats: Repeats::default(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= self.capacity
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(self.capacity.min(PIECE));
        } else if self.buffer.len() == self.buffer.capacity() {
            let more = self.buffer.len().min(self.capacity.saturating_sub(self.buffer.len()));
            self.buffer.reserve_exact(more.max(1));
        }
        self.buffer.push(entry);
    }

    /// Sorts what is there, and stores it. Tells the bytes that it takes in the file.
    pub(super) fn flush(&mut self, txn: &WriteTransaction) -> Result<u64, redb::Error> {
        self.sort();
        let mut table = txn.open_table(RUNS)?;
        let mut bytes = Vec::with_capacity(PIECE.saturating_mul(ENTRY_LEN));
        let mut written = 0u64;
        for piece in self.buffer.chunks(PIECE) {
            bytes.clear();
            piece.iter().for_each(|entry| bytes.extend_from_slice(&entry.0.to_le_bytes()));
            let number = u32::try_from(self.pieces.len())
                .map_err(|_| redb::Error::ValueTooLarge(self.pieces.len()))?;
            table.insert(number, bytes.as_slice())?;
            written = written.saturating_add(pages_of(&bytes) as u64);
            if let (Some(first), Some(last)) = (piece.first(), piece.last()) {
                self.pieces.push((upper(first.hash()), upper(last.hash())));
            }
        }
        self.stored = self.stored.saturating_add(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(written)
    }

    /// Most entries that there can be.
    pub(super) fn max_len(&self) -> u64 {
        self.stored.saturating_add(self.buffer.len() as u64)
    }

    /// Gives all entries in order, one for each CID. What was stored stays. Tells how many there
    /// were, and the payloads of the others.
    pub(super) fn merge<E: From<redb::Error>>(
        mut self,
        txn: &WriteTransaction,
        mut give: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(u64, Repeats), E> {
        let mut distinct = 0u64;
        if self.pieces.is_empty() {
            self.sort();
            self.buffer.iter().try_for_each(|&entry| give(entry))?;
            return Ok((self.buffer.len() as u64, self.repeats));
        }
        if !self.buffer.is_empty() {
            self.flush(txn)?;
        }
        // Hashes are spread evenly, so equal parts of their range have about equal numbers of
        // entries.
        let parts =
            self.stored.saturating_mul(4).div_ceil((self.capacity as u64).saturating_mul(3)).max(1);
        for part in 0..parts {
            self.gather(txn, part, parts)?;
            self.sort();
            distinct = distinct.saturating_add(self.buffer.len() as u64);
            self.buffer.iter().try_for_each(|&entry| give(entry))?;
            self.buffer.clear();
        }
        Ok((distinct, self.repeats))
    }

    /// Sorts entries, and leaves the first of each CID.
    fn sort(&mut self) {
        let Runs { buffer, of_segments, repeats, .. } = self;
        buffer.sort_unstable();
        buffer.dedup_by(|later, first| {
            let is_repeat = later.identity() == first.identity();
            if is_repeat && *of_segments && later.payload() != first.payload() {
                repeats.insert(later.payload());
            }
            is_repeat
        });
    }

    /// Collects all entries of one part of the range of hashes.
    fn gather(&mut self, txn: &WriteTransaction, part: u64, parts: u64) -> Result<(), redb::Error> {
        let Runs { buffer, pieces, .. } = self;
        let table = txn.open_table(RUNS)?;
        for (number, &(first, last)) in (0u32..).zip(pieces.iter()) {
            let (first, last) =
                (u64::from(first) << u32::BITS, u64::from(last) << u32::BITS | u64::from(u32::MAX));
            if part < scale(first, parts) || part > scale(last, parts) {
                continue;
            }
            let piece = table.get(number)?;
            let piece = piece.ok_or_else(|| {
                redb::Error::Corrupted("a piece of the index is not there".to_owned())
            })?;
            let (entries, _) = piece.value().as_chunks();
            let entries = entries.iter().map(|bytes| Entry(u128::from_le_bytes(*bytes)));
            buffer.extend(entries.filter(|entry| scale(entry.hash(), parts) == part));
        }
        Ok(())
    }
}

fn upper(hash: u64) -> u32 {
    u32::try_from(hash >> u32::BITS).unwrap_or(u32::MAX)
}

/// Which of so many equal parts of their range a hash is in.
#[inline]
pub(super) fn scale(hash: u64, parts: u64) -> u64 {
    let product = u128::from(hash).wrapping_mul(u128::from(parts));
    u64::try_from(product >> u64::BITS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use redb::{Database, backends::InMemoryBackend};

    use super::*;

    fn merged(runs: Runs, txn: &WriteTransaction) -> (u64, Repeats, Vec<Entry>) {
        let mut given = Vec::new();
        let merged = runs.merge(txn, |entry| {
            given.push(entry);
            Ok::<(), redb::Error>(())
        });
        let (distinct, repeats) = merged.unwrap();
        (distinct, repeats, given)
    }

    #[test]
    fn entries_come_sorted_and_once_for_each_cid_however_often_they_were_stored() {
        let secrets = [Secret::random(), Secret::random()];
        let cids: Vec<Cid> =
            (0..60_000u32).map(|number| Cid::of(Codec::Raw, &number.to_le_bytes())).collect();
        let mut expected: Vec<Entry> =
            (0..).zip(&cids).map(|(at, cid)| Entry::new(&secrets, cid, true, at)).collect();
        expected.sort_unstable();
        for memory in [1 << 24, 0] {
            let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            let txn = db.begin_write().unwrap();
            let mut runs = Runs::new(memory, true);
            // Later ones and bad ones come first, and do not stay.
            for round in [2, 1, 0] {
                for (at, cid) in (0..).zip(&cids) {
                    runs.push(Entry::new(&secrets, cid, round != 2, at + (round % 2) * 100_000));
                    if runs.is_full() {
                        runs.flush(&txn).unwrap();
                    }
                }
            }
            let (distinct, repeats, given) = merged(runs, &txn);
            assert_eq!(distinct, cids.len() as u64);
            // Some that were only for a while the first of their CIDs may be among them.
            assert!((100_000..160_000).all(|at| repeats.contains(at)));
            assert!(given == expected);
        }
    }

    #[test]
    fn one_cid_repeated_without_end_takes_one_entry_of_a_run() {
        let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let txn = db.begin_write().unwrap();
        let secrets = [Secret::random(), Secret::random()];
        let cid = Cid::of(Codec::Raw, b"");
        let mut runs = Runs::new(0, true);
        for number in 0..200_000 {
            runs.push(Entry::new(&secrets, &cid, true, number));
            if runs.is_full() {
                runs.flush(&txn).unwrap();
            }
        }
        assert!(runs.max_len() < 200_000 / MIN_BUFFER as u64 + MIN_BUFFER as u64);
        let (distinct, repeats, given) = merged(runs, &txn);
        assert!((0..300_000).all(|at| repeats.contains(at) == (1..200_000).contains(&at)));
        assert_eq!((distinct, given), (1, vec![Entry::new(&secrets, &cid, true, 0)]));
    }

    #[test]
    fn codecs_are_told_apart() {
        let secrets = [Secret::random(), Secret::random()];
        let [raw, cbor] = [Codec::Raw, Codec::DagCbor]
            .map(|codec| Entry::new(&secrets, &Cid::of(codec, b""), true, 7));
        assert_ne!(raw.identity(), cbor.identity());
        assert_eq!((raw.payload(), raw.hash()), (7, cbor.hash()));
    }
}
