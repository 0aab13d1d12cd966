//! Values that decode encode to the same bytes, or in CBOR to bytes that decode to the same value.
#![no_main]

carwalk_fuzz::target!(processable);
