//! The commit: its fields, their types and order, and its CBOR.

use super::Fault::{Limit, Malformed, NonCanonical};
use super::{Breakage, Case, breakage, repo_case, sample};
use crate::cbor::{Value, indefinite, wide, with_head};
use crate::cid::{Cid, RAW};
use crate::commit::{Commit, signature};

pub(super) const CASES: &[Breakage] = &[
    breakage(("C1", Malformed), "commit_without_did", "no did", || removed("did")),
    breakage(("C1", Malformed), "commit_without_rev", "no rev", || removed("rev")),
    breakage(("C1", Malformed), "commit_without_sig", "no sig", || removed("sig")),
    breakage(("C1", Malformed), "commit_without_data", "no data", || removed("data")),
    breakage(("C2", Malformed), "commit_without_prev", "no prev, in version 3", || removed("prev")),
    breakage(("C1", Malformed), "commit_without_version", "no version", || removed("version")),
    breakage(("C1", Malformed), "commit_null_did", "did null", || set("did", Value::Null)),
    breakage(("C1", Malformed), "commit_null_rev", "rev null", || set("rev", Value::Null)),
    breakage(("C1", Malformed), "commit_null_sig", "sig null", || set("sig", Value::Null)),
    breakage(("C1", Malformed), "commit_null_data", "data null", || set("data", Value::Null)),
    breakage(("C1", Malformed), "commit_null_version", "version null", || {
        set("version", Value::Null)
    }),
    breakage(("C1", Malformed), "commit_did_bytes", "did as bytes", || {
        set("did", Value::Bytes(b"did:plc:abc".to_vec()))
    }),
    breakage(("C1", Malformed), "commit_rev_number", "rev as a number", || {
        set("rev", Value::Uint(1))
    }),
    breakage(("C1", Malformed), "commit_sig_text", "sig as text", || {
        set("sig", Value::text("s".repeat(64)))
    }),
    breakage(("C1", Malformed), "commit_data_bytes", "data without a tag", || {
        edit(|commit| *commit.at_mut("data") = Value::Bytes(vec![0; 37]))
    }),
    breakage(("C1", Malformed), "commit_prev_false", "prev false", || {
        set("prev", Value::Bool(false))
    }),
    breakage(("C1", Malformed), "commit_prev_text", "prev as text", || {
        set("prev", Value::text(Cid::raw(b"").to_string()))
    }),
    breakage(("C1", Malformed), "commit_version_text", "version as text", || {
        set("version", Value::text("3"))
    }),
    breakage(("C1", Malformed), "commit_is_array", "an array of the values", || {
        edit(|commit| {
            *commit = Value::Array(commit.pairs_mut().drain(..).map(|pair| pair.1).collect())
        })
    }),
    breakage(("C1", Malformed), "commit_empty_map", "a map without fields", || {
        edit(|commit| commit.pairs_mut().clear())
    }),
    breakage(("C1", Malformed), "commit_empty_block", "a block of no bytes", || {
        rewritten(|_| Vec::new())
    }),
    breakage(("C1", Malformed), "commit_is_node", "the root node in the commit's place", || {
        repo_case(sample(), |repo| {
            repo.commit.bytes_override = Some(repo.root.block());
            Some(repo.commit_cid())
        })
    }),
    breakage(("C2", Malformed), "commit_version_2", "version 2: no rev, and prev a link", || {
        repo_case(sample(), |repo| {
            repo.commit = Commit::version_2(Cid::dag_cbor(b"the commit before"));
            Some(repo.commit_cid())
        })
    }),
    breakage(("C2", Malformed), "commit_version_0", "version 0", || set("version", Value::Uint(0))),
    breakage(("C2", Malformed), "commit_version_1", "version 1", || set("version", Value::Uint(1))),
    breakage(
        ("C2", Malformed),
        "commit_version_2_with_rev",
        "version 2 in the fields of version 3",
        || set("version", Value::Uint(2)),
    ),
    breakage(("C2", Malformed), "commit_version_4", "version 4", || set("version", Value::Uint(4))),
    breakage(("C2", Malformed), "commit_version_negative", "version -4", || {
        set("version", Value::Int(-4))
    }),
    breakage(("X8", NonCanonical), "commit_unsorted", "the fields in alphabetic order", || {
        edit(|commit| commit.pairs_mut().sort_by_key(|(name, _)| name.encode()[1..].to_vec()))
    }),
    breakage(("X8", NonCanonical), "commit_two_swapped", "rev before did", || {
        edit(|commit| commit.pairs_mut().swap(0, 1))
    }),
    breakage(
        ("X8", NonCanonical),
        "commit_unknown_unsorted",
        "an unknown short field at the end",
        || edit(|commit| commit.pairs_mut().push((Value::text("x"), Value::Null))),
    ),
    breakage(("X9", NonCanonical), "commit_did_twice", "did twice", || twice("did")),
    breakage(("X9", NonCanonical), "commit_data_twice", "data twice", || twice("data")),
    breakage(("X9", NonCanonical), "commit_version_twice", "version twice", || twice("version")),
    breakage(("X9", NonCanonical), "commit_unknown_twice", "an unknown field twice", || {
        edit(|commit| {
            commit.pairs_mut().insert(0, (Value::text("x"), Value::Null));
            commit.pairs_mut().insert(0, (Value::text("x"), Value::Null));
        })
    }),
    breakage(
        ("N13", Malformed),
        "commit_data_raw_codec",
        "data with the codec of raw bytes",
        || {
            repo_case(sample(), |repo| {
                let root = repo.root.block();
                repo.extra.push((Cid::raw(&root), root.clone()));
                repo.commit = repo.commit.clone().set("data", Value::Link(Cid::raw(&root)));
                Some(repo.commit_cid())
            })
        },
    ),
    breakage(("X6", Malformed), "commit_data_cid_v0", "data in the form of CIDv0", || {
        edit(|commit| {
            *commit.at_mut("data") = Value::link_bytes(&[&[0x12, 0x20][..], &[7; 32]].concat())
        })
    }),
    breakage(("X6", Malformed), "commit_data_codec", "data with the codec dag-pb", || {
        link("data", |cid| cid[1] = 0x70)
    }),
    breakage(("X6", Malformed), "commit_data_hash", "data with the code of BLAKE3", || {
        link("data", |cid| cid[2] = 0x1e)
    }),
    breakage(
        ("C3", Malformed),
        "commit_prev_raw_codec",
        "prev with the codec of raw bytes",
        || link("prev", |cid| cid[1] = RAW),
    ),
    breakage(("X6", Malformed), "commit_prev_hash", "prev with the code of BLAKE3", || {
        link("prev", |cid| cid[2] = 0x1e)
    }),
    breakage(("C4", Malformed), "commit_did_empty", "did empty", || set("did", Value::text(""))),
    breakage(("C4", Malformed), "commit_did_without_method", "did:abc", || {
        set("did", Value::text("did:abc"))
    }),
    breakage(("C4", Malformed), "commit_did_upper_method", "did:PLC:abc", || {
        set("did", Value::text("did:PLC:abc"))
    }),
    breakage(("C4", Malformed), "commit_did_ends_in_colon", "did:plc:abc:", || {
        set("did", Value::text("did:plc:abc:"))
    }),
    breakage(("C4", Malformed), "commit_did_with_fragment", "did:plc:abc#atproto", || {
        set("did", Value::text("did:plc:abc#atproto"))
    }),
    breakage(("C4", Malformed), "commit_did_is_handle", "a handle", || {
        set("did", Value::text("alice.example.com"))
    }),
    breakage(("C4", Malformed), "commit_did_too_long", "a did of 2,049 bytes", || {
        set("did", Value::text(format!("did:web:{}", "a".repeat(2041))))
    }),
    breakage(("C5", Malformed), "commit_rev_empty", "rev empty", || set("rev", Value::text(""))),
    breakage(("C5", Malformed), "commit_rev_short", "rev of 12 letters", || {
        set("rev", Value::text("3jzfcijpj2z2"))
    }),
    breakage(("C5", Malformed), "commit_rev_long", "rev of 14 letters", || {
        set("rev", Value::text("3jzfcijpj2z2aa"))
    }),
    breakage(("C5", Malformed), "commit_rev_upper", "rev in upper case", || {
        set("rev", Value::text("3JZFCIJPJ2Z2A"))
    }),
    breakage(("C5", Malformed), "commit_rev_digit", "rev with the digit 1", || {
        set("rev", Value::text("3jzfcijpj2z21"))
    }),
    breakage(("C5", Malformed), "commit_rev_top_bit", "rev with the top bit set", || {
        set("rev", Value::text("kjzfcijpj2z2a"))
    }),
    breakage(("C6", Malformed), "commit_sig_63", "a signature of 63 bytes", || {
        set("sig", Value::Bytes(signature()[1..].to_vec()))
    }),
    breakage(("C6", Malformed), "commit_sig_65", "a signature of 65 bytes", || {
        set("sig", Value::Bytes([&signature()[..], &[1]].concat()))
    }),
    breakage(("C6", Malformed), "commit_sig_empty", "a signature of no bytes", || {
        set("sig", Value::Bytes(Vec::new()))
    }),
    breakage(("X16", Malformed), "commit_trailing_byte", "a byte after the map", || {
        rewritten(|commit| [commit.encode(), vec![0]].concat())
    }),
    breakage(("X16", Malformed), "commit_twice", "the map twice", || {
        rewritten(|commit| commit.encode().repeat(2))
    }),
    breakage(("X17", Malformed), "commit_cut", "the block without its last byte", || {
        rewritten(|commit| {
            let mut block = commit.encode();
            block.pop();
            block
        })
    }),
    breakage(("X17", Malformed), "commit_counts_more", "a field fewer than the map counts", || {
        edit(|commit| *commit = with_head(commit, &[0xa7]))
    }),
    breakage(("X16", Malformed), "commit_counts_less", "a field more than the map counts", || {
        edit(|commit| *commit = with_head(commit, &[0xa5]))
    }),
    breakage(("X1", NonCanonical), "commit_wide_map", "the map's head in two bytes", || {
        edit(|commit| *commit = wide(commit, 1))
    }),
    breakage(("X1", NonCanonical), "commit_wide_key", "a field name's head in two bytes", || {
        edit(|commit| commit.pairs_mut()[0].0 = wide(&Value::text("did"), 1))
    }),
    breakage(("X1", NonCanonical), "commit_wide_version", "version 3 in two bytes", || {
        widened("version", 1)
    }),
    breakage(("X1", NonCanonical), "commit_wide_did", "did with a head of three bytes", || {
        widened("did", 2)
    }),
    breakage(("X1", NonCanonical), "commit_wide_rev", "rev with a head of two bytes", || {
        widened("rev", 1)
    }),
    breakage(("X1", NonCanonical), "commit_wide_sig", "sig with a head of nine bytes", || {
        widened("sig", 8)
    }),
    breakage(("X4", NonCanonical), "commit_wide_tag", "tag 42 in three bytes", || {
        widened("data", 2)
    }),
    breakage(("X2", NonCanonical), "commit_indefinite_map", "the map without a length", || {
        edit(|commit| *commit = indefinite(commit))
    }),
    breakage(("X2", NonCanonical), "commit_indefinite_did", "did in chunks", || chunked("did")),
    breakage(("X2", NonCanonical), "commit_indefinite_sig", "sig in chunks", || chunked("sig")),
    breakage(
        ("X3", Malformed),
        "commit_reserved_head",
        "version as a head of the reserved kind 28",
        || set("version", Value::Raw(vec![0x1c])),
    ),
    breakage(("X4", Malformed), "commit_other_tag", "data with tag 43", || {
        edit(|commit| {
            let mut link = commit.at_mut("data").encode();
            link[1] = 43;
            *commit.at_mut("data") = Value::Raw(link);
        })
    }),
    breakage(("X5", Malformed), "commit_data_tagged_text", "data with tag 42 around text", || {
        edit(|commit| {
            *commit.at_mut("data") = Value::Tag(42, Box::new(Value::text("c".repeat(37))))
        })
    }),
    breakage(
        ("X5", Malformed),
        "commit_data_without_zero",
        "data without the zero before its CID",
        || {
            edit(|commit| {
                let mut link = commit.at_mut("data").encode();
                link.remove(4);
                link[3] = 36;
                *commit.at_mut("data") = Value::Raw(link);
            })
        },
    ),
    breakage(("X5", Malformed), "commit_data_empty_cid", "data with no CID after the zero", || {
        edit(|commit| *commit.at_mut("data") = Value::link_bytes(&[]))
    }),
    breakage(("X7", Malformed), "commit_key_bytes", "a field name as bytes", || {
        edit(|commit| commit.pairs_mut()[0].0 = Value::Bytes(b"did".to_vec()))
    }),
    breakage(
        ("X7", Malformed),
        "commit_unknown_key_number",
        "a field whose name is a number",
        || edit(|commit| commit.pairs_mut().insert(0, (Value::Uint(0), Value::Null))),
    ),
    breakage(
        ("X10", Malformed),
        "commit_key_not_utf8",
        "an unknown field name that is not UTF-8",
        || edit(|commit| commit.pairs_mut().insert(0, (Value::Raw(vec![0x61, 0xff]), Value::Null))),
    ),
    breakage(("X10", Malformed), "commit_did_not_utf8", "did not UTF-8", || {
        set("did", Value::Raw([&[0x69][..], b"did:plc:\xff"].concat()))
    }),
    breakage(
        ("X10", Malformed),
        "commit_unknown_not_utf8",
        "an unknown text that is not UTF-8",
        || unknown(Value::Raw(vec![0x62, 0xc3, 0x28])),
    ),
    breakage(
        ("X1", NonCanonical),
        "commit_unknown_wide",
        "an unknown number in too many bytes",
        || unknown(wide(&Value::Uint(1), 4)),
    ),
    breakage(
        ("X2", NonCanonical),
        "commit_unknown_indefinite",
        "an unknown array without a length",
        || unknown(indefinite(&Value::Array(vec![Value::Null]))),
    ),
    breakage(("X4", Malformed), "commit_unknown_tag", "an unknown value with tag 1", || {
        unknown(Value::Tag(1, Box::new(Value::Uint(1))))
    }),
    breakage(
        ("X8", NonCanonical),
        "commit_unknown_map_unsorted",
        "an unknown map out of order",
        || unknown(Value::map([("b", Value::Null), ("a", Value::Null)])),
    ),
    breakage(("X14", Malformed), "commit_unknown_undefined", "an unknown value undefined", || {
        unknown(Value::Raw(vec![0xf7]))
    }),
    breakage(("X14", Malformed), "commit_prev_undefined", "prev undefined", || {
        set("prev", Value::Raw(vec![0xf7]))
    }),
    breakage(("X14", NonCanonical), "commit_prev_wide_null", "prev null in two bytes", || {
        set("prev", Value::Raw(vec![0xf8, 22]))
    }),
    breakage(("X11", Malformed), "commit_version_float", "version as a float", || {
        set("version", Value::F64(3.0))
    }),
    breakage(("X15", Malformed), "commit_version_64_bits", "the largest number as version", || {
        set("version", Value::Uint(u64::MAX))
    }),
    breakage(
        ("X18", Limit),
        "commit_nested_deeply",
        "arrays nested 40 deep in an unknown field",
        || unknown(Value::Raw([vec![0x81; 40], vec![0]].concat())),
    ),
    breakage(
        ("X18", Limit),
        "commit_nested_very_deeply",
        "arrays nested 100,000 deep in an unknown field",
        || unknown(Value::Raw([vec![0x81; 100_000], vec![0]].concat())),
    ),
];

