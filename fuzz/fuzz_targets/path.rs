//! Repo paths are accepted exactly if the testkit accepts them. The strict check requires the full
//! syntax.
#![no_main]

carwalk_fuzz::target!(path);
