//! A tree that is built from entries and closed subtrees has the root of the tree of all keys, or
//! the error names the subtree that is needed.
#![no_main]

carwalk_fuzz::target!(builder);
