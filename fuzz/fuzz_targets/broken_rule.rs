//! A repository with one broken rule is refused with an error of that rule.
#![no_main]

carwalk_fuzz::target!(broken_rule);
