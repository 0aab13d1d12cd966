//! CIDs in bytes and text are accepted exactly if the testkit accepts them, and encoding restores
//! them.
#![no_main]

carwalk_fuzz::target!(cid);
