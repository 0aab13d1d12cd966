//! Any repository with one rule broken is refused with an error of the kind of that rule.
#![no_main]

carwalk_fuzz::target!(broken_rule);
