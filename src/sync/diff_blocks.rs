//! Making commit messages: the operations between two trees, and the blocks that prove them.

use core::ops::Bound;
use std::collections::HashSet;
use std::io::Write;

use super::Operation;
use crate::car::Writer;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, Result, SpillFileFault, Structure};
use crate::mst::{Change, Event, KeyRange};
use crate::process::Process;
use crate::repo::{Repo, Tree, WriteStats};
use crate::store::{BlockStore, Form, look_up};

/// Returns the operations that lead from one tree to another, in key order, with `prev`.
///
/// Costs a [diff](Repo::diff) of the trees.
///
/// # Errors
///
/// - `Missing` if a node is missing that the other tree does not have
/// - `HashMismatch` if a block does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit of a walk
/// - `Path` if a changed key is not a repo path
/// - `Store`, `Io` or `InvalidSpillFile` if a store fails
///
/// # Examples
///
/// ```
/// use carwalk::sync::{Action, ops};
/// use carwalk::{Cid, Repo, Tree};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let empty: Cid = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm".parse()?;
/// // The empty tree needs no blocks.
/// let none = Tree::new(repo.store(), empty);
/// let ops = ops(&none, repo.tree())?;
/// assert_eq!((ops.len(), &ops[0].action), (40, &Action::Create));
/// assert_eq!(ops[0].path, "app.bsky.actor.profile/self");
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn ops<S1: BlockStore, P1: Process, S2: BlockStore, P2: Process>(
    old: &Tree<S1, P1>,
    new: &Tree<S2, P2>,
) -> Result<Vec<Operation<'static>>> {
    old.diff(new).map(|change| operation(&change?)).collect()
}

fn operation(change: &Change) -> Result<Operation<'static>> {
    let unknown = || Error::store("a diff that is not partial returned an unknown interval");
    let path = change.path().ok_or_else(unknown)??.as_str().to_owned();
    match *change {
        Change::Created { cid, .. } => Ok(Operation::create(path, cid)),
        Change::Updated { old, new, .. } => Ok(Operation::update(path, old, new)),
        Change::Deleted { old, .. } => Ok(Operation::delete(path, old)),
        Change::Unknown { .. } => Err(unknown()),
    }
}

/// Writes the CAR of a commit message: the blocks that prove the operations from `old` to `new`.
///
/// The CAR has, in [pre-order](crate::mst), and nothing else:
///
/// - the commit of `new`
/// - every node of the new tree that the old one does not have
/// - every created or updated record
/// - the nodes of the new tree on the search paths of each operation's key, of the key before it
///   and of the key after it
///
/// Each block is written once. Costs a diff, three lookups for each operation, and a walk over the
/// written nodes. Each section is two writes: wrap sockets in a `BufWriter`. [`ops`] returns the
/// operations.
///
/// # Errors
///
/// - `Missing` if a node or record that is needed is missing
/// - `HashMismatch` if a block does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit of a walk
/// - `InvalidSpillFile` if the store of `new` has processed values instead of the records
/// - `Store`, `Io` or `InvalidSpillFile` if a store fails
/// - `Output` if writing fails
///
/// # Examples
///
/// ```
/// use std::time::SystemTime;
///
/// use carwalk::sync::{CommitMessage, Verifier, diff_blocks, ops};
/// use carwalk::{Cid, Repo, Tree};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let empty: Cid = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm".parse()?;
/// // The first commit of the account: the tree before it is empty.
/// let none = Tree::new(repo.store(), empty);
/// let mut blocks = Vec::new();
/// diff_blocks(&none, &repo, &mut blocks)?;
///
/// let (commit, ops) = (repo.commit(), ops(&none, repo.tree())?);
/// let message = CommitMessage::new(commit.did(), commit.rev(), commit.cid(), &blocks, ops);
/// let verdict = Verifier::new(SystemTime::now).examine(message, None).against(None);
/// assert_eq!(verdict.valid().unwrap().state().data(), commit.data());
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn diff_blocks<S1: BlockStore, P1: Process, S2: BlockStore, W: Write>(
    old: &Tree<S1, P1>,
    new: &Repo<S2>,
    out: W,
) -> Result<WriteStats> {
    let commit = new.commit();
    let mut writer = Writer::new(out, &[commit.cid()]).map_err(Error::output)?;
    writer.write(commit.cid(), commit.bytes()).map_err(Error::output)?;
    // A record may equal another, a node, or the commit.
    let mut written = HashSet::from([commit.cid()]);
    visit(old, new.tree(), |item| match item {
        Item::Node { cid, .. } | Item::Record { cid } if !written.insert(cid) => Ok(()),
        Item::Node { cid, block } => writer.write(cid, block).map_err(Error::output),
        Item::Record { cid } => write_record(new.store(), cid, &mut writer),
    })?;
    let mut stats = WriteStats::default();
    (stats.bytes, stats.sections) = (writer.bytes(), writer.sections());
    writer.finish().map_err(Error::output)?;
    Ok(stats)
}

