//! Exports that break one rule each, next to the valid export that they were made from.
//!
//! All hashes, links and roots match the broken export, so that only the rule itself is broken. The
//! letters of rules: H, V and B for the container, X for CBOR, C for the commit, N for the tree
//! (listed in `src/guide/format.md`), P for repo paths.

mod commit;
mod header;
mod node;
mod section;
mod shape;
mod tree;

use std::collections::HashSet;
use std::fmt;

use crate::car::Car;
use crate::cid::Cid;
use crate::key;
use crate::repo::{Order, Repo};

/// The kind of error that a reader should return.
///
/// A reader that compares bytes with the expected ones need not distinguish
/// [`Malformed`](Self::Malformed) and [`NonCanonical`](Self::NonCanonical).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The input ends too early.
    Truncated,
    /// The bytes cannot be parsed as the expected structure.
    Malformed,
    /// The content is right, but its encoding is not.
    NonCanonical,
    /// A block does not hash to its CID.
    Mismatch,
    /// A block is missing.
    Missing,
    /// Something is too large.
    Limit,
    /// The tree breaks a rule of its structure.
    Tree,
    /// A key is not a repo path.
    Path,
}

/// One broken rule.
#[derive(Clone, Copy)]
pub struct Breakage {
    /// The name for lookups.
    pub name: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// The kind of error that a reader should return.
    pub fault: Fault,
    /// The change to the valid twin.
    pub about: &'static str,
    make: fn() -> Case,
}

impl Breakage {
    /// Makes the two exports.
    pub fn make(&self) -> Case {
        (self.make)()
    }
}

impl fmt::Debug for Breakage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {:?}): {}", self.name, self.rule, self.fault, self.about)
    }
}

/// A valid export and its broken twin.
#[derive(Clone, Debug)]
pub struct Case {
    /// The export that keeps all rules.
    pub valid: Vec<u8>,
    /// The export that breaks one.
    pub broken: Vec<u8>,
    /// The block that breaks the rule, if it is in a block.
    pub cid: Option<Cid>,
    /// The offset of the broken header or section in the broken export, if there is one.
    pub offset: Option<usize>,
}

/// All breakages.
pub fn all() -> impl Iterator<Item = &'static Breakage> {
    let tables =
        [header::CASES, section::CASES, commit::CASES, node::CASES, shape::CASES, tree::CASES];
    tables.into_iter().flatten()
}

/// One breakage for each rule and fault, for tests that take long. All breakages if
/// `CARWALK_TEST_CASES` is more than 1.
pub fn each_rule() -> impl Iterator<Item = &'static Breakage> {
    let mut seen = HashSet::new();
    all().filter(move |breakage| {
        let is_first = seen.insert((breakage.rule, breakage.fault));
        is_first || crate::factor() > 1
    })
}

/// The breakage of a name.
///
/// # Panics
///
/// Panics if there is none.
pub fn find(name: &str) -> &'static Breakage {
    all()
        .find(|breakage| breakage.name == name)
        .unwrap_or_else(|| panic!("no breakage is called {name}"))
}

/// The exports of the breakage of a name.
///
/// # Panics
///
/// Panics if there is none.
pub fn case(name: &str) -> Case {
    find(name).make()
}

const fn breakage(
    (rule, fault): (&'static str, Fault),
    name: &'static str,
    about: &'static str,
    make: fn() -> Case,
) -> Breakage {
    Breakage { name, rule, fault, about, make }
}

/// The layers of the sample's keys, in key order. Their tree:
///
/// ```text
/// layer 3                            5                8
/// layer 2               4                  empty               9
/// layer 1       2                          empty                   10
/// layer 0   0 1   3                         6 7
/// ```
const LAYERS: [u8; 11] = [0, 0, 1, 0, 2, 3, 0, 0, 3, 2, 1];

/// The keys of the sample, by the numbers in the picture of its tree.
pub fn sample_keys() -> Vec<Vec<u8>> {
    key::ascending(&LAYERS)
}

/// The valid repository from which most breakages are made: eleven keys on four layers, and two
/// nodes without entries.
pub fn sample() -> Repo {
    Repo::sample(sample_keys())
}

/// A case that changes the parts of the CAR. The change returns the offset of the fault.
fn car_case(change: impl FnOnce(&Repo, &mut Car) -> Option<usize>) -> Case {
    let repo = sample();
    let valid = repo.to_car(Order::Preorder);
    let mut broken = valid.clone();
    let offset = change(&repo, &mut broken);
    Case { valid: valid.to_bytes(), broken: broken.to_bytes(), cid: None, offset }
}

/// A case that changes the tree or the commit. The change may return the broken block.
fn repo_case(valid: Repo, change: impl FnOnce(&mut Repo) -> Option<Cid>) -> Case {
    let mut broken = valid.clone();
    let cid = change(&mut broken);
    let car = broken.to_car(Order::Preorder);
    let offset = cid.map(|cid| car.offset_of(&cid));
    Case { valid: valid.to_bytes(Order::Preorder), broken: car.to_bytes(), cid, offset }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    #[test]
    fn names_are_unique() {
        let mut names = HashSet::new();
        assert!(all().all(|breakage| names.insert(breakage.name)));
    }

    #[test]
    fn oracle_accepts_every_valid_twin() {
        for breakage in all() {
            let case = breakage.make();
            assert!(
                oracle::walk(&case.valid).is_ok(),
                "{breakage:?}: {:?}",
                oracle::walk(&case.valid)
            );
        }
    }

    #[test]
    fn oracle_refuses_every_break() {
        for breakage in all() {
            let case = breakage.make();
            assert_ne!(case.valid, case.broken, "{breakage:?}");
            assert!(oracle::walk(&case.broken).is_err(), "{breakage:?}");
        }
    }

    #[test]
    fn hashes_fit_every_break_but_those_of_hashes() {
        for breakage in all().filter(|breakage| breakage.rule != "B4") {
            let Ok(car) = Car::parse(&breakage.make().broken) else { continue };
            for section in car.sections {
                let cid = Cid::from_bytes(&section.cid).unwrap();
                assert!(cid.fits(&section.data), "{breakage:?}");
            }
        }
    }

    #[test]
    fn sample_has_the_tree_of_its_picture() {
        let keys = sample_keys();
        let root = sample().root;
        assert_eq!(
            root.entries.iter().map(|entry| &entry.key).collect::<Vec<_>>(),
            [&keys[5], &keys[8]]
        );
        let empty = |node: &crate::tree::Node| node.entries.is_empty();
        assert!(root.entries[0].tree.node().is_some_and(empty));
        assert_eq!(root.blocks().len(), 10);
    }
}
