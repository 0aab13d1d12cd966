//! The check of a message, except for the comparison with the state.

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::edits::{Edit, Paths, edits};
use super::envelope::{Envelope, check_account, check_len, check_tid, record_in};
use super::examined::{Outcome, Sound};
use super::inversion::undo;
use super::{CommitMessage, Examined, Message, Reason, Rule, SyncMessage};
use crate::cid::Cid;
use crate::error::{Error, LimitName, MessageFault, Structure};
use crate::load::{LoadScratch, Loader};
use crate::mst::{BuilderBuffers, empty_root};
use crate::repo::Repo;
use crate::signature::VerifyingKey;
use crate::store::SliceStore;
use crate::syntax::tid_micros;

/// Checks messages of the stream.
///
/// The defaults are the limits of the
/// [specification](https://atproto.com/specs/sync#firehose-event-validation-best-practices): frames
/// of 5,000,000 bytes, `blocks` of 2,000,000 bytes and of 10,000 bytes in a `#sync`, 200
/// operations, records of 1,000,000 bytes, and revisions of at most 5 minutes in the future.
///
/// Threads can share a verifier, and clones share its buffers. It keeps one set of buffers for each
/// check that ran at the same time: usually some KiB, at most a few MiB.
///
/// # Examples
///
/// ```
/// use std::time::SystemTime;
///
/// use carwalk::sync::{Message, Verdict, Verifier};
///
/// let verifier = Verifier::new(SystemTime::now);
/// let check = |frame: &[u8]| match Message::parse(frame) {
///     // The state and the account's key come from a database.
///     Ok(message) => verifier.examine(message, None).against(None).name(),
///     Err(error) => Verdict::from(error).name(),
/// };
/// // {"t": "#info", "op": 1}, then {"name": "OutdatedCursor"}
/// assert_eq!(check(b"\xa2at\x65#infobop\x01\xa1dnamenOutdatedCursor"), "passed");
/// assert_eq!(check(b"\xa0\xa0"), "invalid");
/// ```
#[derive(Clone)]
pub struct Verifier {
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    tolerance: Duration,
    neighbours: bool,
    frame_len: usize,
    blocks_len: usize,
    sync_blocks_len: usize,
    ops: usize,
    record_len: usize,
    loader: Loader,
    scratches: Arc<Mutex<Vec<Scratch>>>,
}

/// The buffers of a check.
#[derive(Default)]
struct Scratch {
    load: LoadScratch,
    tree: BuilderBuffers,
}

