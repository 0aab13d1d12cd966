//! Repositories as rows: their columns, and the text formats of these.
//!
//! # Examples
//!
//! The records of a repository as JSON Lines:
//!
//! ```
//! use carwalk::Repo;
//! use carwalk::mst::Event;
//! use carwalk_batch::columns::Columns;
//! use carwalk_batch::row::Row;
//! use carwalk_batch::text::{Format, RowWriter};
//!
//! # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
//! let repo = Repo::from_slice(bytes)?;
//! let (did, rev) = (repo.commit().did(), repo.commit().rev());
//! let mut writer = RowWriter::new(Format::JsonLines, Columns::ALL);
//! let mut lines = Vec::new();
//! let mut walk = repo.walk().start();
//! while let Some(event) = walk.next_event()? {
//!     if let Event::Record { entry, block, .. } = event {
//!         writer.row(&Row::new(did, rev, entry.path()?, entry.cid(), Some(block)), &mut lines);
//!     }
//! }
//! assert_eq!(lines.iter().filter(|&&byte| byte == b'\n').count(), 40);
//! # Ok::<(), carwalk::Error>(())
//! ```

pub mod columns;
pub mod row;
pub mod text;
