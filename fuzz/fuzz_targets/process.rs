//! What a process function makes of records is the same on every way that a CAR can take.
#![no_main]

carwalk_fuzz::target!(process);
