//! After any nodes and records are removed, lookups and ranges return what the remaining blocks
//! prove, and no more.
#![no_main]

carwalk_fuzz::target!(partial_trees);
