//! placeholder
pub mod car;
mod cbor;
pub mod cid;
mod commit;
pub mod error;
pub mod limits;
mod load;
#[cfg(feature = "mmap")]
mod mmap;
pub mod mst;
mod path;
mod records;
mod repo;
pub mod store;
pub mod syntax;
pub mod varint;

pub use self::cid::Cid;
pub use self::commit::{Commit, CommitRules};
pub use self::error::{Error, ErrorKind, Result};
pub use self::limits::Limits;
pub use self::load::Loader;
pub use self::path::{RepoPath, RepoPathBuf};
pub use self::records::{Record, RecordLink, RecordLinks, Records};
pub use self::repo::{Repo, Tree, peek_commit};
pub use self::store::Verification;
