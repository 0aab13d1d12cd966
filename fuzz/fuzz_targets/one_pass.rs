//! A CAR that is read in one pass has the records of its load, or the error says why not.
#![no_main]

carwalk_fuzz::target!(one_pass);
