//! Bytes and texts are CIDs exactly where the testkit and the `cid` crate say so, and go there and
//! back unchanged.
#![no_main]

carwalk_fuzz::target!(cid);
