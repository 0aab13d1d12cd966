//! Going back to a section that was read before.

use super::Reader;

impl<R> Reader<R> {
    /// Holds the bytes of all sections that are read from now on, until [`rewind`](Reader::rewind).
    /// They stay adjacent in memory.
    pub(crate) fn hold(&mut self) {
        debug_assert!(!self.keep && self.held.is_none());
        self.held = Some(self.end);
    }

    /// Returns how many bytes of sections are held.
    pub(crate) fn held_len(&self) -> u64 {
        self.held.map_or(0, |held| self.end.saturating_sub(held)) as u64
    }

    /// Moves back to the first section that is held. From now on, sections that are read stay in
    /// memory if `keep` is set, and none is held.
    pub(crate) fn rewind(&mut self, keep: bool) {
        debug_assert!(self.held.is_some(), "no section is held");
        if let Some(held) = self.held.take() {
            (self.at, self.end) = (held, held);
            (self.keep, self.done) = (keep, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::car::{Advance, Source, Writer};
    use crate::cid::{Cid, Codec};

    /// A CAR with sections of these lengths.
    fn car(lens: &[usize]) -> Vec<u8> {
        let mut car = Writer::new(Vec::new(), &[Cid::of(Codec::Raw, b"")]).unwrap();
        for &len in lens {
            let block = vec![7; len];
            car.write(Cid::of(Codec::Raw, &block), &block).unwrap();
        }
        car.finish().unwrap()
    }

    /// Returns the offsets of the next sections, at most `count`.
    fn read<R: std::io::Read>(reader: &mut Reader<R>, count: usize) -> Vec<u64> {
        let mut offsets = Vec::new();
        while offsets.len() < count
            && let Advance::Section(located) = reader.advance().unwrap()
        {
            let section = located.section(reader).unwrap();
            section.verify().unwrap();
            offsets.push(section.offset());
        }
        offsets
    }

    /// Whether the buffer has to grow while sections are held or not, and whether the end was read.
    #[test]
    fn sections_that_are_held_come_again_at_the_same_offsets() {
        for lens in [&[10, 20, 30][..], &[100_000, 1, 40_000, 60_000], &[50_000; 12], &[]] {
            let bytes = car(lens);
            for keep in [false, true] {
                for (before, held) in [(0, 0), (0, 2), (1, 1), (1, 2), (0, 100), (2, 100)] {
                    let mut all = Reader::new(&bytes[..]).unwrap();
                    let expected = read(&mut all, usize::MAX);
                    let mut reader = Reader::new(&bytes[..]).unwrap();
                    let passed = read(&mut reader, before).len();
                    reader.hold();
                    let position = reader.position();
                    read(&mut reader, held);
                    assert_eq!(reader.held_len(), reader.position() - position);
                    reader.rewind(keep);
                    assert_eq!(reader.position(), position);
                    assert_eq!(read(&mut reader, usize::MAX), expected[passed..]);
                    assert_eq!(reader.position(), bytes.len() as u64);
                }
            }
        }
    }
}
