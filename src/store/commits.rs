//! The commits among the blocks of a CAR.

use super::{BlockStore, CarStore, Form};
use crate::car::SectionHead;
use crate::cid::Codec;
use crate::commit::{Commit, CommitRules};
use crate::error::Result;

/// Returns the commits among the blocks of a CAR, in the order of the CAR. A repeated block is
/// returned once.
///
/// The iterator makes one lookup for each section whose CID has the codec dag-cbor. Blocks that are
/// not commits are left out, and so are blocks that do not hash to their CIDs, under every
/// [`Verification`](crate::Verification). In a store that was loaded with a process function, only
/// the opened commit is found: the others are processed values.
/// [`Loader::commit`](crate::Loader::commit) opens one of several.
///
/// # Errors
///
/// Items are errors only if the blocks or the index are in a spill file: `Store` if reading it
/// fails, `InvalidSpillFile` if it is damaged.
///
/// # Examples
///
/// ```
/// use carwalk::CommitRules;
/// use carwalk::store::{SliceStore, commits};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let store = SliceStore::new(bytes)?;
/// let commits: Vec<_> = commits(&store, CommitRules::Current).collect::<Result<_, _>>()?;
/// assert_eq!(commits.len(), 1);
/// assert_eq!(commits[0].did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn commits<S: CarStore>(
    store: &S,
    rules: CommitRules,
) -> impl Iterator<Item = Result<Commit<'static>>> {
    let read = move |head: Result<SectionHead>| head.and_then(|head| read(store, head, rules));
    store.sections().filter_map(move |head| read(head).transpose())
}

/// Returns the block of a section as a commit, if it is one.
fn read<S: BlockStore>(
    store: &S,
    head: SectionHead,
    rules: CommitRules,
) -> Result<Option<Commit<'static>>> {
    let cid = head.cid();
    if cid.codec() != Codec::DagCbor {
        return Ok(None);
    }
    let Some(block) = store.get(&cid)? else { return Ok(None) };
    let bytes = block.bytes.as_ref();
    // The store has one offset for each CID, so a repeated block is parsed only once.
    if block.form == Form::Value || block.offset != Some(head.offset()) {
        return Ok(None);
    }
    let commit = Commit::parse(cid, bytes, rules).ok();
    let is_verified = |_: &Commit<'_>| block.verified == Some(cid) || cid.verify(bytes).is_ok();
    Ok(commit.filter(is_verified).map(Commit::into_owned))
}
