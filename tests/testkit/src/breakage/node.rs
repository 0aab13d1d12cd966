//! Nodes with invalid CBOR.

use super::Fault::{Malformed, NonCanonical, Tree};
use super::{Breakage, Case, breakage, repo_case, sample, sample_keys};
use crate::cbor::{Value, indefinite, wide, with_head};

pub(super) const CASES: &[Breakage] = &[
    breakage(("X1", NonCanonical), "node_wide_map", "the map's head in two bytes", || {
        node(|node| *node = wide(node, 1))
    }),
    breakage(
        ("X1", NonCanonical),
        "node_wide_field_name",
        "a field name's head in two bytes",
        || node(|node| node.pairs_mut()[0].0 = wide(&Value::text("e"), 1)),
    ),
    breakage(("X1", NonCanonical), "node_wide_array", "the entries' head in three bytes", || {
        node(|node| *node.at_mut("e") = wide(node.at_mut("e"), 2))
    }),
    breakage(("X1", NonCanonical), "entry_wide_map", "an entry's head in two bytes", || {
        entry(|entry| *entry = wide(entry, 1))
    }),
    breakage(
        ("X1", NonCanonical),
        "entry_wide_field_name",
        "a field name's head in two bytes",
        || entry(|entry| entry.pairs_mut()[2].0 = wide(&Value::text("t"), 1)),
    ),
    breakage(("X1", NonCanonical), "entry_wide_prefix_1", "p in two bytes", || {
        first_entry(|entry| widen(entry, "p", 1))
    }),
    breakage(("X1", NonCanonical), "entry_wide_prefix_2", "p in three bytes", || {
        entry(|entry| widen(entry, "p", 2))
    }),
    breakage(("X1", NonCanonical), "entry_wide_prefix_8", "p in nine bytes", || {
        entry(|entry| widen(entry, "p", 8))
    }),
    breakage(("X1", NonCanonical), "entry_wide_suffix", "k with a head of three bytes", || {
        entry(|entry| widen(entry, "k", 2))
    }),
    breakage(
        ("X1", NonCanonical),
        "entry_wide_link",
        "the bytes of v with a head of three bytes",
        || link("v", |link| link.splice(2..4, [0x59, 0, 37]).for_each(drop)),
    ),
    breakage(("X4", NonCanonical), "entry_wide_tag", "tag 42 of v in three bytes", || {
        entry(|entry| widen(entry, "v", 2))
    }),
    breakage(("X4", NonCanonical), "node_wide_tag", "tag 42 of l in five bytes", || {
        node(|node| widen(node, "l", 4))
    }),
    breakage(("X2", NonCanonical), "node_indefinite_map", "the map without a length", || {
        node(|node| *node = indefinite(node))
    }),
    breakage(("X2", NonCanonical), "node_indefinite_array", "the entries without a length", || {
        node(|node| *node.at_mut("e") = indefinite(node.at_mut("e")))
    }),
    breakage(("X2", NonCanonical), "entry_indefinite_map", "an entry without a length", || {
        entry(|entry| *entry = indefinite(entry))
    }),
    breakage(("X2", NonCanonical), "entry_indefinite_suffix", "k in chunks", || {
        entry(|entry| *entry.at_mut("k") = indefinite(entry.at_mut("k")))
    }),
    breakage(("X2", NonCanonical), "entry_indefinite_field_name", "a field name in chunks", || {
        entry(|entry| entry.pairs_mut()[0].0 = indefinite(&Value::text("k")))
    }),
    breakage(("X2", Malformed), "node_break", "a break in place of l", || {
        node(|node| *node.at_mut("l") = Value::Raw(vec![0xff]))
    }),
    breakage(
        ("X3", Malformed),
        "entry_reserved_head",
        "p as a head of the reserved kind 28",
        || entry(|entry| *entry.at_mut("p") = Value::Raw(vec![0x1c])),
    ),
    breakage(
        ("X3", Malformed),
        "node_reserved_head",
        "the entries' head of the reserved kind 30",
        || node(|node| *node.at_mut("e") = Value::Raw(vec![0x9e])),
    ),
    breakage(("X4", Malformed), "node_other_tag", "l with tag 43", || left(|link| link[1] = 43)),
    breakage(("X4", Malformed), "entry_other_tag", "v with tag 43", || {
        link("v", |link| link[1] = 43)
    }),
    breakage(("X5", Malformed), "entry_link_without_tag", "v without its tag", || {
        link("v", |link| link.drain(..2).for_each(drop))
    }),
    breakage(("X5", Malformed), "entry_link_around_text", "v with tag 42 around text", || {
        link("v", |link| link[2] = 0x78)
    }),
    breakage(
        ("X5", Malformed),
        "entry_link_without_zero",
        "v without the zero before its CID",
        || {
            link("v", |link| {
                link.remove(4);
                link[3] = 36;
            })
        },
    ),
    breakage(
        ("X5", Malformed),
        "entry_link_other_multibase",
        "v with a one before its CID",
        || link("v", |link| link[4] = 1),
    ),
    breakage(("X5", Malformed), "entry_link_empty", "v with no CID after the zero", || {
        entry(|entry| *entry.at_mut("v") = Value::link_bytes(&[]))
    }),
    breakage(("X5", Malformed), "entry_link_no_bytes", "v with tag 42 around no bytes", || {
        entry(|entry| *entry.at_mut("v") = Value::Tag(42, Box::new(Value::Bytes(Vec::new()))))
    }),
    breakage(("X7", Malformed), "node_field_name_bytes", "a field name as bytes", || {
        node(|node| node.pairs_mut()[1].0 = Value::Bytes(b"l".to_vec()))
    }),
    breakage(("X7", Malformed), "entry_field_name_number", "a field name as a number", || {
        entry(|entry| entry.pairs_mut()[1].0 = Value::Uint(1))
    }),
    breakage(("X8", NonCanonical), "node_unsorted", "l before e", || {
        node(|node| node.pairs_mut().reverse())
    }),
    breakage(("X8", NonCanonical), "entry_unsorted", "p before k", || {
        entry(|entry| entry.pairs_mut().swap(0, 1))
    }),
    breakage(("X8", NonCanonical), "entry_reversed", "the fields backwards", || {
        entry(|entry| entry.pairs_mut().reverse())
    }),
    breakage(("X9", NonCanonical), "node_field_twice", "l twice", || {
        node(|node| {
            let left = node.pairs_mut()[1].clone();
            node.pairs_mut().push(left);
        })
    }),
    breakage(("X9", NonCanonical), "entry_field_twice", "v twice", || {
        entry(|entry| {
            let value = entry.pairs_mut()[3].clone();
            entry.pairs_mut().push(value);
        })
    }),
    breakage(
        ("X10", Malformed),
        "node_field_name_not_utf8",
        "a third field whose name is not UTF-8",
        || node(|node| node.pairs_mut().push((Value::Raw(vec![0x61, 0xff]), Value::Null))),
    ),
    breakage(("X11", Malformed), "entry_prefix_float", "p as a float", || {
        entry(|entry| {
            let Value::Uint(prefix_len) = *entry.at_mut("p") else { return };
            *entry.at_mut("p") = Value::F64(prefix_len as f64);
        })
    }),
    breakage(("X14", Malformed), "node_left_undefined", "l undefined in place of null", || {
        leaf(|node| *node.at_mut("l") = Value::Raw(vec![0xf7]))
    }),
    breakage(("X14", Malformed), "node_left_false", "l false in place of null", || {
        leaf(|node| *node.at_mut("l") = Value::Bool(false))
    }),
    breakage(("X14", NonCanonical), "node_left_wide_null", "null in two bytes", || {
        leaf(|node| *node.at_mut("l") = Value::Raw(vec![0xf8, 22]))
    }),
    breakage(("X14", Malformed), "entry_tree_undefined", "t undefined in place of null", || {
        entry(|entry| *entry.at_mut("t") = Value::Raw(vec![0xf7]))
    }),
    breakage(("X15", Malformed), "entry_prefix_negative", "p negative", || {
        entry(|entry| *entry.at_mut("p") = Value::Int(-1))
    }),
    breakage(("N3", Tree), "entry_prefix_64_bits", "p the largest number of 64 bits", || {
        entry(|entry| *entry.at_mut("p") = Value::Uint(u64::MAX))
    }),
    breakage(("X16", Malformed), "node_trailing_byte", "a byte after the map", || {
        rewritten(|node| [node.encode(), vec![0]].concat())
    }),
    breakage(("X16", Malformed), "node_twice", "the map twice", || {
        rewritten(|node| node.encode().repeat(2))
    }),
    breakage(("X17", Malformed), "node_cut", "the block without its last byte", || {
        rewritten(|node| {
            let block = node.encode();
            block[..block.len() - 1].to_vec()
        })
    }),
    breakage(("X17", Malformed), "node_cut_in_half", "the first half of the block", || {
        rewritten(|node| {
            let block = node.encode();
            block[..block.len() / 2].to_vec()
        })
    }),
    breakage(("X17", Malformed), "node_empty_block", "a block of no bytes", || {
        rewritten(|_| Vec::new())
    }),
    breakage(
        ("X17", Malformed),
        "node_counts_more_entries",
        "an entry fewer than the array counts",
        || node(|node| *node.at_mut("e") = with_head(node.at_mut("e"), &[0x83])),
    ),
    breakage(
        ("X17", Malformed),
        "node_counts_huge",
        "entries counted by the largest number of 64 bits",
        || {
            node(|node| {
                *node.at_mut("e") =
                    with_head(node.at_mut("e"), &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255])
            })
        },
    ),
    breakage(
        ("X17", Malformed),
        "entry_suffix_huge",
        "k with the largest length of 64 bits",
        || {
            entry(|entry| {
                *entry.at_mut("k") =
                    with_head(entry.at_mut("k"), &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255])
            })
        },
    ),
    breakage(
        ("X16", Malformed),
        "node_counts_fewer_entries",
        "an entry more than the array counts",
        || node(|node| *node.at_mut("e") = with_head(node.at_mut("e"), &[0x81])),
    ),
];

