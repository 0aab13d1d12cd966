//! Any bytes as a CAR, whatever is hashed and salvaged: no panic, no walk without end, no gap that
//! goes untold.
#![no_main]

carwalk_fuzz::target!(car);
