//! Slice, memory, spill files of any settings, kept files: the same records, or the same error at
//! the same place.
#![no_main]

carwalk_fuzz::target!(store_independence);
