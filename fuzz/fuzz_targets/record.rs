//! Any bytes as a record: links, blobs, oddities and JSON agree with each other and with other
//! decoders.
#![no_main]

carwalk_fuzz::target!(record);
