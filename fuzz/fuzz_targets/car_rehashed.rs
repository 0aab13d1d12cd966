//! Mutated CARs, hashes and links made to fit: accepted exactly if the oracle does, with the same
//! records.
#![no_main]

carwalk_fuzz::target!(car_rehashed);
