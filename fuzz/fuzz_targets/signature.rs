//! A signature holds for its key and message and no other; keys that parse are written as they
//! were.
#![no_main]

carwalk_fuzz::target!(signature);
