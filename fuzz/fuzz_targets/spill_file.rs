//! Kept files with any values or bytes changed are refused, or give the records that they had.
#![no_main]

carwalk_fuzz::target!(spill_file);
