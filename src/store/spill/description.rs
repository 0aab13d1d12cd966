//! The description of a spill file. It is written last, so a file that has one is complete.
//!
//! ```text
//! 16 bytes   "carwalk spill\r\n\x1a"
//!  2 bytes   version: 2
//! 32 bytes   secret of the index
//!  8 bytes   length of the CAR
//!  8 bytes   number of sections
//!  8 bytes   number of distinct blocks
//!  8 bytes   bytes of blocks and index in the file
//!  4 bytes   number of segments
//!  4 bytes   number of pages of the index
//!  8 bytes   length of a payload in the index, in bytes
//!  1 byte    1 if blocks were hashed before they were stored, else 0
//!  1 byte    1 if a process function was applied to records, else 0
//! varint     number of roots
//! 36 bytes   CID of each root
//! ```
//!
//! Numbers are little-endian. The second value of the table has a bit for each segment: whether the
//! segment has a block whose CID is found in another segment.

use redb::{ReadTransaction, WriteTransaction};

use super::file_errors::FileErrors;
use super::index_entry::MAX_SEGMENT;
use super::index_page::PageLayout;
use super::repeats::Repeats;
use super::tables::DESCRIPTION;
use crate::car::Header;
use crate::cid::{self, Cid};
use crate::error::{Error, Result, SpillFileFault};
use crate::limits::MAX_CAR_LEN;
use crate::store::CarStats;
use crate::store::hash::Secret;
use crate::store::reached::MIN_SECTION_LEN;
use crate::varint;

/// The key of the description.
const FACTS: u32 = 0;

/// The key of the segments with repeated blocks.
const REPEATS: u32 = 1;

const MAGIC: [u8; 16] = *b"carwalk spill\r\n\x1a";

/// Version of the file format.
const VERSION: u16 = 2;

/// Length of the longest header that [`Limits`](crate::Limits) can allow, with its length prefix.
const MAX_HEADER_LEN: u64 = u32::MAX as u64 + varint::MAX_LEN as u64;

/// The description of a spill file.
pub(super) struct Description {
    /// The random numbers that the index mixes with digests.
    pub(super) secret: Secret,
    pub(super) stats: CarStats,
    /// Number of bytes of blocks and index in the file.
    pub(super) stored: u64,
    pub(super) segments: u32,
    pub(super) layout: PageLayout,
    /// Whether blocks were hashed before they were stored.
    pub(super) hashed: bool,
    /// Whether a process function was applied to records.
    pub(super) processed: bool,
    pub(super) header: Header,
    pub(super) repeats: Repeats,
}

impl Description {
    pub(super) fn write(&self, txn: &WriteTransaction) -> Result<(), redb::Error> {
        let mut table = txn.open_table(DESCRIPTION)?;
        table.insert(FACTS, self.to_bytes().as_slice())?;
        table.insert(REPEATS, self.repeats.as_bytes())?;
        Ok(())
    }

    /// Reads the description of a file.
    ///
    /// # Errors
    ///
    /// `InvalidSpillFile` if the file is something else, of another version, not complete or
    /// damaged; `Store` if reading fails.
    pub(super) fn read(txn: &ReadTransaction, errors: &FileErrors) -> Result<Self> {
        let table = match txn.open_table(DESCRIPTION) {
            Ok(table) => table,
            Err(
                redb::TableError::TableDoesNotExist(_) | redb::TableError::TableTypeMismatch { .. },
            ) => return Err(Error::spill_file(SpillFileFault::NotOurs)),
            Err(error) => return Err(errors.explain(error)),
        };
        let get = |key| {
            let value = errors.of(table.get_owned(key))?;
            value.ok_or_else(|| Error::spill_file(SpillFileFault::Incomplete))
        };
        let mut description = Self::parse(get(FACTS)?.value())?;
        let repeats = Repeats::from_bytes(get(REPEATS)?.value(), description.segments);
        description.repeats = repeats
            .ok_or_else(|| Error::damaged("repeated blocks are in segments that do not exist"))?;
        Ok(description)
    }

