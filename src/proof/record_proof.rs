//! Verifying the proof of one record.

use crate::car::block_at_offset;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::{Error, Result};
use crate::mst::Lookup;
use crate::path::RepoPath;
use crate::repo::Repo;
use crate::signature::VerifyingKey;
use crate::store::Block;

/// The result of [`verify_record_proof`]: the signed commit, and what the proof says about one
/// path.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordProof<'a> {
    /// The signed commit. The signature of an old commit stays valid: compare its
    /// [`rev`](Commit::rev) with the newest one that you know.
    pub commit: Commit<'static>,
    /// Whether the record exists, with its bytes borrowed from the CAR.
    pub lookup: Lookup<&'a [u8]>,
}

/// Verifies a proof, such as the response of `com.atproto.sync.getRecord`, and returns what it
/// says about one path.
///
/// Checks:
///
/// - the framing of the CAR, and every block against its CID
/// - that the commit belongs to the account `did` and is signed with `key`
/// - all rules of the tree in every node on the search path of `path`
///
/// The caller has to make sure that `key` is the account's key, from its DID document. Only current
/// commits are accepted, with default limits. For other settings, combine
/// [`Loader`](crate::Loader), [`Commit::verify_account`](crate::Commit::verify_account),
/// [`Commit::verify_signature`](crate::Commit::verify_signature) and [`Repo::get`].
///
/// # Errors
///
/// - `Path` if `path` is not a repo path
/// - `Argument` if `did` is not a DID
/// - `OtherAccount` if the commit belongs to another account
/// - `Signature` if the commit is not signed with `key`
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node on the search path breaks a rule
/// - those of [`Repo::from_slice`], such as `HashMismatch` for any block of the CAR
///
/// A missing node or record is not an error: see [`Lookup`].
///
/// # Examples
///
/// ```
/// use carwalk::{Lookup, verify_record_proof};
///
/// # let whole: &[u8] = include_bytes!("../../samples/repo.car");
/// # let mut response = Vec::new();
/// # let repo = carwalk::Repo::from_slice(whole)?;
/// # repo.prove().key("app.bsky.actor.profile/self").write(&mut response)?;
/// let did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
/// let key = "did:key:zQ3shXgWjVsCJsv9mBm6kVqFSjAnErMg3zG9CcyvmUCCaFRCr".parse()?;
/// let proof = verify_record_proof(&response, did, &key, "app.bsky.actor.profile/self")?;
/// assert_eq!(proof.commit.rev(), "3l4ozvcohu22l");
/// match proof.lookup {
///     Lookup::Present { record: Some(record), .. } => assert_eq!(record.len(), 128),
///     Lookup::Present { cid, record: None } => println!("{cid} is not in the response"),
///     Lookup::Absent => println!("no such record"),
///     Lookup::Unknown(gap) => println!("the response does not prove either: {gap}"),
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn verify_record_proof<'a>(
    car: &'a [u8],
    did: &str,
    key: &VerifyingKey,
    path: &str,
) -> Result<RecordProof<'a>> {
    let path = RepoPath::try_from(path)?;
    let repo = Repo::from_slice(car)?;
    let commit = repo.commit();
    commit.verify_account(did)?;
    commit.verify_signature(key)?;
    let found = repo.walk().partial(true).key(path.as_str()).start().find()?;
    // Borrows from the CAR: the repository is dropped at the end of this function.
    let borrow = |cid: Cid, block: Block<_>| {
        let offset = block.offset;
        offset.and_then(|offset| block_at_offset(car, offset, &cid)).ok_or_else(|| {
            debug_assert!(false, "the store of a slice returned a block without its offset");
            Error::store("a block has no offset")
        })
    };
    let lookup = found.try_map(borrow)?;
    Ok(RecordProof { commit: commit.clone(), lookup })
}
