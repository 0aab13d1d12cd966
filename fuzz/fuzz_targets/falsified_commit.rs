//! A `#commit` message is valid only if it is true of the whole trees before and after it.
#![no_main]

carwalk_fuzz::target!(falsified_commit);
