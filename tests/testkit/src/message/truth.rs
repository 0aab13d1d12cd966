//! Whether a message is valid, decided from all records.

use std::collections::{BTreeMap, HashSet};

use super::{Batch, CommitMessage, Operation};
use crate::cid::Cid;
use crate::commit::{DID, REV};
use crate::oracle::syntax;
use crate::tree::{self, Node};

/// All that can be known about a commit. The operations are undone on the whole new tree, and the
/// whole tree before them is built: no proof is involved.
#[derive(Clone, Debug)]
pub struct Truth {
    did: String,
    rev: String,
    /// The tree of the commit, with all nodes. A test may set one that no server may have.
    root: Node,
}

impl Truth {
    /// The truth about a batch whose message has the default account and revision.
    pub fn of(batch: &Batch) -> Self {
        Self::about(batch.new_root().clone())
    }

    /// The truth about a commit with this tree, and with the default account and revision.
    pub fn about(root: Node) -> Self {
        Self { did: DID.to_owned(), rev: REV.to_owned(), root }
    }

    /// Returns why a message about the commit is not valid. Signatures are not considered, and no
    /// limits.
    pub fn judge(&self, message: &CommitMessage) -> Result<(), String> {
        self.judge_envelope(message)?;
        judge_blocks(message)?;
        let mut records = self.records()?;
        let mut paths = HashSet::new();
        for op in &message.ops {
            if !paths.insert(&op.path) {
                return Err(format!("{} is listed twice", op.path));
            }
            undo(op, &mut records)?;
            let record = op.cid.map(|cid| cid.as_bytes().to_vec());
            if record.is_some_and(|cid| !has_block(message, &cid)) {
                return Err(format!("the record of {} is missing", op.path));
            }
        }
        let before = tree::build(&records).cid();
        let expected = match (message.prev_data, &message.since) {
            (Some(data), _) => data,
            (None, None) => tree::build(&BTreeMap::new()).cid(),
            (None, Some(_)) => return Err("no prevData".to_owned()),
        };
        (before == expected).then_some(()).ok_or_else(|| format!("the tree before was {before}"))
    }

    fn judge_envelope(&self, message: &CommitMessage) -> Result<(), String> {
        let is_known = message.repo == self.did && message.rev == self.rev;
        if !is_known || !message.since.as_deref().is_none_or(syntax::is_tid) {
            return Err("another account or revision".to_owned());
        }
        if message.blocks.header != crate::car::header(&[message.commit]) {
            return Err("another commit".to_owned());
        }
        has_block(message, message.commit.as_bytes())
            .then_some(())
            .ok_or_else(|| "the commit is missing".to_owned())
    }

    /// The records of the commit's tree, if it is the tree of these records.
    fn records(&self) -> Result<BTreeMap<Vec<u8>, Cid>, String> {
        let mut records = BTreeMap::new();
        for step in self.root.preorder() {
            if let tree::Step::Entry { key, value: Some(cid), .. } = step {
                records.insert(key, cid);
            }
        }
        let is_right = tree::build(&records).cid() == self.root.cid();
        is_right.then_some(records).ok_or_else(|| "the tree is not the tree of its keys".to_owned())
    }
}

/// Undoes an operation on the records after it.
fn undo(op: &Operation, records: &mut BTreeMap<Vec<u8>, Cid>) -> Result<(), String> {
    let path = op.path.as_bytes();
    let fits = match (op.action.as_str(), op.cid, op.prev) {
        ("create", Some(cid), None) => records.remove(path) == Some(cid),
        ("update", Some(cid), Some(prev)) => {
            cid != prev && records.insert(path.to_vec(), prev) == Some(cid)
        }
        ("delete", None, Some(prev)) => records.insert(path.to_vec(), prev).is_none(),
        _ => false,
    };
    if !is_repo_path(&op.path) {
        return Err(format!("{} is not a path", op.path));
    }
    fits.then_some(()).ok_or_else(|| format!("{} of {} does not fit", op.action, op.path))
}

/// Every section hashes to its CID.
fn judge_blocks(message: &CommitMessage) -> Result<(), String> {
    for section in &message.blocks.sections {
        let cid = Cid::from_bytes(&section.cid).ok_or("a CID of another form")?;
        if !cid.fits(&section.data) {
            return Err(format!("{cid} is not the hash"));
        }
    }
    Ok(())
}

fn has_block(message: &CommitMessage, cid: &[u8]) -> bool {
    message.blocks.sections.iter().any(|section| section.cid == cid)
}

/// Whether a text is an NSID, a slash and a record key.
fn is_repo_path(path: &str) -> bool {
    let Some((collection, record_key)) = path.split_once('/') else { return false };
    let segments: Vec<_> = collection.split('.').collect();
    let fits = |segment: &&str| {
        let bytes = segment.as_bytes();
        let letters = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(letters)
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
    };
    let starts = |segment: &str| segment.starts_with(|first: char| first.is_ascii_alphabetic());
    syntax::is_path(path.as_bytes())
        && record_key.len() <= 512
        && collection.len() <= 317
        && segments.len() >= 3
        && segments.iter().all(fits)
        && starts(segments[0])
        && starts(segments[segments.len() - 1])
        && !segments[segments.len() - 1].contains('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::falsify;
    use crate::rng::Rng;

    #[test]
    fn honest_messages_are_true_and_others_are_not() {
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let batch = Batch::random(&mut rng);
            let (mut message, truth) = (batch.message(), Truth::of(&batch));
            assert_eq!(truth.judge(&message), Ok(()), "seed {seed}");
            let fact = falsify(&mut message, &batch, &mut |bound| rng.below(bound));
            assert!(truth.judge(&message).is_err(), "seed {seed}: {fact}");
        }
    }

    #[test]
    fn paths() {
        assert!(is_repo_path("app.bsky.feed.post/3l4nm7hmk2222"));
        assert!(is_repo_path("com.ex-ample.4th.test1/self"));
        for path in
            ["a/b", "a.b/c", "4.b.c/d", "a.b.4c/d", "a.b.c-d/e", "a..b.c/d", "a.-b.c/d", "a.b.c/"]
        {
            assert!(!is_repo_path(path), "{path}");
        }
    }
}
