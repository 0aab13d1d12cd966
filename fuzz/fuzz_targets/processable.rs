//! Values that decode from any bytes encode to the bytes that they were decoded from.
#![no_main]

carwalk_fuzz::target!(processable);