impl Verifier {
    /// Creates a verifier with the specification's limits. `clock` returns the current time, which
    /// revisions are compared with: usually `SystemTime::now`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use carwalk::Repo;
    /// use carwalk::sync::{Rule, SyncMessage, Verifier};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut blocks = Vec::new();
    /// repo.prove().write(&mut blocks)?;
    /// let message = SyncMessage::new(repo.commit().did(), repo.commit().rev(), &blocks);
    /// // A clock that is years behind.
    /// let verifier = Verifier::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000));
    /// let verdict = verifier.examine(message, None).against(None);
    /// assert_eq!(verdict.reason().unwrap().rule(), Some(Rule::FutureRev));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Verifier {
            clock: Arc::new(clock),
            tolerance: Duration::from_secs(300),
            neighbours: true,
            frame_len: 5_000_000,
            blocks_len: 2_000_000,
            sync_blocks_len: 10_000,
            ops: 200,
            record_len: 1_000_000,
            loader: Loader::new(),
            scratches: Arc::default(),
        }
    }

    /// Sets how far a revision may lie in the future. Default: 5 minutes.
    #[must_use]
    pub fn future_tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets whether both neighbours of each created key must be visible in the new tree. On by
    /// default, as the specification requires of servers.
    ///
    /// Without it, a valid message proves the new tree only if that tree is valid: it may have a
    /// subtree on the wrong side of a created key.
    #[must_use]
    pub fn neighbours(mut self, yes: bool) -> Self {
        self.neighbours = yes;
        self
    }

    /// Sets the maximum length of a frame, in bytes. Default: 5,000,000. Messages that were built
    /// from fields have no frame.
    #[must_use]
    pub fn max_frame_len(mut self, bytes: usize) -> Self {
        self.frame_len = bytes;
        self
    }

    /// Sets the maximum length of the CAR in a `#commit`, in bytes. Default: 2,000,000.
    #[must_use]
    pub fn max_blocks_len(mut self, bytes: usize) -> Self {
        self.blocks_len = bytes;
        self
    }

    /// Sets the maximum length of the CAR in a `#sync`, in bytes. Default: 10,000.
    #[must_use]
    pub fn max_sync_blocks_len(mut self, bytes: usize) -> Self {
        self.sync_blocks_len = bytes;
        self
    }

    /// Sets the maximum number of operations. Default: 200. Above
    /// [`MAX_OPERATIONS`](crate::limits::MAX_OPERATIONS), it has no effect on parsed messages.
    #[must_use]
    pub fn max_ops(mut self, count: usize) -> Self {
        self.ops = count;
        self
    }

    /// Sets the maximum length of a created or updated record, in bytes. Default: 1,000,000.
    #[must_use]
    pub fn max_record_len(mut self, bytes: usize) -> Self {
        self.record_len = bytes;
        self
    }

    /// Checks everything about a message that needs no state. The signature is checked if `key`,
    /// the account's public key, is given.
    ///
    /// The caller has to make sure that `key` is the account's: it is in the DID document of
    /// [`Message::did`]. If the signature does not match, get the document again, once, because the
    /// key may have changed, and parse the frame again: see [`Examined::reason`].
    ///
    /// A usual message takes less than twice as long as hashing its blocks, keys and rebuilt nodes.
    /// With a key, most of the time is the signature. At worst, a message of 2 MB whose keys share
    /// long prefixes takes some tenths of a second. Messages other than `#commit` and `#sync` are
    /// passed unchecked.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use carwalk::sync::{Rule, SyncMessage, Verifier};
    /// use carwalk::{Repo, VerifyingKey};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut blocks = Vec::new();
    /// repo.prove().write(&mut blocks)?;
    /// let message = SyncMessage::new(repo.commit().did(), repo.commit().rev(), &blocks);
    /// let verifier = Verifier::new(SystemTime::now);
    /// let key: VerifyingKey =
    ///     "did:key:zQ3shXgWjVsCJsv9mBm6kVqFSjAnErMg3zG9CcyvmUCCaFRCr".parse()?;
    /// let verdict = verifier.examine(message.clone(), Some(&key)).against(None);
    /// assert!(verdict.valid().unwrap().is_signature_checked());
    ///
    /// let other: VerifyingKey =
    ///     "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
    /// let verdict = verifier.examine(message, Some(&other)).against(None);
    /// assert_eq!(verdict.reason().unwrap().rule(), Some(Rule::Signature));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn examine<'m>(
        &self,
        message: impl Into<Message<'m>>,
        key: Option<&VerifyingKey>,
    ) -> Examined<'m> {
        let outcome = match message.into() {
            Message::Commit(message) => self.examine_commit(message, key),
            Message::Sync(message) => self.examine_sync(&message, key),
            _ => Ok(Outcome::Passed),
        };
        Examined { outcome: outcome.unwrap_or_else(Outcome::of) }
    }

    fn examine_commit<'m>(
        &self,
        message: CommitMessage<'m>,
        key: Option<&VerifyingKey>,
    ) -> Result<Outcome<'m>, Reason> {
        let CommitMessage { repo: did, rev, since, blocks, ops, .. } = message;
        check_account("repo", did, rev)?;
        check_tid("since", since)?;
        self.check_frame_len(message.frame_len)?;
        check_len(LimitName::BlocksLen, self.blocks_len, blocks.len())?;
        check_len(LimitName::Operations, self.ops, ops.len())?;
        self.with_scratch(|scratch| {
            let envelope = Envelope { did, rev, commit: Some(message.commit), blocks };
            let repo = self.open(&envelope, key, &mut scratch.load)?;
            let edits = edits(&ops, Paths::Strict)?;
            let records = self.records(&repo, blocks, &edits, ops.len())?;
            let before = message.prev_data.or_else(|| since.is_none().then(empty_root));
            let before = self.tree_before(&repo, &edits, before, &mut scratch.tree)?;
            let data = repo.commit().data();
            let is_signature_checked = key.is_some();
            drop(edits);
            Ok(Outcome::Sound(Sound { did, rev, before, data, is_signature_checked, ops, records }))
        })
    }

    /// Undoes the operations and compares the root with the expected one.
    fn tree_before(
        &self,
        repo: &Repo<SliceStore<&[u8]>>,
        edits: &[Edit<'_>],
        expected: Option<Cid>,
        buffers: &mut BuilderBuffers,
    ) -> Result<Cid, Reason> {
        let undone = undo(repo.walk(), repo.commit().data(), edits, buffers)?;
        if let (Some(expected), Ok(found)) = (expected, &undone.root)
            && expected != *found
        {
            let fault = MessageFault::OtherPrevious { expected, found: *found };
            return Err(Reason::fault(Rule::PrevData, fault));
        }
        let unproven = undone.unproven.first().filter(|_| self.neighbours);
        let lacks = [
            undone.root.err(),
            unproven.map(|(edit, node)| no_neighbour(edit, *node)),
            expected.is_none().then(no_prev_data),
        ];
        match lacks.into_iter().flatten().min_by_key(Reason::rule) {
            Some(first) => Err(first),
            None => expected.ok_or_else(no_prev_data),
        }
    }

    fn examine_sync<'m>(
        &self,
        message: &SyncMessage<'m>,
        key: Option<&VerifyingKey>,
    ) -> Result<Outcome<'m>, Reason> {
        let SyncMessage { did, rev, blocks, .. } = *message;
        check_account("did", did, rev)?;
        self.check_frame_len(message.frame_len)?;
        check_len(LimitName::BlocksLen, self.sync_blocks_len, blocks.len())?;
        self.with_scratch(|scratch| {
            let envelope = Envelope { did, rev, commit: None, blocks };
            let data = self.open(&envelope, key, &mut scratch.load)?.commit().data();
            Ok(Outcome::Sound(Sound {
                did,
                rev,
                before: data,
                data,
                is_signature_checked: key.is_some(),
                ops: Vec::new(),
                records: Vec::new(),
            }))
        })
    }

    fn check_frame_len(&self, len: Option<usize>) -> Result<(), Reason> {
        len.map_or(Ok(()), |len| check_len(LimitName::FrameLen, self.frame_len, len))
    }

    /// Loads the CAR of a message, and checks its commit.
    fn open<'m>(
        &self,
        envelope: &Envelope<'m>,
        key: Option<&VerifyingKey>,
        scratch: &mut LoadScratch,
    ) -> Result<Repo<SliceStore<&'m [u8]>>, Reason> {
        let repo = envelope.load(&self.loader, scratch)?;
        envelope.check_commit(repo.commit())?;
        self.check_future(envelope.rev)?;
        if let Some(key) = key {
            let verified = repo.commit().verify_signature(key);
            verified.map_err(|error| Reason::new(Rule::Signature, error))?;
        }
        Ok(repo)
    }

    fn check_future(&self, rev: &str) -> Result<(), Reason> {
        let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = Duration::from_micros(tid_micros(rev).unwrap_or_default());
        let ahead = time.saturating_sub(now);
        if ahead <= self.tolerance {
            return Ok(());
        }
        // Rounded up, so that it is more than the tolerance.
        let ahead = ahead.saturating_add(Duration::from_nanos(999_999_999)).as_secs();
        let (rev, tolerance) = (rev.into(), self.tolerance.as_secs());
        let fault = MessageFault::FutureRev { rev, ahead, tolerance };
        Err(Reason::fault(Rule::FutureRev, fault))
    }

    /// Returns the record of each operation that has one, in the order of the message.
    fn records<'m>(
        &self,
        repo: &Repo<SliceStore<&'m [u8]>>,
        blocks: &'m [u8],
        edits: &[Edit<'_>],
        count: usize,
    ) -> Result<Vec<Option<&'m [u8]>>, Reason> {
        let mut records = vec![None; count];
        for edit in edits {
            let Some(cid) = edit.new_record() else { continue };
            let locate = |error: Error| error.in_structure(Structure::Record).of_cid(cid);
            let record = record_in(repo, blocks, &cid)
                .map_err(|error| edit.reason(Rule::RecordMissing, locate(error)))?;
            if record.len() > self.record_len {
                let (max, found) = (self.record_len as u64, record.len() as u64);
                let error = Error::limit(LimitName::RecordLen, max, found);
                return Err(edit.reason(Rule::Limit, locate(error)));
            }
            if let Some(place) = records.get_mut(edit.op) {
                *place = Some(record);
            }
        }
        Ok(records)
    }

    /// Runs `work` in the buffers of an earlier check.
    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let lock = || self.scratches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = lock().pop().unwrap_or_default();
        let done = work(&mut scratch);
        lock().push(scratch);
        done
    }
}

#[cold]
fn no_neighbour(edit: &Edit<'_>, node: Cid) -> Reason {
    let error = Error::message(MessageFault::NoNeighbour);
    edit.reason(Rule::MissingNeighbour, error.in_structure(Structure::Node).of_cid(node))
}

#[cold]
fn no_prev_data() -> Reason {
    Reason::fault(Rule::NoPrevData, MessageFault::NoPrevData)
}

impl Outcome<'_> {
    #[cold]
    fn of(reason: Reason) -> Self {
        match reason.rule() {
            Some(rule) if !rule.is_invalid() => Outcome::Unverifiable(reason),
            _ => Outcome::Invalid(reason),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("tolerance", &self.tolerance)
            .field("neighbours", &self.neighbours)
            .field("frame_len", &self.frame_len)
            .field("blocks_len", &self.blocks_len)
            .field("sync_blocks_len", &self.sync_blocks_len)
            .field("ops", &self.ops)
            .field("record_len", &self.record_len)
            .finish_non_exhaustive()
    }
}
