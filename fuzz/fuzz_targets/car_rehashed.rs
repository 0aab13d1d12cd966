//! Mutated CARs with repaired hashes and links: accepted exactly if the oracle accepts them, with
//! the same records.
#![no_main]

carwalk_fuzz::target!(car_rehashed);
