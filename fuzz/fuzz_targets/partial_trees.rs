//! Any nodes and records taken out: lookups and ranges tell what the rest proves, and no more.
#![no_main]

carwalk_fuzz::target!(partial_trees);
