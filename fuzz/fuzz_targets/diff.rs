//! The changes between two trees, or from rows to a tree, are exact, or hidden by a missing node.
#![no_main]

carwalk_fuzz::target!(diff);