    /// Checks that a file of `file_len` bytes can hold a CAR of this length, which bounds the
    /// memory of sets of offsets. A section takes no more bytes in a CAR than in the file, unless a
    /// process function was applied to it. Of the header, the file has only the roots.
    pub(super) fn check_len(&self, file_len: u64) -> Result<()> {
        if self.processed || self.stats.bytes <= file_len.saturating_add(MAX_HEADER_LEN) {
            return Ok(());
        }
        Err(Error::damaged("the CAR is longer than the file can hold"))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let CarStats { bytes, sections, distinct_blocks } = self.stats;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        for number in self.secret.words.into_iter().chain([bytes, sections, distinct_blocks]) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.stored.to_le_bytes());
        out.extend_from_slice(&self.segments.to_le_bytes());
        out.extend_from_slice(&self.layout.pages.to_le_bytes());
        out.extend_from_slice(&(self.layout.payload_len as u64).to_le_bytes());
        out.extend_from_slice(&[u8::from(self.hashed), u8::from(self.processed)]);
        varint::encode(self.header.roots().len() as u64, &mut out);
        self.header.roots().iter().for_each(|root| out.extend_from_slice(root.as_bytes()));
        out
    }

    fn parse(mut input: &[u8]) -> Result<Self> {
        match (take(&mut input), take(&mut input).map(u16::from_le_bytes)) {
            (Some(MAGIC), Some(VERSION)) => {}
            (Some(MAGIC), Some(found)) => {
                return Err(Error::spill_file(SpillFileFault::Version { found }));
            }
            _ => return Err(Error::spill_file(SpillFileFault::NotOurs)),
        }
        let description = Self::parse_facts(input)
            .ok_or_else(|| Error::damaged("its description cannot be read"))?;
        if !description.is_consistent() {
            return Err(Error::damaged("its description contradicts itself"));
        }
        Ok(description)
    }

    /// Parses the bytes after the version.
    fn parse_facts(mut input: &[u8]) -> Option<Self> {
        let mut words = [0; 4];
        for word in &mut words {
            *word = u64::from_le_bytes(take(&mut input)?);
        }
        let mut number = || take(&mut input).map(u64::from_le_bytes);
        let stats = CarStats { bytes: number()?, sections: number()?, distinct_blocks: number()? };
        let stored = number()?;
        let segments = u32::from_le_bytes(take(&mut input)?);
        let pages = u32::from_le_bytes(take(&mut input)?);
        let payload_len = usize::try_from(u64::from_le_bytes(take(&mut input)?)).ok()?;
        let [hashed, processed] = [flag(&mut input)?, flag(&mut input)?];
        Some(Description {
            secret: Secret { words },
            stats,
            stored,
            segments,
            layout: PageLayout { pages, payload_len },
            hashed,
            processed,
            header: Header::of(roots(input)?)?,
            repeats: Repeats::default(),
        })
    }

    /// Returns whether there can be a CAR with all of these numbers. They may still be forged, but
    /// the memory that follows from each of them is bounded by the others.
    fn is_consistent(&self) -> bool {
        let CarStats { bytes, sections, distinct_blocks } = self.stats;
        let least_len = sections.checked_mul(MIN_SECTION_LEN);
        bytes <= MAX_CAR_LEN
            && least_len.is_some_and(|len| len <= bytes)
            && distinct_blocks <= sections
            && u64::from(self.segments) <= sections.min(MAX_SEGMENT.saturating_add(1))
            && self.layout.is_possible()
    }
}

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(*taken)
}

fn flag(input: &mut &[u8]) -> Option<bool> {
    match take(input)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

/// Parses the roots, which are the rest of the description.
fn roots(input: &[u8]) -> Option<Vec<Cid>> {
    let (count, count_len) = varint::decode(input).ok()??;
    let (roots, rest) = input.get(count_len..)?.as_chunks::<{ cid::LEN }>();
    if !rest.is_empty() || roots.len() as u64 != count {
        return None;
    }
    roots.iter().map(|root| Cid::parse(root).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::Codec;

    fn description() -> Description {
        Description {
            secret: Secret { words: [1, 2, 3, 0x0102_0304_0506_0708] },
            stats: CarStats { bytes: 70_000, sections: 700, distinct_blocks: 600 },
            stored: 90_000,
            segments: 5,
            layout: PageLayout { pages: 2, payload_len: 1 },
            hashed: true,
            processed: false,
            header: Header::of(vec![Cid::of(Codec::DagCbor, b""), Cid::of(Codec::Raw, b"")])
                .unwrap(),
            repeats: Repeats::default(),
        }
    }

    /// Files of other builds are read by their bytes: these are those of version 2.
    #[test]
    fn the_bytes_of_version_2_stay_the_same() {
        let mut expected = b"carwalk spill\r\n\x1a\x02\x00".to_vec();
        for number in [1, 2, 3, 0x0102_0304_0506_0708, 70_000, 700, 600, 90_000_u64] {
            expected.extend_from_slice(&number.to_le_bytes());
        }
        expected.extend_from_slice(b"\x05\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\x01\x00\x02");
        for codec in [b"\x01\x71\x12\x20", b"\x01\x55\x12\x20"] {
            expected.extend_from_slice(codec);
            // SHA-256 of nothing.
            expected.extend_from_slice(
                b"\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9\x24\
                  \x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52\xb8\x55",
            );
        }
        let bytes = description().to_bytes();
        assert_eq!(bytes, expected);
        let parsed = Description::parse(&bytes).unwrap();
        assert_eq!(parsed.to_bytes(), bytes);
        assert!(parsed.hashed && !parsed.processed);
        for end in 0..bytes.len() {
            assert!(Description::parse(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Description::parse(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn numbers_that_no_car_has_together_are_damage() {
        let change = |change: fn(&mut Description)| {
            let mut description = description();
            change(&mut description);
            Description::parse(&description.to_bytes()).map(|_| ())
        };
        change(|_| {}).unwrap();
        change(|it| it.stats.bytes = MAX_CAR_LEN).unwrap();
        change(|it| it.segments = 700).unwrap();
        let bad: [fn(&mut Description); 9] = [
            |it| it.stats.bytes = MAX_CAR_LEN + 1,
            |it| it.stats.bytes = 700 * MIN_SECTION_LEN - 1,
            |it| it.stats.sections = u64::MAX,
            |it| it.stats.sections = 599,
            |it| it.stats.distinct_blocks = 701,
            |it| it.segments = 701,
            |it| it.segments = u32::MAX,
            |it| it.layout.payload_len = 0,
            |it| it.layout.payload_len = 6,
        ];
        for (number, bad) in bad.into_iter().enumerate() {
            assert!(change(bad).is_err(), "{number}");
        }
    }
}
