//! Varints have one encoding: what decodes encodes to the same bytes, and every cut of it asks for
//! more.
#![no_main]

carwalk_fuzz::target!(varint);
