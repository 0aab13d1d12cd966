//! Commits are accepted exactly if they are canonical and have their fields; signed bytes are the
//! rest of them.
#![no_main]

carwalk_fuzz::target!(commit);
