//! Slice, reader, single bytes, any pieces, any stops: the same records, or the same error at the
//! same place.
#![no_main]

carwalk_fuzz::target!(chunk_independence);
