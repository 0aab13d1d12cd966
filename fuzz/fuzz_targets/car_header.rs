//! Headers are accepted exactly if they are canonical, of version 1, and name a root; by slice as
//! by stream.
#![no_main]

carwalk_fuzz::target!(car_header);
