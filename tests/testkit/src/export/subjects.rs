//! What records refer to.

use crate::cid::{Cid, DAG_CBOR};
use crate::rng::Rng;
use crate::tid;

/// A reference to a record: its `at://` URI and its CID.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reference {
    pub(super) uri: String,
    pub(super) cid: Cid,
}

impl Reference {
    pub(super) fn to_post(did: &str, tid: u64, cid: Cid) -> Self {
        Self { uri: format!("at://{did}/app.bsky.feed.post/{}", tid::text(tid)), cid }
    }
}

/// The posts and accounts that records refer to.
pub(super) trait Subjects {
    /// Picks a post for a record with this TID.
    fn post(&self, rng: &mut Rng, tid: u64) -> Reference;

    /// Picks the root and the parent of a reply with this TID.
    fn thread(&self, rng: &mut Rng, tid: u64) -> [Reference; 2];

    /// Picks an account and returns its DID.
    fn account(&self, rng: &mut Rng) -> String;
}

/// Posts and accounts that do not exist. Posts are at most a day older than what refers to them.
#[derive(Debug)]
pub(super) struct MadeUp;

impl Subjects for MadeUp {
    fn post(&self, rng: &mut Rng, tid: u64) -> Reference {
        let digest = std::array::from_fn(|_| rng.next_u64() as u8);
        let post = tid - ((rng.next_u64() % 86_400_000_000) << 10);
        Reference::to_post(&did(rng), post, Cid::new(DAG_CBOR, digest))
    }

    fn thread(&self, rng: &mut Rng, tid: u64) -> [Reference; 2] {
        [self.post(rng, tid), self.post(rng, tid)]
    }

    fn account(&self, rng: &mut Rng) -> String {
        did(rng)
    }
}

/// Returns a random DID.
pub(super) fn did(rng: &mut Rng) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz234567";
    let id = (0..24).map(|_| char::from(*rng.pick(letters)));
    "did:plc:".chars().chain(id).collect()
}
