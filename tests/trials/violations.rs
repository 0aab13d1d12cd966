//! Exports that each break one rule: every way of loading refuses them with an error of the right
//! kind and position. The valid twin of each is accepted.

use crate::common;
use carwalk::ErrorClass;
use carwalk::error::{LimitName, LookAlike, Malformed, NonCanonical, PathFault, TreeRule};
use carwalk::{CommitRules, Error, ErrorKind, Loader};
use carwalk_testkit::breakage::{self, Breakage, Case, Fault};
use libtest_mimic::Trial;

/// Refused only with `Loader::strict_paths`.
const ONLY_STRICT: [&str; 2] = ["path_record_key_dot", "path_record_key_dots"];

/// Accepted with `CommitRules::Legacy`.
const LEGACY: [&str; 3] = ["commit_without_prev", "commit_version_2", "commit_version_2_with_rev"];

pub(crate) fn trials() -> Vec<Trial> {
    let trials = breakage::all().flat_map(|breakage| {
        let trial = |name: &str, check: fn(&Breakage)| {
            let check = move || {
                check(breakage);
                Ok(())
            };
            Trial::test(format!("violations::{}::{name}", breakage.name), check)
                .with_kind(breakage.rule)
        };
        [trial("is_refused", broken_is_refused), trial("valid_twin_is_accepted", twin_is_accepted)]
    });
    trials.collect()
}

fn loader(breakage: &Breakage) -> Loader {
    Loader::new().strict_paths(ONLY_STRICT.contains(&breakage.name))
}

fn twin_is_accepted(breakage: &Breakage) {
    let case = breakage.make();
    let rows = common::rows_each_way(&case.valid, || loader(breakage)).unwrap();
    assert!(rows == common::oracle_rows(&case.valid));
}

fn broken_is_refused(breakage: &Breakage) {
    let case = breakage.make();
    let error = common::rows_each_way(&case.broken, || loader(breakage)).unwrap_err();
    let legacy =
        common::rows_each_way(&case.broken, || loader(breakage).commits(CommitRules::Legacy));
    if LEGACY.contains(&breakage.name) {
        assert!(legacy.unwrap() == common::oracle_rows(&case.valid));
    } else {
        assert_eq!(common::details(&legacy.unwrap_err()), common::details(&error));
    }
    if ONLY_STRICT.contains(&breakage.name) {
        common::rows_each_way(&case.broken, Loader::new).unwrap();
    }
    right_class(breakage.fault, &error);
    right_place(&case, &error);
    assert!(is_right_kind(breakage, error.kind()), "{error:?}");
}

fn right_class(fault: Fault, error: &Error) {
    let kind = error.kind();
    let is_right = match fault {
        Fault::Truncated => error.class() == ErrorClass::Truncated,
        // A reader need not distinguish these: a comparison with the expected bytes only shows a
        // difference.
        Fault::Malformed | Fault::NonCanonical => {
            matches!(
                kind,
                ErrorKind::Malformed(_) | ErrorKind::NonCanonical(_) | ErrorKind::LookAlike(_)
            ) && error.class() != ErrorClass::Truncated
        }
        Fault::Mismatch => matches!(kind, ErrorKind::HashMismatch { .. }),
        Fault::Missing => error.class() == ErrorClass::Missing,
        Fault::Limit => error.class() == ErrorClass::Limit,
        Fault::Tree => matches!(kind, ErrorKind::Tree(_)),
        Fault::Path => matches!(kind, ErrorKind::Path(_)),
    };
    assert!(is_right, "not {fault:?}: {error:?}");
    let is_data = !matches!(fault, Fault::Truncated | Fault::Missing | Fault::Limit);
    assert_eq!(error.class() == ErrorClass::Invalid, is_data);
    assert!(error.class() != ErrorClass::Io);
}

fn right_place(case: &Case, error: &Error) {
    if let Some(offset) = case.offset {
        assert_eq!(error.position().offset(), Some(offset as u64), "{error:?}");
    }
    if let Some(cid) = case.cid {
        assert_eq!(error.cid(), Some(&common::cid(&cid)), "{error:?}");
    }
    if error.class() == ErrorClass::Missing {
        assert_eq!(error.position().offset(), None);
    }
}

/// Returns whether breaking the rule can give an error of this kind.
fn is_right_kind(breakage: &Breakage, kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Truncated { .. } => ["V5", "B5"].contains(&breakage.rule),
        ErrorKind::HashMismatch { .. } => breakage.rule == "B4",
        ErrorKind::MissingCommit => ["H8", "B9"].contains(&breakage.rule),
        ErrorKind::Missing { .. } => breakage.rule == "B9",
        ErrorKind::LookAlike(what) => {
            let cases = [
                ("file_empty", LookAlike::Empty),
                ("header_of_car_v2", LookAlike::CarV2),
                ("commit_is_node", LookAlike::BareTree),
            ];
            cases.contains(&(breakage.name, *what))
        }
        ErrorKind::Malformed(reason) => rules_of_form(*reason).contains(&breakage.rule),
        ErrorKind::NonCanonical(reason) => rules_of_encoding(*reason).contains(&breakage.rule),
        ErrorKind::Tree(rule) => is_right_tree_rule(breakage, rule),
        ErrorKind::Limit { limit, .. } => {
            let rule = match limit {
                LimitName::HeaderLen => "H7",
                LimitName::BlockLen => "B3",
                LimitName::KeyLen => "N15",
                LimitName::Nesting => "X18",
                _ => return false,
            };
            rule == breakage.rule
        }
        ErrorKind::Path(fault) => match fault {
            PathFault::Slashes { .. } | PathFault::NoCollection | PathFault::NoRecordKey => {
                breakage.rule == "P1"
            }
            PathFault::Character { .. } | PathFault::RecordKey => breakage.rule == "P2",
            _ => false,
        },
        _ => false,
    }
}

