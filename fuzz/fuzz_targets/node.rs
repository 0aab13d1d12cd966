//! Nodes that parse encode to the same bytes, and a walk finds their keys; what the testkit writes
//! parses.
#![no_main]

carwalk_fuzz::target!(node);
