//! Edited repositories with matching hashes: accepted exactly if the oracle accepts them, with the
//! same records.
#![no_main]

carwalk_fuzz::target!(walk_oracle);
