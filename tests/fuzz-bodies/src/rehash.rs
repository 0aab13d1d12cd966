//! Repairs the hashes and links of a CAR after its bytes were changed.

use std::collections::HashMap;

use carwalk_testkit::car::Car;
use carwalk_testkit::cid::Cid;

/// Returns the CAR with the correct CID for each block, and with links that are changed
/// accordingly. A mutation then reaches the code behind the hashes. `None` if the framing is
/// invalid.
///
/// Each occurrence of a block's CID in a block or in the header is replaced with the new CID, from
/// the leaves up. Links that form a cycle are left alone: no hashes can match them.
pub(crate) fn rehash(bytes: &[u8]) -> Option<Vec<u8>> {
    let car = Car::parse(bytes).ok()?;
    let mut rehash = Rehash { blocks: HashMap::new(), done: HashMap::new() };
    for section in &car.sections {
        rehash.blocks.entry(Cid::from_bytes(&section.cid)?).or_insert(&section.data);
    }
    let mut fixed = Car::with_header(rehash.replaced(&car.header, 0));
    for section in &car.sections {
        let block = rehash.replaced(&section.data, 0);
        let codec = Cid::from_bytes(&section.cid)?.codec();
        fixed.push(of_codec(codec, &block), &block);
    }
    Some(fixed.to_bytes())
}

struct Rehash<'a> {
    blocks: HashMap<Cid, &'a [u8]>,
    /// New CIDs by old ones. `None` while the links of the block are being replaced.
    done: HashMap<Cid, Option<Cid>>,
}

/// Maximum length of a chain of links that is followed. No tree is as deep.
const MAX_DEPTH: usize = 200;

impl Rehash<'_> {
    /// Returns `bytes` with new CIDs in place of the old ones.
    fn replaced(&mut self, bytes: &[u8], depth: usize) -> Vec<u8> {
        let mut out = bytes.to_vec();
        let mut at = 0;
        while let Some(found) = out.get(at..at + 36) {
            match Cid::from_bytes(found).and_then(|old| self.fixed(old, depth)) {
                Some(new) => {
                    out[at..at + 36].copy_from_slice(new.as_bytes());
                    at += 36;
                }
                None => at += 1,
            }
        }
        out
    }

    /// Returns the new CID of a block. `None` if the block is missing or its links are being
    /// replaced.
    fn fixed(&mut self, old: Cid, depth: usize) -> Option<Cid> {
        if let Some(done) = self.done.get(&old) {
            return *done;
        }
        let block = *self.blocks.get(&old).filter(|_| depth < MAX_DEPTH)?;
        self.done.insert(old, None);
        let block = self.replaced(block, depth + 1);
        let new = of_codec(old.codec(), &block);
        self.done.insert(old, Some(new));
        Some(new)
    }
}

fn of_codec(codec: u8, block: &[u8]) -> Cid {
    if codec == carwalk_testkit::cid::RAW { Cid::raw(block) } else { Cid::dag_cbor(block) }
}
