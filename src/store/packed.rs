//! Packed blocks: the form of blocks that are copied out of their sections, in memory and in spill
//! files.
//!
//! ```text
//! varint   length of the bytes * 4 + state
//! varint   offset of the section in the CAR, less a base that many blocks share
//! CID      36 bytes
//! bytes    the block, or the processed value
//! ```

#[cfg(feature = "redb")]
use super::reached::MIN_SECTION_LEN;
use super::trust::Trust;
use super::{Block, Form};
use crate::car::{Section, SectionHead};
use crate::cid::{self, Cid};
use crate::error::{Result, Structure};
use crate::varint;

/// Bits of the first number that hold the state.
const STATE_BITS: u32 = 2;

/// Maximum number of bytes before the bytes of a block.
pub(crate) const MAX_HEAD_LEN: usize = 2 * varint::MAX_LEN + cid::LEN;

/// The state of a packed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The bytes are the block. It hashes to its CID, unless no block is hashed.
    Original,
    /// The bytes are a processed value.
    Processed,
    /// The bytes are the block, which does not hash to its CID. Only a walk that reaches it fails.
    Bad,
}

impl State {
    fn number(self) -> u64 {
        match self {
            State::Original => 0,
            State::Processed => 1,
            State::Bad => 2,
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        [State::Original, State::Processed, State::Bad]
            .into_iter()
            .find(|state| state.number() == number)
    }
}

/// A packed block.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    /// The offset of its section in the CAR.
    pub(crate) offset: u64,
    pub(crate) cid: Cid,
    pub(crate) state: State,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Creates a packed block of a section.
    #[inline]
    pub(crate) fn of(section: Section<'a>, state: State) -> Self {
        let (offset, cid, bytes) = (section.offset(), section.cid(), section.block());
        Packed { offset, cid, state, bytes }
    }

    /// Appends the varints and the CID that come before the bytes.
    pub(crate) fn write_head(&self, base: u64, out: &mut Vec<u8>) {
        let len = self.bytes.len() as u64;
        varint::encode(len << STATE_BITS | self.state.number(), out);
        debug_assert!(self.offset >= base, "blocks are packed in the order of the CAR");
        varint::encode(self.offset.saturating_sub(base), out);
        out.extend_from_slice(self.cid.as_bytes());
    }

    /// Parses the packed block at a position. Returns it and the position of the next one, or
    /// `None` if the bytes are not of this form, as in a damaged file.
    #[inline]
    pub(crate) fn read(bytes: &'a [u8], at: usize, base: u64) -> Option<(Self, usize)> {
        let rest = bytes.get(at..)?;
        let (first, first_len) = varint::decode(rest).ok()??;
        let rest = rest.get(first_len..)?;
        let (delta, delta_len) = varint::decode(rest).ok()??;
        let (cid, rest) = rest.get(delta_len..)?.split_at_checked(cid::LEN)?;
        let bytes = rest.get(..usize::try_from(first >> STATE_BITS).ok()?)?;
        let state = State::from_number(first & ((1 << STATE_BITS) - 1))?;
        let packed =
            Packed { offset: base.checked_add(delta)?, cid: Cid::parse(cid).ok()?, state, bytes };
        let len =
            first_len.checked_add(delta_len)?.checked_add(cid::LEN)?.checked_add(bytes.len())?;
        Some((packed, at.checked_add(len)?))
    }

    /// Returns the lowest offset at which the section can end. If a process function was applied to
    /// the block, its length is not known.
    #[cfg(feature = "redb")]
    pub(crate) fn min_end(&self) -> u64 {
        let len = if self.form() == Form::Original { self.bytes.len() as u64 } else { 0 };
        self.offset.saturating_add(MIN_SECTION_LEN).saturating_add(len)
    }

    pub(crate) fn head(&self) -> SectionHead {
        SectionHead::new(self.offset, self.cid)
    }

    /// Returns the block as a store with this trust returns it.
    pub(crate) fn found(&self, trust: Trust) -> Block<&'a [u8]> {
        let mark = trust.mark(&self.cid).filter(|_| self.state != State::Bad);
        let found = Block::new(self.bytes).at(self.offset).verified(mark);
        if self.form() == Form::Value { found.processed() } else { found }
    }

    /// Checks the block against its CID.
    pub(crate) fn verify(&self) -> Result<()> {
        let verified = self.cid.verify(self.bytes);
        verified.map_err(|error| error.in_structure(Structure::Section).at(Some(self.offset)))
    }

    pub(crate) fn form(&self) -> Form {
        if self.state == State::Processed { Form::Value } else { Form::Original }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::Codec;

    #[test]
    fn what_was_packed_is_read_again() {
        let mut out = vec![9; 3];
        let mut starts = Vec::new();
        let blocks = [vec![], vec![7; 31], vec![8; 32], vec![1; 5000], vec![2; 70_000]];
        let states = [State::Original, State::Processed, State::Bad];
        for (number, (block, state)) in blocks.iter().zip(states.into_iter().cycle()).enumerate() {
            starts.push(out.len());
            let packed = Packed {
                offset: 1 << (40 - number),
                cid: Cid::of(Codec::Raw, &block[..]),
                state,
                bytes: block,
            };
            packed.write_head(100, &mut out);
            out.extend_from_slice(block);
        }
        starts.push(out.len());
        for (number, block) in blocks.iter().enumerate() {
            let (packed, next) = Packed::read(&out, starts[number], 100).unwrap();
            assert_eq!((packed.offset, packed.state), (1 << (40 - number), states[number % 3]));
            assert_eq!((packed.bytes, packed.cid), (&block[..], Cid::of(Codec::Raw, block)));
            assert_eq!(next, starts[number + 1]);
            for end in starts[number]..next {
                assert!(Packed::read(&out[..end], starts[number], 100).is_none());
            }
        }
    }

    #[test]
    fn a_state_that_does_not_exist_is_none() {
        let mut out = Vec::new();
        let packed =
            Packed { offset: 0, cid: Cid::of(Codec::Raw, b""), state: State::Original, bytes: b"" };
        packed.write_head(0, &mut out);
        assert!(Packed::read(&out, 0, 0).is_some());
        out[0] |= 3;
        assert!(Packed::read(&out, 0, 0).is_none());
    }
}
