//! carwalk reads AT Protocol repository exports. It turns a CAR file, as returned by
//! `com.atproto.sync.getRepo`, into the account's records in key order. It verifies everything that
//! the bytes alone can prove: the framing, every block against its CID, the form of the commit, and
//! every rule of the tree. The signature is verified only on request, with the account's public
//! key. Records borrow from the input where possible. There is no async code.
//!
//! New to the format? Begin with [the format in pictures](guide::format).
//!
//! ```
//! # fn main() -> carwalk::Result<()> {
//! # let file: &[u8] = include_bytes!("../samples/repo.car");
//! // `file` is anything that implements `std::io::Read`.
//! let repo = carwalk::Repo::from_reader(file)?;
//! assert_eq!(repo.commit().did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
//! let mut posts = 0;
//! for record in &repo {
//!     let record = record?;
//!     println!("{}\t{}\t{} bytes", record.path(), record.cid(), record.bytes().len());
//!     if record.path().collection() == "app.bsky.feed.post" {
//!         posts += 1;
//!     }
//! }
//! assert_eq!(posts, 14);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! Items without a link, except `rev()`, need a feature: see [Features](#features).
//!
//! - Bytes in memory: [`Repo::from_slice`]. A stream or file: [`Repo::from_reader`],
//!   [`Repo::from_path`]. A file that nobody changes while it is mapped: `Repo::map`, which is
//!   `unsafe`.
//! - Limits, damaged files, legacy commits, progress, a memory limit, and process functions (which
//!   store a value instead of each record): [`Loader`].
//! - Many small repositories, one after the other: [`LoadScratch`].
//! - A CAR in pre-order of any length, in constant memory, while it is read: [`Loader::stream`].
//! - All records: [`Repo::records`], a plain iterator. One collection or any range of keys, from
//!   either end: [`Repo::records_in`], [`KeyRange`], `rev()`. Only paths and CIDs:
//!   [`Repo::entries`]. Batches for other threads: [`Records::next_chunk`].
//! - One record, which is present, absent or unknown: [`Repo::get`].
//! - The contents of records: [`Record::links`], [`Record::blobs`], [`Record::oddities`],
//!   `Record::decode`, `Record::to_json`. The module [`record`] has the same functions for byte
//!   slices.
//! - Proofs: [`Repo::prove`] writes one, `verify_record_proof`, [`Repo::get`] and
//!   [`Walk::completeness`](mst::Walk::completeness) evaluate one.
//! - Writing a CAR in pre-order, of all keys or of some: [`Repo::write`], [`Repo::writer`]. Several
//!   CARs of one account as one repository: [`Repo::from_cars`].
//! - Nodes, partial CARs and invalid paths, without an allocation per record: [`Repo::walk`].
//! - The signature: `Commit::verify_signature` with a `VerifyingKey`.
//! - The account and revision from the first bytes of a download: [`peek_commit`].
//! - Your own store: [`store::BlockStore`] with [`Repo::from_store`]. A tree without a commit:
//!   [`Tree`].
//! - What changed between two exports, or between an export and a database: [`Repo::diff`],
//!   [`Repo::diff_rows`]. A tree of your own keys: [`mst::Builder`].
//! - Messages of the live stream, the firehose: `sync::Verifier` checks them, `sync::diff_blocks`
//!   makes them, `sync::invert` undoes operations.
//! - What to do about an error: [`Error::class`].
//! - Single sections of a CAR and nodes of a tree: [`car`], [`mst`].
//!
//! The guides combine these: [which limits and which store](guide::limits_and_stores), [async
//! services and threads](guide::async_and_threads), [records as your own types, JSON and
//! blobs](guide::records), [partial trees and proofs](guide::partial_trees), [an iterator that owns
//! its repository](guide::owning_iterator), [comparing and
//! rewriting](guide::comparing_and_rewriting), [many CARs as rows](guide::tables), [checking the
//! live stream](guide::live_stream), [fuzzing](guide::fuzzing), and [the format in
//! pictures](guide::format).
//!
//! # Guarantees
//!
//! CARs are treated as hostile. On any CAR, nothing panics, no recursion depends on the input, and
//! no allocation has a size that the input declares. [`Limits`] bounds the input. Kept spill files
//! are an exception: open only those that you or somebody you trust wrote.
//!
//! If an iterator over all records, or a walk over the whole tree that is not
//! [partial](mst::Walk::partial), ends without an error, then
//!
//! - the CAR has every block that the tree needs, and every section is well-formed and complete.
//!   With [`Loader::salvage`], the first malformed or truncated section and all after it may be
//!   missing: [`CarStore::fault`](store::CarStore::fault) returns that error. With stores of your
//!   own, only the part about blocks holds;
//! - every block hashes to its CID, and the commit has its exact form. With
//!   [`Repo::from_store`], this holds for every block that the walk reaches; a weaker
//!   [`Verification`] checks less;
//! - the tree is *the* tree of these keys: strict DAG-CBOR, ascending keys, every key in its layer
//!   and in its interval, maximal prefixes, no node too many or too few;
//! - the iterator returned every record exactly once, in key order.
//!
//! With a range, this holds for the keys in the range and the nodes that can contain such keys;
//! the rest of the tree may be missing or invalid. [`Repo::entries`] gives the same guarantees,
//! except that records are not looked up: they may be missing.
//!
//! `Commit::verify_signature` (feature `signature`) verifies the signature. To verify it with
//! another library, use [`Commit::signed_bytes`] and [`Commit::signature`]. Finding the account's
//! public key, and comparing [`Commit::did`] with the account that you asked for, is left to you.
//!
//! Records are not parsed: an odd record never prevents reading the others. An invalid repo path
//! ends `records` and `entries` with an error; [`Repo::walk`] continues past it.
//!
//! An [`Error`] has the size of a pointer. It has a kind to match on, a class that says what to do,
//! and the position of the fault.
//!
//! # Features
//!
//! - `mmap` (default): `Repo::map` and `store::MappedFile`.
//! - `redb` (default): `Suspended::spill`, `store::RedbStore`: blocks in a file, for loads that
//!   reach their memory limit.
//! - `serde`: `decode` and `Record::decode`, for records as your own types with borrowed strings;
//!   serde's traits for [`Cid`] and paths, `Serialize` for entries, gaps and counts.
//! - `json`: `Record::to_json` and `Record::write_json`, in the form of the data model.
//! - `signature`: `VerifyingKey`, `Commit::verify_signature` and `verify_record_proof`, for the
//!   curves P-256 and K-256 (secp256k1).
//! - `sync`: the module `sync`, which checks and makes messages of the live stream. Includes
//!   `signature`.
//!
//! # Platforms
//!
//! Tested on x86-64 Linux. Each release is also compiled, without features and with all of them,
//! for AArch64, 32-bit (i686) and big-endian (s390x) Linux, Windows and WebAssembly
//! (`wasm32-unknown-unknown` and `wasm32-wasip1`). On WebAssembly, `Repo::map` and temporary spill
//! files return an error, and [`Loader::threads`] has no effect. Kept spill files work on WASI.
//!
//! # Specifications
//!
//! The AT Protocol's [repository](https://atproto.com/specs/repository) and [data
//! model](https://atproto.com/specs/data-model), [CAR](https://dasl.ing/car.html), a profile of
//! [CARv1](https://ipld.io/specs/transport/car/carv1/), and
//! [DAG-CBOR](https://ipld.io/specs/codecs/dag-cbor/spec/) with its profile
//! [DRISL](https://dasl.ing/drisl.html).
#![cfg_attr(docsrs, feature(doc_cfg))]

