//! Nodes with wrong fields, and links with wrong targets.

use super::Fault::{Malformed, NonCanonical};
use super::{Breakage, Case, breakage, repo_case, sample, sample_keys};
use crate::cbor::Value;
use crate::cid::{Cid, RAW};
use crate::tree::Link;

pub(super) const CASES: &[Breakage] = &[
    breakage(("N1", Malformed), "node_without_left", "no l where it should be null", || {
        node(|node| drop(node.remove("l")))
    }),
    breakage(("N1", Malformed), "node_without_entries", "no e where it should be empty", || {
        pass_through(|node| drop(node.remove("e")))
    }),
    breakage(("N1", Malformed), "entry_without_tree", "no t where it should be null", || {
        entry(|entry| drop(entry.remove("t")))
    }),
    breakage(("N1", Malformed), "entry_without_prefix", "no p where it should be 0", || {
        first_entry(|entry| drop(entry.remove("p")))
    }),
    breakage(("N1", Malformed), "entry_without_suffix", "no k", || {
        entry(|entry| drop(entry.remove("k")))
    }),
    breakage(("N1", Malformed), "entry_without_value", "no v", || {
        entry(|entry| drop(entry.remove("v")))
    }),
    breakage(
        ("N1", Malformed),
        "node_extra_field",
        "an unknown field in its canonical place",
        || node(|node| node.pairs_mut().push((Value::text("x"), Value::Null))),
    ),
    breakage(
        ("N1", Malformed),
        "entry_extra_field",
        "an unknown field in its canonical place",
        || entry(|entry| entry.pairs_mut().push((Value::text("x"), Value::Null))),
    ),
    breakage(("N1", Malformed), "node_is_array", "an array of the two values", || {
        node(|node| *node = Value::Array(node.pairs_mut().drain(..).map(|pair| pair.1).collect()))
    }),
    breakage(("N1", Malformed), "node_is_null", "null in place of the map", || {
        node(|node| *node = Value::Null)
    }),
    breakage(("N1", Malformed), "node_is_empty_map", "a map without fields", || {
        node(|node| node.pairs_mut().clear())
    }),
    breakage(("N1", Malformed), "node_is_record", "a record in the node's place", || {
        node(|node| {
            *node = Value::map([
                ("text", Value::text("hello")),
                ("$type", Value::text("com.example.test")),
            ])
        })
    }),
    breakage(("N1", Malformed), "node_entries_null", "e null where it should be empty", || {
        pass_through(|node| *node.at_mut("e") = Value::Null)
    }),
    breakage(("N1", Malformed), "node_entries_map", "e as an empty map", || {
        pass_through(|node| *node.at_mut("e") = Value::Map(Vec::new()))
    }),
    breakage(("N1", Malformed), "entry_is_array", "an entry as an array of its values", || {
        entry(|entry| {
            *entry = Value::Array(entry.pairs_mut().drain(..).map(|pair| pair.1).collect())
        })
    }),
    breakage(("N1", Malformed), "entry_is_null", "null in place of an entry", || {
        entry(|entry| *entry = Value::Null)
    }),
    breakage(("N1", Malformed), "entry_suffix_text", "k as text", || {
        entry(|entry| {
            let Value::Bytes(suffix) = entry.at_mut("k").clone() else { return };
            *entry.at_mut("k") = Value::text(String::from_utf8_lossy(&suffix));
        })
    }),
    breakage(("N1", Malformed), "entry_suffix_null", "k null", || {
        entry(|entry| *entry.at_mut("k") = Value::Null)
    }),
    breakage(("N1", Malformed), "entry_prefix_text", "p as text", || {
        entry(|entry| *entry.at_mut("p") = Value::text("1"))
    }),
    breakage(("N1", Malformed), "entry_prefix_null", "p null where it should be 0", || {
        first_entry(|entry| *entry.at_mut("p") = Value::Null)
    }),
    breakage(("N1", Malformed), "entry_value_null", "v null", || {
        entry(|entry| *entry.at_mut("v") = Value::Null)
    }),
    breakage(
        ("N13", Malformed),
        "left_raw_codec",
        "l with the codec of raw bytes, its block under the same CID",
        || {
            repo_case(sample(), |repo| {
                let node = repo.root.left.take_node();
                repo.extra.extend(node.blocks());
                repo.extra.push((Cid::raw(&node.block()), node.block()));
                repo.root.left = Link::Cid(Cid::raw(&node.block()));
                keep_records(repo);
                Some(repo.root.cid())
            })
        },
    ),
    breakage(
        ("N13", Malformed),
        "tree_raw_codec",
        "t with the codec of raw bytes, its block under the same CID",
        || {
            repo_case(sample(), |repo| {
                let tree = &mut repo.root.entries[0].tree;
                let node = tree.take_node();
                *tree = Link::Cid(Cid::raw(&node.block()));
                repo.extra.extend(node.blocks());
                repo.extra.push((Cid::raw(&node.block()), node.block()));
                keep_records(repo);
                Some(repo.root.cid())
            })
        },
    ),
    breakage(("X6", Malformed), "left_codec", "l with the codec dag-pb", || {
        left(|cid| cid[1] = 0x70)
    }),
    breakage(("X6", Malformed), "left_hash", "l with the code of BLAKE3", || {
        left(|cid| cid[2] = 0x1e)
    }),
    breakage(("X6", Malformed), "left_cid_v0", "l in the form of CIDv0", || {
        left(|cid| cid.drain(..2).for_each(drop))
    }),
    breakage(("X6", Malformed), "left_digest_cut", "l with a digest of 31 bytes", || {
        left(|cid| {
            cid.pop();
            cid[3] = 31;
        })
    }),
    breakage(("X6", Malformed), "left_cid_trailing", "l with a byte after the digest", || {
        left(|cid| cid.push(0))
    }),
    breakage(("N13", Malformed), "left_text", "l as text", || {
        node(|node| *node.at_mut("l") = Value::text(Cid::dag_cbor(b"").to_string()))
    }),
    breakage(("N13", Malformed), "tree_number", "t as a number", || {
        entry(|entry| *entry.at_mut("t") = Value::Uint(0))
    }),
    breakage(("N14", Malformed), "value_codec", "v with the codec dag-pb", || {
        value(|cid| cid[1] = 0x70)
    }),
    breakage(("N14", Malformed), "value_hash", "v with the code of BLAKE3", || {
        value(|cid| cid[2] = 0x1e)
    }),
    breakage(("N14", Malformed), "value_version", "v of CID version 2", || value(|cid| cid[0] = 2)),
    breakage(("N14", Malformed), "value_cid_v0", "v in the form of CIDv0", || {
        value(|cid| cid.drain(..2).for_each(drop))
    }),
    breakage(("N14", Malformed), "value_identity", "v is the record itself", || {
        value(|cid| *cid = vec![1, 0x71, 0, 1, 0xa0])
    }),
    breakage(("N14", NonCanonical), "value_cid_padded", "v with a padded varint in it", || {
        value(|cid| cid.splice(..1, [0x81, 0]).for_each(drop))
    }),
];

