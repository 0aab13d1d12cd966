//! iroh-car 0.5.1, the CAR reader of repo-stream and jacquard-repo. It reads no trees.

use iroh_car::CarReader;
use sha2::{Digest, Sha256};

use super::{Input, Items, Reader, Work, block_on, cid_bytes};
use crate::Result;
use crate::source::Source;
use crate::tally::Tally;

pub(super) const FRAMING: Reader = Reader {
    name: "iroh-car",
    title: "iroh-car 0.5.1, framing only",
    input: Input::File,
    items: Items::Blocks,
    repeats: true,
    checks: "The framing; no hash, no tree, no records. A file that ends inside a length prefix is accepted as complete.",
    work: Work::Rust(|| Box::new(framing)),
};

pub(super) const HASHING: Reader = Reader {
    name: "iroh-car-sha2",
    title: "iroh-car 0.5.1, and each block hashed",
    checks: "The framing and the hash of every block; no tree, no records.",
    work: Work::Rust(|| Box::new(hashing)),
    ..FRAMING
};

fn framing(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    blocks(source, tally, |_, _| true)
}

fn hashing(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    blocks(source, tally, |cid, block| cid.hash().digest() == Sha256::digest(block).as_slice())
}

fn blocks(
    source: &Source<'_>,
    tally: &mut Tally,
    sound: impl Fn(&cid::Cid, &[u8]) -> bool,
) -> Result<()> {
    let bytes = source.bytes()?;
    block_on(async {
        let mut reader = CarReader::new(&*bytes).await?;
        while let Some((cid, block)) = reader.next_block().await? {
            if !sound(&cid, &block) {
                return Err(format!("a block does not match its CID {cid}").into());
            }
            tally.block(&block, || cid_bytes(&cid));
        }
        Ok(())
    })
}
