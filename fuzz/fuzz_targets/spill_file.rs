//! A kept spill file with any changed values or bytes is refused, or gives its original records.
#![no_main]

carwalk_fuzz::target!(spill_file);