mod budget;
pub mod car;
mod cbor;
pub mod cid;
mod commit;
pub mod error;
// docs.rs builds with all features, where the guides link to the items of each.
#[cfg_attr(
    not(all(
        feature = "json",
        feature = "mmap",
        feature = "redb",
        feature = "serde",
        feature = "signature",
        feature = "sync"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]
pub mod guide;
pub mod limits;
mod load;
pub mod mst;
mod path;
mod prefetch;
pub mod process;
mod proof;
pub mod record;
mod records;
mod repo;
mod reuse;
mod sha256;
mod shape;
#[cfg(feature = "signature")]
pub mod signature;
pub mod store;
#[cfg(feature = "sync")]
pub mod sync;
pub mod syntax;
#[cfg(test)]
mod testing;
pub mod varint;

/// The CBOR library whose types appear here: [`Record::decoder`], [`process::Cbor`].
pub use minicbor;

pub use self::cid::Cid;
pub use self::commit::{Commit, CommitRules};
pub use self::error::{Error, ErrorClass, ErrorKind, Result};
pub use self::limits::Limits;
pub use self::load::{
    BoundedLoader, LoadScratch, Loaded, Loader, StreamEntries, StreamRecords, StreamStats,
    StreamWalk, Streamed, Suspended, Verification, peek_commit,
};
pub use self::mst::{Gap, KeyRange, Lookup};
pub use self::path::{RepoPath, RepoPathBuf};
pub use self::process::{Keep, Process, Processed, Value};
pub use self::proof::ProofBuilder;
#[cfg(feature = "signature")]
pub use self::proof::{RecordProof, verify_record_proof};
pub use self::record::Record;
#[cfg(feature = "serde")]
pub use self::record::decode;
pub use self::records::{Collections, Entries, Records, RepoEntry};
pub use self::repo::{Repo, RepoWriter, Tree, WriteStats};
#[cfg(feature = "signature")]
pub use self::signature::VerifyingKey;

/// For the tests and benchmarks of carwalk itself. Not part of the API.
#[cfg(feature = "_internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::sha256::{HashMethod, force_hash_method, hash_all};
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
