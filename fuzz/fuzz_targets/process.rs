//! Every way of loading gives the same processed values.
#![no_main]

carwalk_fuzz::target!(process);
