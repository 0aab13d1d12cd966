//! Guides: how to choose, combine and embed the parts of this crate.
//!
//! | guide | answers |
//! |---|---|
//! | [`limits_and_stores`] | Which opener, memory limit and store fit my CAR? What do they cost? |
//! | [`async_and_threads`] | How do I call a blocking library from tokio, or from many threads? |
//! | [`records`] | How do I decode records, print them as JSON, and find their blobs? |
//! | [`partial_trees`] | What does a proof prove? How do I read a CAR with missing blocks? |
//! | [`comparing_and_rewriting`] | What changed between two exports? How do I keep an archive current? |
//! | [`live_stream`] | Does a commit message prove what it says? What do I do if not? |
//! | [`tables`] | How do I turn a folder of CARs into rows for DuckDB, ClickHouse or Postgres? |
//! | [`owning_iterator`] | How do I write an iterator that owns its repository? |
//! | [`fuzzing`] | How do I fuzz my own code with repositories as input? |
//! | [`format`](mod@format) | What is in a CAR, and what does the tree look like? |
//!
//! The code in the guides is compiled and tested. Most of it returns `anyhow::Result`, to which
//! `carwalk::Error` converts.
//!
//! New to the format? Begin with [the format in pictures](mod@format), which also explains the
//! terms.

#[doc = include_str!("async_and_threads.md")]
pub mod async_and_threads {}
#[doc = include_str!("comparing_and_rewriting.md")]
pub mod comparing_and_rewriting {}
#[doc = include_str!("format.md")]
pub mod format {}
#[doc = include_str!("fuzzing.md")]
pub mod fuzzing {}
#[doc = include_str!("limits_and_stores.md")]
pub mod limits_and_stores {}
#[doc = include_str!("live_stream.md")]
pub mod live_stream {}
#[doc = include_str!("owning_iterator.md")]
pub mod owning_iterator {}
#[doc = include_str!("partial_trees.md")]
pub mod partial_trees {}
#[doc = include_str!("records.md")]
pub mod records {}
#[doc = include_str!("tables.md")]
pub mod tables {}
