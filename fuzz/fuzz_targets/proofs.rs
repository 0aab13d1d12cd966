//! A proof answers for what it is of as the whole repository does, and never says what that does
//! not.
#![no_main]

carwalk_fuzz::target!(proofs);
