//! The sources of a load: slices and streams.

use super::header::Header;
use super::placement::Placement;
use super::section::{Framed, Section};
use crate::cid::Cid;
use crate::error::{Error, Result, Structure};

/// A section whose frame was parsed. Its bytes can be found without parsing the frame again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) at: Placement,
    /// The CID that the block is declared to have.
    pub(crate) cid: Cid,
    /// Length of the bytes before the block: a varint and a CID.
    head_len: u32,
    block_len: u32,
}

/// The result of moving to the next section.
pub(crate) enum Advance {
    /// There is another section.
    Section(Located),
    /// The CAR ends here.
    End,
    /// The next section needs more bytes than the source may hold. The source can continue after
    /// [`Source::allow`].
    Full,
}

/// An iterator over sections, which can be found again by their placements.
pub(crate) trait Source {
    /// Bytes that another thread may read.
    type Lent: AsRef<[u8]> + Send;

    /// Whether sections can be found while their bytes are lent.
    const FINDS_LENT: bool;

    /// Number of bytes of sections that are hashed together.
    const PORTION: u64 = 1 << 18;

    fn header(&self) -> &Header;

    /// Returns how many bytes of memory the source takes for itself.
    fn held(&self) -> u64 {
        0
    }

    /// Sets how many bytes of memory the source may hold.
    fn allow(&mut self, _bytes: u64) {}

    /// Moves to the next section.
    fn advance(&mut self) -> Result<Advance>;

    /// Returns the section at a placement by parsing its frame again.
    fn section_at(&self, at: Placement) -> Option<Section<'_>>;

    /// Returns the offset in the CAR of a placement.
    fn offset_of(&self, at: Placement) -> u64;

    /// Returns whether the sections at two placements, and all between them, are adjacent in
    /// memory.
    fn are_joined(&self, at: Placement, later: Placement) -> bool;

    /// Returns the bytes from a placement on, as far as they were read and are adjacent.
    fn bytes_from(&self, at: Placement) -> &[u8];

    /// Lends the bytes that a section lies in, and returns where in them it begins. `None` if the
    /// source has yet to write there.
    fn lend(&mut self, at: Placement) -> Option<(Self::Lent, usize)>;

    /// Takes back the bytes that were lent for a placement.
    fn take_back(&mut self, at: Placement, lent: Self::Lent);

    /// Returns the length of the CAR up to the end of the current section.
    fn position(&self) -> u64;
}

impl Located {
    #[inline]
    pub(super) fn new(at: Placement, framed: &Framed<'_>) -> Self {
        // Lengths of blocks are limited to 32 bits; a head is a varint and a CID.
        let block_len = u32::try_from(framed.block.len());
        let head_len = u32::try_from(framed.len.saturating_sub(framed.block.len()));
        debug_assert!(block_len.is_ok() && head_len.is_ok(), "limits bound every block");
        let (head_len, block_len) = (head_len.unwrap_or(0), block_len.unwrap_or(0));
        Located { at, cid: framed.cid, head_len, block_len }
    }

    /// Returns the section in `source`, which must be the one that located it.
    pub(crate) fn section<'s>(&self, source: &'s impl Source) -> Result<Section<'s>> {
        let block = |bytes: &'s [u8]| {
            let (head, rest) = bytes.split_at_checked(usize::try_from(self.head_len).ok()?)?;
            debug_assert!(head.ends_with(self.cid.as_bytes()), "another section is there");
            rest.get(..usize::try_from(self.block_len).ok()?)
        };
        let block = block(source.bytes_from(self.at)).ok_or_else(changed)?;
        Ok(Section::new(source.offset_of(self.at), self.cid, block))
    }

    /// Returns the same section after everything moved down by `len` bytes.
    #[cfg(feature = "redb")]
    pub(crate) fn moved_down(self, len: u64) -> Self {
        Located { at: self.at.moved_down(len), ..self }
    }
}

/// Returns the error for an input whose bytes changed: `AsRef` returned different bytes than
/// before, or somebody wrote to a mapped file.
#[cold]
pub(crate) fn changed() -> Error {
    Error::store("the input's bytes changed while they were read").in_structure(Structure::Section)
}

#[cfg(test)]
mod tests {
    use super::super::SliceReader;
    use super::*;
    use crate::error::ErrorKind;

    const CAR: &[u8] = include_bytes!("../../samples/repo.car");

    /// As in a mapped file that another process truncated.
    #[test]
    fn a_section_that_is_gone_is_an_error_of_the_store() {
        let mut source = SliceReader::new(CAR).unwrap();
        let Ok(Advance::Section(located)) = source.advance() else { panic!("a first section") };
        assert_eq!(located.section(&source).unwrap().offset(), located.at.at());
        for at in [CAR.len() as u64 - 1, CAR.len() as u64, u64::MAX] {
            let gone = Located { at: Placement::new(at), ..located };
            let error = gone.section(&source).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}");
            assert_eq!(error.position().structure(), Structure::Section);
        }
    }

    #[test]
    fn borrowed_bytes_take_no_memory() {
        assert_eq!(SliceReader::new(CAR).unwrap().held(), 0);
    }
}