fn rules_of_form(reason: Malformed) -> &'static [&'static str] {
    match reason {
        Malformed::VarintTooLong => &["V3"],
        Malformed::SectionLen { found: 0 } => &["V4"],
        Malformed::SectionLen { .. } => &["B3", "B11"],
        Malformed::HeaderEmpty => &["H1"],
        Malformed::CarVersion { .. } => &["H2"],
        Malformed::NoRoots => &["H4"],
        Malformed::CidCodec { found: 0x55, .. } => &["N13", "C3", "H4"],
        Malformed::CidHash { found: 0 } => &["B2", "X6", "N14"],
        Malformed::CidLen { .. } => &["X5", "X6", "N14"],
        Malformed::CidVersion { .. } => &["B1", "X6", "N14", "B11"],
        Malformed::CidVersion0
        | Malformed::CidCodec { .. }
        | Malformed::CidHash { .. }
        | Malformed::CidDigestLen { .. } => &["B1", "X6", "N14"],
        // A single check finds every value of an unexpected type.
        Malformed::CborType { .. } => &[
            "H1", "H2", "H3", "C1", "C2", "X5", "X7", "X11", "X14", "X15", "X16", "X17", "N1",
            "N13",
        ],
        Malformed::CborReserved { .. } => &["X3"],
        Malformed::CborIndefinite { .. } => &["X2"],
        Malformed::CborTag { .. } => &["X4"],
        Malformed::CborSimple { .. } => &["X14"],
        Malformed::Utf8 => &["X10"],
        Malformed::Trailing { .. } => &["X16"],
        Malformed::LinkPrefix => &["X5"],
        Malformed::FieldMissing("version") => &["H2", "C1"],
        Malformed::FieldMissing("roots") => &["H3"],
        Malformed::FieldMissing(_) => &["C1"],
        Malformed::FieldExpected { .. } => &["N1", "X8"],
        Malformed::FieldCount { .. } => &["N1", "X9", "X10"],
        Malformed::CommitVersion { .. } => &["C2", "X15"],
        Malformed::LegacyCommit(_) => &["C2"],
        Malformed::Did => &["C4"],
        Malformed::Rev => &["C5"],
        Malformed::SigLen { .. } => &["C6"],
        Malformed::CborEnd { .. } => &["X17", "C1"],
        _ => &[],
    }
}

fn rules_of_encoding(reason: NonCanonical) -> &'static [&'static str] {
    match reason {
        NonCanonical::VarintPadded => &["V2"],
        NonCanonical::IntegerPadded => &["X1", "X4"],
        NonCanonical::MapOrder => &["X8"],
        NonCanonical::MapDuplicate => &["X9"],
        NonCanonical::Float => &["X11"],
        _ => &[],
    }
}

/// Compares the rule of the tree. Some breakages are found by the check of an earlier rule.
fn is_right_tree_rule(breakage: &Breakage, rule: &TreeRule) -> bool {
    let expected = match breakage.name {
        // The layer of an ancestor's key is found to be wrong before its order is checked.
        "subtree_key_is_parent_key" => "N9",
        "subtree_key_is_next_parent_key" => "N7",
        // Superfluous empty nodes are found at layer 0 or at the first key.
        "empty_node_too_many" | "empty_nodes_without_end" | "nodes_below_layer_0" => "N10",
        "doubling_links" => "N9",
        _ => breakage.rule,
    };
    let found: &[&str] = match rule {
        TreeRule::FirstPrefix { .. } => &["N2"],
        TreeRule::PrefixTooLong { .. } => &["N3"],
        TreeRule::PrefixNotMaximal { .. } => &["N4"],
        TreeRule::KeyOrder { .. } => &["N5"],
        TreeRule::DuplicateKey { .. } => &["N6"],
        TreeRule::KeyLayer { .. } => &["N7"],
        TreeRule::KeyOutside { .. } => &["N8", "N16"],
        TreeRule::ChildLayer { .. } => &["N9"],
        TreeRule::LinkBelowLayer0 => &["N10"],
        TreeRule::EmptyNode => &["N11"],
        TreeRule::RootWithoutEntry => &["N12"],
        TreeRule::EmptyKey { .. } => &["N15"],
        _ => &[],
    };
    found.contains(&expected)
}
