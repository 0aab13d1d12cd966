//! A proof gives the same answers as the whole repository for its keys and ranges, and never
//! contradicts it.
#![no_main]

carwalk_fuzz::target!(proofs);