/// Removing nodes from the tree also removes their entries. Their records must stay in the CAR.
fn keep_records(repo: &mut crate::repo::Repo) {
    repo.extra.extend(repo.records.values().map(|record| (record.cid, record.bytes.clone())));
}

fn edit(key: usize, change: impl FnOnce(&mut Value)) -> Case {
    repo_case(sample(), |repo| {
        let node = repo.root.with_key(&sample_keys()[key]);
        node.edit(change);
        Some(node.cid())
    })
}

/// Changes a node at the bottom with two entries.
fn node(change: impl FnOnce(&mut Value)) -> Case {
    edit(7, change)
}

fn entry(change: impl FnOnce(&mut Value)) -> Case {
    node(|node| change(&mut node.at_mut("e").items_mut()[1]))
}

fn first_entry(change: impl FnOnce(&mut Value)) -> Case {
    node(|node| change(&mut node.at_mut("e").items_mut()[0]))
}

/// Changes a node without entries.
fn pass_through(change: impl FnOnce(&mut Value)) -> Case {
    repo_case(sample(), |repo| {
        let node =
            repo.root.entries[0].tree.node_mut().expect("the sample has an empty node there");
        node.edit(change);
        Some(node.cid())
    })
}

/// Changes the CID of the link on the left of an inner node.
fn left(change: impl FnOnce(&mut Vec<u8>)) -> Case {
    edit(4, |node| change_cid(node.at_mut("l"), change))
}

/// Changes the CID of a record.
fn value(change: impl FnOnce(&mut Vec<u8>)) -> Case {
    entry(|entry| change_cid(entry.at_mut("v"), change))
}

fn change_cid(link: &mut Value, change: impl FnOnce(&mut Vec<u8>)) {
    let Value::Link(cid) = link else { panic!("not a link: {link:?}") };
    debug_assert_ne!(cid.codec(), RAW);
    let mut cid = cid.as_bytes().to_vec();
    change(&mut cid);
    *link = Value::link_bytes(&cid);
}
