//! Slice, stream, single bytes, pieces and stops: the same records, or the same error at the same
//! position.
#![no_main]

carwalk_fuzz::target!(chunk_independence);
