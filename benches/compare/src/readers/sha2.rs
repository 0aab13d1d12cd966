//! The yardstick: hashes every block, and does only what is needed for that.

use std::hint::black_box;

use sha2::{Digest, Sha256};

use super::{Input, Items, Reader, Work};
use crate::Result;
use crate::source::Source;
use crate::tally::{CidBytes, Tally};

pub(super) const HASHING: Reader = Reader {
    name: super::YARDSTICK,
    title: "sha2, the hashing alone",
    input: Input::File,
    items: Items::Blocks,
    repeats: true,
    checks: "Nothing: it maps the file, follows the length prefixes, and hashes every block.",
    work: Work::Rust(|| Box::new(hashing)),
};

fn hashing(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let bytes = source.bytes()?;
    let mut rest = cut(&bytes).ok_or("the header is truncated")?.1;
    while !rest.is_empty() {
        let (section, after) = cut(rest).ok_or("a section is truncated")?;
        let (cid, block) = section.split_first_chunk().ok_or("a section has no CID")?;
        black_box(Sha256::digest(block));
        tally.block(block, || -> CidBytes { *cid });
        rest = after;
    }
    Ok(())
}

/// Reads a length prefix. Returns the bytes that it counts, and the bytes after those.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut len, mut shift) = (0, 0);
    for (at, byte) in bytes.iter().enumerate().take(5) {
        len |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return bytes.get(at + 1..)?.split_at_checked(len);
        }
    }
    None
}
