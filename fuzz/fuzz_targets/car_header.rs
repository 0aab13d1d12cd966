//! A header is accepted exactly if it is canonical, has version 1 and names a root, from a slice
//! and from a stream.
#![no_main]

carwalk_fuzz::target!(car_header);
