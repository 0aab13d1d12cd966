//! Exactly the valid signatures are accepted. Public keys that parse are written unchanged.
#![no_main]

carwalk_fuzz::target!(signature);
