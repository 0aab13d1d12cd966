//! The state of an account between two messages.

use crate::cid::Cid;
use crate::error::{ArgumentFault, Error, Malformed, Result};
use crate::process::Process;
use crate::repo::Repo;
use crate::store::BlockStore;
use crate::syntax::{is_did, is_tid};

/// The state of an account: what the next message must continue from.
///
/// [`RepoState::of`] starts an account from an export of its repository, which the caller has
/// verified. Each [`Valid`](super::Valid) verdict has the next state.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::sync::RepoState;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let state = RepoState::of(&repo);
/// assert_eq!(state.did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
/// assert_eq!((state.rev(), state.data()), (repo.commit().rev(), repo.commit().data()));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoState {
    did: Box<str>,
    rev: Box<str>,
    data: Cid,
}

impl RepoState {
    /// Creates a state, for example from a database.
    ///
    /// # Errors
    ///
    /// - `Argument` if `did` is not a DID
    /// - `Malformed` if `rev` is not a TID, or `data` not the CID of a dag-cbor block
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::sync::RepoState;
    ///
    /// let data = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm".parse()?;
    /// let state = RepoState::new("did:web:a.example", "3l4nm7hmk2222", data)?;
    /// assert_eq!(state.rev(), "3l4nm7hmk2222");
    /// assert!(RepoState::new("a.example", "3l4nm7hmk2222", data).is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn new(did: &str, rev: &str, data: Cid) -> Result<Self> {
        if !is_did(did) {
            return Err(Error::argument(ArgumentFault::Did { found: did.into() }));
        }
        if !is_tid(rev) {
            return Err(Error::malformed(Malformed::Rev).of_text(rev));
        }
        Ok(RepoState::checked(did, rev, data.into_dag_cbor()?))
    }

    /// Creates the state of a repository.
    ///
    /// A commit of version 2 has no revision. The state then has an empty one, before that of every
    /// message; [`new`](Self::new) does not accept it.
    #[must_use]
    pub fn of<S: BlockStore, P: Process>(repo: &Repo<S, P>) -> Self {
        let commit = repo.commit();
        RepoState::checked(commit.did(), commit.rev(), commit.data())
    }

    /// Creates a state from fields whose syntax is known to be right.
    pub(super) fn checked(did: &str, rev: &str, data: Cid) -> Self {
        RepoState { did: did.into(), rev: rev.into(), data }
    }

    /// Returns the DID of the account.
    #[must_use]
    pub fn did(&self) -> &str {
        &self.did
    }

    /// Returns the revision of the last commit.
    #[must_use]
    pub fn rev(&self) -> &str {
        &self.rev
    }

    /// Returns the root of the last commit's tree.
    #[must_use]
    pub fn data(&self) -> Cid {
        self.data
    }
}