/// Returns the nodes of the new tree that prove the operations from `old` to `new`, in pre-order:
/// those that [`diff_blocks`] writes.
///
/// # Errors
///
/// - `Missing` if a node that is needed is missing
/// - `HashMismatch` if a block does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
/// - `Limit` if the open nodes exceed the memory limit of a walk
/// - `Store`, `Io` or `InvalidSpillFile` if a store fails
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::sync::diff_nodes;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// // Nothing changed, so there is nothing to prove.
/// assert!(diff_nodes(repo.tree(), repo.tree())?.is_empty());
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn diff_nodes<S1: BlockStore, P1: Process, S2: BlockStore, P2: Process>(
    old: &Tree<S1, P1>,
    new: &Tree<S2, P2>,
) -> Result<Vec<Cid>> {
    let mut nodes = Vec::new();
    visit(old, new, |item| {
        if let Item::Node { cid, .. } = item {
            nodes.push(cid);
        }
        Ok(())
    })?;
    Ok(nodes)
}

/// A block of the new tree that a message has.
enum Item<'i> {
    Node {
        cid: Cid,
        block: &'i [u8],
    },
    /// A created or updated record.
    Record {
        cid: Cid,
    },
}

/// Calls `take` with the nodes and records that a message has, in pre-order.
///
/// A node of the new tree that the old one does not have is always among the nodes on the search
/// paths: what is in a node depends only on the keys between its bounds, and if no key between them
/// changed, nor the bounds, then the old tree has the node.
fn visit<S1: BlockStore, P1: Process, S2: BlockStore, P2: Process>(
    old: &Tree<S1, P1>,
    new: &Tree<S2, P2>,
    mut take: impl FnMut(Item<'_>) -> Result<()>,
) -> Result<()> {
    let (mut ranges, mut records) = (Vec::new(), Vec::new());
    for change in old.diff(new) {
        let change = change?;
        let Some(key) = change.key() else { continue };
        for reverse in [true, false] {
            ranges.extend(neighbour(new, key, reverse)?);
        }
        ranges.push(KeyRange::key(key));
        if change.new_cid().is_some() {
            records.push(key.to_vec());
        }
    }
    if ranges.is_empty() {
        return Ok(());
    }
    let mut records = records.iter().map(Vec::as_slice).peekable();
    let mut walk = new.walk().ranges(ranges).nodes(true).records(false).start();
    while let Some(event) = walk.next_event()? {
        match event {
            Event::Node { cid, block, .. } => take(Item::Node { cid, block })?,
            Event::Entry { entry, .. } if records.next_if_eq(&entry.key()).is_some() => {
                take(Item::Record { cid: entry.cid() })?;
            }
            _ => {}
        }
    }
    debug_assert!(records.next().is_none(), "a changed key was not found");
    Ok(())
}

/// Returns the key of the tree that is next to `key`: before it with `reverse`, otherwise after it.
fn neighbour<S: BlockStore, P: Process>(
    tree: &Tree<S, P>,
    key: &[u8],
    reverse: bool,
) -> Result<Option<KeyRange>> {
    let walk = tree.walk().records(false);
    let walk = if reverse {
        walk.range(..key).reverse()
    } else {
        walk.range((Bound::Excluded(key), Bound::Unbounded))
    };
    Ok(match walk.start().next_event()? {
        Some(Event::Entry { entry, .. }) => Some(KeyRange::key(entry.key())),
        _ => None,
    })
}

/// Writes the record with a CID.
fn write_record<S: BlockStore, W: Write>(
    store: &S,
    cid: Cid,
    writer: &mut Writer<W>,
) -> Result<()> {
    let locate = |error: Error| error.in_structure(Structure::Record).of_cid(cid);
    let found = look_up(store, &cid).map_err(locate)?;
    let found = found.ok_or_else(|| locate(Error::new(ErrorKind::Missing { interval: None })))?;
    if found.form != Form::Original {
        return Err(locate(Error::new(ErrorKind::InvalidSpillFile(SpillFileFault::Processed))));
    }
    let record = found.bytes.as_ref();
    if found.verified != Some(cid) {
        cid.verify(record).map_err(|error| locate(error.at(found.offset)))?;
    }
    writer.write(cid, record).map_err(Error::output)
}