fn rewritten(change: impl FnOnce(Value) -> Vec<u8>) -> Case {
    repo_case(sample(), |repo| {
        repo.rewrite_commit(change);
        Some(repo.commit_cid())
    })
}

fn edit(change: impl FnOnce(&mut Value)) -> Case {
    rewritten(|mut commit| {
        change(&mut commit);
        commit.encode()
    })
}

fn set(field: &str, value: Value) -> Case {
    edit(|commit| *commit.at_mut(field) = value)
}

fn removed(field: &str) -> Case {
    edit(|commit| drop(commit.remove(field)))
}

fn twice(field: &str) -> Case {
    edit(|commit| {
        let pairs = commit.pairs_mut();
        let index = pairs
            .iter()
            .position(|(name, _)| *name == Value::text(field))
            .expect("the field is there");
        pairs.insert(index, pairs[index].clone());
    })
}

fn widened(field: &str, width: usize) -> Case {
    edit(|commit| *commit.at_mut(field) = wide(commit.at_mut(field), width))
}

fn chunked(field: &str) -> Case {
    edit(|commit| *commit.at_mut(field) = indefinite(commit.at_mut(field)))
}

/// Adds an unknown field at its canonical position.
fn unknown(value: Value) -> Case {
    edit(|commit| commit.pairs_mut().insert(0, (Value::text("x"), value)))
}

/// Sets a field to a link whose CID is changed.
fn link(field: &str, change: impl FnOnce(&mut [u8; 36])) -> Case {
    let mut cid = *Cid::dag_cbor(b"a block elsewhere").as_bytes();
    change(&mut cid);
    set(field, Value::link_bytes(&cid))
}