/// Rewrites the root: two entries, and links on the left and after the first.
fn rewritten(change: impl FnOnce(Value) -> Vec<u8>) -> Case {
    repo_case(sample(), |repo| {
        repo.root.rewrite(change);
        Some(repo.root.cid())
    })
}

/// Changes the root.
fn node(change: impl FnOnce(&mut Value)) -> Case {
    rewritten(|mut node| {
        change(&mut node);
        node.encode()
    })
}

/// Changes the second entry of a node below the empty nodes: its p is not 0 and its t is null.
fn entry(change: impl FnOnce(&mut Value)) -> Case {
    leaf(|node| change(&mut node.at_mut("e").items_mut()[1]))
}

fn first_entry(change: impl FnOnce(&mut Value)) -> Case {
    leaf(|node| change(&mut node.at_mut("e").items_mut()[0]))
}

/// Changes a node at the bottom.
fn leaf(change: impl FnOnce(&mut Value)) -> Case {
    repo_case(sample(), |repo| {
        let node = repo.root.with_key(&sample_keys()[7]);
        node.edit(change);
        Some(node.cid())
    })
}

fn left(change: impl FnOnce(&mut Vec<u8>)) -> Case {
    node(|node| change_bytes(node.at_mut("l"), change))
}

fn link(field: &str, change: impl FnOnce(&mut Vec<u8>)) -> Case {
    entry(|entry| change_bytes(entry.at_mut(field), change))
}

fn change_bytes(value: &mut Value, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = value.encode();
    change(&mut bytes);
    *value = Value::Raw(bytes);
}

fn widen(map: &mut Value, field: &str, width: usize) {
    *map.at_mut(field) = wide(map.at_mut(field), width);
}
