//! Sections are those that the testkit finds, by slice as by stream, up to the limit of a block.
#![no_main]

carwalk_fuzz::target!(section);
