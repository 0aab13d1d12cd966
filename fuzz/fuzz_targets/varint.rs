//! A varint has one encoding: what decodes encodes to the same bytes, and every shorter prefix is
//! incomplete.
#![no_main]

carwalk_fuzz::target!(varint);
