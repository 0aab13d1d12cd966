//! The index of stores in memory: from CIDs to placements, with a slot of 8 bytes for each block.
//!
//! ```text
//! slot   32 bits of hash | 32 bits of placement + 1       0 is an empty slot
//!        24 bits of hash | 40 bits of placement + 1       if a placement needs them
//! ```
//!
//! The CID itself is not in the slot. It is compared at the placement when the hash bits agree.
//! With 32 bits, another CID rarely has the same ones; each such case costs a cache miss.
//!
//! Slots are in a table with linear probing. A slot's home is its hash scaled to the length of the
//! table, so a table can have any length, and one cache miss finds most slots. The table is made in
//! one step when all blocks are known, and never grows.

mod notes;
mod slot;
mod table;
#[cfg(test)]
mod testing;

pub(crate) use self::notes::{Notes, check_placement};
pub(crate) use self::table::{Index, Match};

/// Maximum length of a CAR in bytes that stays in the CPU's cache with its index, so that
/// prefetching costs more than it saves.
pub(super) const CACHED_LEN: u64 = 1 << 18;
