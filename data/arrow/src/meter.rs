//! Counting bytes that are read.

use std::sync::Arc;

/// A function that gets the numbers of bytes that were read.
pub(crate) type Meter = Arc<dyn Fn(u64) + Send + Sync>;
