//! A commit is accepted exactly if it is canonical and has its fields. The signed bytes are the
//! commit without `sig`.
#![no_main]

carwalk_fuzz::target!(commit);
