//! A node that parses encodes to the same bytes, and a walk finds its keys. Nodes that the testkit
//! writes parse.
#![no_main]

carwalk_fuzz::target!(node);
