//! Builds AT Protocol repository exports for tests, and walks them slowly.
//!
//! The crate does not depend on the library that it tests: it is an independent implementation.
//!
//! - [`repo`] puts records, tree and commit into a CAR, in any order of blocks.
//! - [`breakage`] lists exports that break one rule each, next to their valid twins.
//! - [`legal`] lists exports that look odd and are valid.
//! - [`oracle`] walks a CAR in the simplest way.
//! - [`random`] makes small repositories for property tests, [`export`] large ones for benchmarks.
//! - [`message`] makes messages of the live stream, honest and false.
//! - [`readers`] are the streams that loads are tested with.
//! - [`vectors`] finds the folder with external test data.
//! - [`cases`] and [`step`] return how many random cases a test tries.
//! - With the feature `signing`, `signing` has keys that sign commits, and `sample` is a readable
//!   repository for examples. Other commits have invalid signatures.
//! - [`cid`], [`cbor`], [`varint`], [`base58`], [`car`], [`key`], [`tid`], [`tree`] and [`commit`]
//!   are the parts: each writes valid bytes by default and invalid bytes on request.
//!
//! ```
//! use carwalk_testkit::{breakage, oracle, repo::{Order, Repo}};
//!
//! let repo = Repo::sample(["com.example.test/one", "com.example.test/two"]);
//! let walk = oracle::walk(&repo.to_bytes(Order::Pds))?;
//! assert_eq!(walk.entries.len(), 2);
//!
//! let case = breakage::case("prefix_not_maximal");
//! assert!(oracle::walk(&case.valid).is_ok());
//! assert!(oracle::walk(&case.broken).is_err());
//! # Ok::<(), String>(())
//! ```

pub mod base58;
pub mod breakage;
pub mod car;
mod cases;
pub mod cbor;
pub mod cid;
pub mod commit;
pub mod export;
pub mod key;
pub mod legal;
pub mod message;
pub mod oracle;
pub mod random;
pub mod readers;
pub mod repo;
pub mod rng;
#[cfg(feature = "signing")]
pub mod sample;
#[cfg(feature = "signing")]
pub mod signing;
pub mod tid;
pub mod tree;
pub mod varint;
pub mod vectors;

pub use self::cases::{cases, factor, step};
