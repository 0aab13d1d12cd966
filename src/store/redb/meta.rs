//! What a spill file says of itself. It is written last, so a file that has it is complete.

use redb::TableDefinition;

use super::pages::Shape;
use super::runs::Repeats;
use crate::car::Header;
use crate::cid::Cid;
use crate::error::{Error, KeptFault, Result};
use crate::process::Processable;
use crate::store::CarStats;
use crate::store::hash::Secret;
use crate::varint;

/// Segments by their numbers.
pub(super) const SEGMENTS: TableDefinition<'_, u32, &[u8]> =
    TableDefinition::new("carwalk segments");

/// The pages of the index by their numbers.
pub(super) const PAGES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("carwalk index");

/// Sorted pieces of the index, while it is made.
pub(super) const RUNS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("carwalk runs");

const META: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("carwalk");

/// The keys of what stands there.
const DESCRIPTION: u32 = 0;

const REPEATS: u32 = 1;

const MAGIC: [u8; 16] = *b"carwalk spill\r\n\x1a";

/// Version of all that is stored.
const VERSION: u16 = 1;

/// Longest header that [`Limits`](crate::Limits) can allow, with its length prefix.
const MAX_HEADER_LEN: u64 = u32::MAX as u64 + varint::MAX_LEN as u64;

pub(super) struct Meta {
    /// What the index mixes with digests.
    pub(super) secret: Secret,
    pub(super) stats: CarStats,
    /// Bytes of blocks and index.
    pub(super) stored: u64,
    pub(super) segments: u32,
    /// The shape of the index.
    pub(super) shape: Shape,
    /// Whether blocks were hashed when they were stored.
    pub(super) hashed: bool,
    /// Whether records were reduced by a process function.
    pub(super) reduced: bool,
    pub(super) header: Header,
    pub(super) repeats: Repeats,
}

impl Meta {
    pub(super) fn write(&self, txn: &redb::WriteTransaction) -> Result<(), redb::Error> {
        let bytes =
            self.to_bytes().map_err(|_| redb::Error::Corrupted("encoding failed".to_owned()))?;
        let mut table = txn.open_table(META)?;
        table.insert(DESCRIPTION, bytes.as_slice())?;
        table.insert(REPEATS, self.repeats.as_bytes())?;
        Ok(())
    }

    /// Reads it, unless the file is another's, of another version, or not complete.
    pub(super) fn read(
        txn: &redb::ReadTransaction,
        explain: impl Fn(redb::Error) -> Error,
    ) -> Result<Self> {
        let table = match txn.open_table(META) {
            Ok(table) => table,
            Err(
                redb::TableError::TableDoesNotExist(_) | redb::TableError::TableTypeMismatch { .. },
            ) => {
                return Err(Error::kept(KeptFault::NotOurs));
            }
            Err(error) => return Err(explain(error.into())),
        };
        let get = |key| {
            let value = table.get(key).map_err(|error| explain(redb::Error::from(error)))?;
            value.ok_or_else(|| Error::kept(KeptFault::Incomplete))
        };
        let mut meta = Self::parse(get(DESCRIPTION)?.value())?;
        let repeats = Repeats::from_bytes(get(REPEATS)?.value());
        meta.repeats = repeats
            .ok_or_else(|| Error::kept(KeptFault::Damaged("it has too many segments".into())))?;
        Ok(meta)
    }

    /// Refuses a CAR that is longer than a file of `file_len` bytes can hold, since its length bounds
    /// what memory offsets take. A section takes no more bytes in a CAR than in the file, unless a
    /// process function reduced its block; of the header, the file has only the roots.
    pub(super) fn check_len(&self, file_len: u64) -> Result<()> {
        if self.reduced || self.stats.bytes <= file_len.saturating_add(MAX_HEADER_LEN) {
            return Ok(());
        }
        Err(Error::kept(KeptFault::Damaged("the CAR is longer than the file can hold".into())))
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let Meta { secret, stats, stored, segments, shape, hashed, reduced, header, .. } = self;
        let CarStats { bytes, sections, distinct_blocks } = *stats;
        let mut out = Vec::new();
        (MAGIC, VERSION).encode(&mut out)?;
        (secret.words, bytes, sections, distinct_blocks, *stored, *segments, shape.pages)
            .encode(&mut out)?;
        (shape.payload_len, *hashed, *reduced, header.roots().to_vec()).encode(&mut out)?;
        Ok(out)
    }

    fn parse(mut input: &[u8]) -> Result<Self> {
        let damaged = || Error::kept(KeptFault::Damaged("its description cannot be read".into()));
        match <([u8; 16], u16)>::decode(&mut input) {
            Some((MAGIC, VERSION)) => {}
            Some((MAGIC, found)) => return Err(Error::kept(KeptFault::Version { found })),
            _ => return Err(Error::kept(KeptFault::NotOurs)),
        }
        let (words, bytes, sections, distinct_blocks, stored, segments, pages) =
            Processable::decode(&mut input).ok_or_else(damaged)?;
        let (payload_len, hashed, reduced, roots): (usize, bool, bool, Vec<Cid>) =
            Processable::decode(&mut input).ok_or_else(damaged)?;
        if !input.is_empty() || !(1..=5).contains(&payload_len) {
            return Err(damaged());
        }
        let stats = CarStats { bytes, sections, distinct_blocks };
        let header = Header::of(roots).ok_or_else(damaged)?;
        Ok(Meta {
            secret: Secret { words },
            stats,
            stored,
            segments,
            shape: Shape { pages, payload_len },
            hashed,
            reduced,
            header,
            repeats: Repeats::default(),
        })
    }
}
