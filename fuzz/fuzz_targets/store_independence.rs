//! Slice, memory, spill files with any settings and kept files: the same records, or the same error
//! at the same position.
#![no_main]

carwalk_fuzz::target!(store_independence);
