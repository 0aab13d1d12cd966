//! Any bytes are a message of the live stream or an error, and what is parsed can be written again.
#![no_main]

carwalk_fuzz::target!(frame);
