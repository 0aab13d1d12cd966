//! Repositories with any edits, hashes made to fit: accepted exactly if the oracle does, with the
//! same records.
#![no_main]

carwalk_fuzz::target!(walk_oracle);
