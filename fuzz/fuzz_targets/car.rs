//! Any bytes as a CAR: no panic, no endless walk and no unreported gap, with any verification and
//! with or without salvage.
#![no_main]

carwalk_fuzz::target!(car);
