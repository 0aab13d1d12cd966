//! Repo paths are those of the testkit, and the strict check takes those of the full syntax.
#![no_main]

carwalk_fuzz::target!(path);
