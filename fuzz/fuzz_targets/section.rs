//! Sections are those that the testkit finds, from a slice and from a stream, up to the limit of a
//! block.
#![no_main]

carwalk_fuzz::target!(section);
