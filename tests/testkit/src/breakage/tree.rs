//! Trees of valid nodes that are not Merkle Search Trees, and keys that are not repo paths.

use super::Fault::{Limit, Path, Tree};
use super::{Breakage, Case, breakage, repo_case, sample, sample_keys};
use crate::cid::Cid;
use crate::key;
use crate::repo::{Record, Repo};
use crate::tree::{Entry, Link, Node};

pub(super) const CASES: &[Breakage] = &[
    breakage(("N2", Tree), "first_prefix_not_zero", "the first entry of a node with p = 1", || {
        tree(|repo, keys| {
            let node = repo.root.with_key(&keys[6]);
            node.entries[0].prefix_len = Some(1);
            Some(node.cid())
        })
    }),
    breakage(
        ("N2", Tree),
        "first_prefix_of_parent",
        "the first entry shortened by what the parent's key gives",
        || {
            tree(|repo, keys| {
                let node = repo.root.with_key(&keys[3]);
                node.entries[0].prefix_len = Some(key::PREFIX.len() as u64);
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N3", Tree),
        "prefix_longer_than_key",
        "p one more than the key before has bytes",
        || {
            tree(|repo, keys| {
                let node = repo.root.with_key(&keys[7]);
                node.entries[1].prefix_len = Some(keys[6].len() as u64 + 1);
                node.entries[1].suffix = Some(b"0".to_vec());
                Some(node.cid())
            })
        },
    ),
    breakage(("N4", Tree), "prefix_not_maximal", "p one less than the keys share", || {
        tree(|repo, keys| {
            let node = repo.root.with_key(&keys[7]);
            node.entries[1].prefix_len = Some(shared(&keys[6], &keys[7]) - 1);
            Some(node.cid())
        })
    }),
    breakage(("N4", Tree), "prefix_zero", "whole keys without prefixes", || {
        tree(|repo, keys| {
            let node = repo.root.with_key(&keys[1]);
            node.entries[1].prefix_len = Some(0);
            Some(node.cid())
        })
    }),
    breakage(("N5", Tree), "keys_unsorted", "the two entries of a node exchanged", || {
        tree(|repo, keys| {
            let node = repo.root.with_key(&keys[1]);
            node.entries.reverse();
            Some(node.cid())
        })
    }),
    breakage(("N5", Tree), "keys_unsorted_in_root", "the two keys of the root exchanged", || {
        tree(|repo, _| {
            let [first, second] = &mut repo.root.entries[..] else {
                panic!("the root has two entries")
            };
            std::mem::swap(&mut first.key, &mut second.key);
            Some(repo.root.cid())
        })
    }),
    breakage(("N6", Tree), "key_twice", "an entry twice in a node", || {
        tree(|repo, keys| {
            let node = repo.root.with_key(&keys[7]);
            node.entries.push(node.entries[1].clone());
            Some(node.cid())
        })
    }),
    breakage(
        ("N6", Tree),
        "key_twice_with_another_record",
        "a key twice in a node, for two records",
        || {
            tree(|repo, keys| {
                let other = repo.add_record(Record::sample(b"com.example.test/other"));
                let node = repo.root.with_key(&keys[7]);
                node.entries.push(Entry::new(&keys[7], other));
                Some(node.cid())
            })
        },
    ),
    breakage(("N7", Tree), "key_layer_too_low", "a key of layer 0 in a node of layer 1", || {
        tree(|repo, keys| {
            let entry = new_entry(repo, key::between(&keys[2], &keys[3], 0));
            let node = repo.root.with_key(&keys[2]);
            node.entries.push(entry);
            node.entries[1].tree = std::mem::take(&mut node.entries[0].tree);
            Some(node.cid())
        })
    }),
    breakage(("N7", Tree), "key_layer_too_high", "a key of layer 1 in a node of layer 0", || {
        tree(|repo, keys| {
            let entry = new_entry(repo, key::above(&keys[7], 1));
            let node = repo.root.with_key(&keys[7]);
            node.entries.push(entry);
            Some(node.cid())
        })
    }),
    breakage(("N7", Tree), "key_layer_in_root", "a key of layer 2 in a root of layer 3", || {
        tree(|repo, keys| {
            let entry = new_entry(repo, key::above(&keys[10], 2));
            repo.root.entries.push(entry);
            Some(repo.root.cid())
        })
    }),
    breakage(
        ("N7", Tree),
        "first_key_layer_in_root",
        "a key of layer 2 before those of a root of layer 3",
        || {
            tree(|repo, keys| {
                let mut entry = new_entry(repo, key::between(&keys[4], &keys[5], 2));
                entry.tree = Link::None;
                repo.root.entries.insert(0, entry);
                Some(repo.root.cid())
            })
        },
    ),
    breakage(("N7", Tree), "flat_tree", "all keys in one node", || {
        tree(|repo, _| {
            let entries =
                repo.entries().into_iter().map(|(key, value)| Entry::new(&key, value)).collect();
            repo.root = Node::leaf(entries);
            Some(repo.root.cid())
        })
    }),
    breakage(
        ("N8", Tree),
        "subtree_key_below_bound",
        "a key before the one that its subtree follows",
        || {
            tree(|repo, keys| {
                let entry = new_entry(repo, key::between(&keys[1], &keys[2], 0));
                let node = repo.root.with_key(&keys[3]);
                node.entries.insert(0, entry);
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N8", Tree),
        "subtree_key_above_bound",
        "a key after the one that its subtree precedes",
        || {
            tree(|repo, keys| {
                let entry = new_entry(repo, key::between(&keys[2], &keys[3], 0));
                let node = repo.root.with_key(&keys[1]);
                node.entries.push(entry);
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N8", Tree),
        "subtree_key_above_bound_of_ancestor",
        "a key after one that only the grandparent has",
        || {
            tree(|repo, keys| {
                let entry = new_entry(repo, key::between(&keys[4], &keys[5], 0));
                let node = repo.root.with_key(&keys[3]);
                node.entries.push(entry);
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N8", Tree),
        "subtree_key_below_bound_of_ancestor",
        "a key before one that is three nodes up",
        || {
            tree(|repo, keys| {
                let entry = new_entry(repo, key::between(&keys[4], &keys[5], 0));
                let node = repo.root.with_key(&keys[6]);
                node.entries.insert(0, entry);
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N8", Tree),
        "subtree_key_is_parent_key",
        "the parent's key again, first in the subtree after it",
        || {
            tree(|repo, keys| {
                let entry = copied_entry(repo, &keys[2]);
                let node = repo.root.with_key(&keys[3]);
                node.entries.insert(0, entry);
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N8", Tree),
        "subtree_key_is_next_parent_key",
        "the parent's key again, last in the subtree before it",
        || {
            tree(|repo, keys| {
                let entry = copied_entry(repo, &keys[2]);
                let node = repo.root.with_key(&keys[1]);
                node.entries.push(entry);
                Some(node.cid())
            })
        },
    ),
    breakage(("N8", Tree), "subtrees_exchanged", "the subtrees of two links exchanged", || {
        tree(|repo, keys| {
            let node = repo.root.with_key(&keys[2]);
            std::mem::swap(&mut node.left, &mut node.entries[0].tree);
            let leaf = repo.root.with_key(&keys[3]);
            Some(leaf.cid())
        })
    }),
    breakage(
        ("N9", Tree),
        "empty_node_left_out",
        "one of two empty nodes between layer 3 and layer 0 left out",
        || {
            tree(|repo, _| {
                let tree = &mut repo.root.entries[0].tree;
                *tree = Link::to(tree.take_node().left.take_node());
                None
            })
        },
    ),
    breakage(
        ("N9", Tree),
        "empty_nodes_left_out",
        "a node of layer 0 directly below one of layer 3",
        || {
            tree(|repo, keys| {
                let leaf = repo.root.with_key(&keys[7]).clone();
                repo.root.entries[0].tree = Link::to(leaf.clone());
                Some(leaf.cid())
            })
        },
    ),
    breakage(
        ("N9", Tree),
        "empty_node_too_many",
        "three empty nodes between layer 3 and layer 0",
        || {
            tree(|repo, _| {
                let tree = &mut repo.root.entries[0].tree;
                *tree = Link::to(Node::pass_through(tree.take_node()));
                None
            })
        },
    ),
    breakage(
        ("N9", Tree),
        "child_of_same_layer",
        "a key of layer 3 in a node below the root of layer 3",
        || {
            tree(|repo, keys| {
                let entry = new_entry(repo, key::above(&keys[8], 3));
                let child = Node { entries: vec![entry], left: Link::None, bytes_override: None };
                repo.root.entries[1].tree = Link::to(child.clone());
                Some(child.cid())
            })
        },
    ),
    breakage(
        ("N9", Tree),
        "child_of_higher_layer",
        "a key of layer 4 in a node below the root of layer 3",
        || {
            tree(|repo, keys| {
                let entry = new_entry(repo, key::above(&keys[8], 4));
                let child = Node::leaf(vec![entry]);
                repo.root.entries[1].tree = Link::to(child.clone());
                Some(child.cid())
            })
        },
    ),
    breakage(("N10", Tree), "link_at_layer_0", "a subtree below a node of layer 0", || {
        tree(|repo, keys| {
            let entry = new_entry(repo, key::above(&keys[3], 0));
            let node = repo.root.with_key(&keys[3]);
            node.entries[0].tree = Link::to(Node::leaf(vec![entry]));
            Some(node.cid())
        })
    }),
    breakage(
        ("N10", Tree),
        "left_link_at_layer_0",
        "a subtree on the left of a node of layer 0",
        || {
            tree(|repo, keys| {
                let entry = new_entry(repo, key::below(&keys[0], 0));
                let node = repo.root.with_key(&keys[0]);
                node.left = Link::to(Node::leaf(vec![entry]));
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N10", Tree),
        "absent_link_at_layer_0",
        "a link at layer 0 to a block that is absent",
        || {
            tree(|repo, keys| {
                let node = repo.root.with_key(&keys[3]);
                node.entries[0].tree = Link::Cid(Cid::dag_cbor(b"nowhere"));
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N11", Tree),
        "empty_leaf",
        "a node without entries and links in place of null",
        || {
            tree(|repo, keys| {
                repo.root.with_key(&keys[10]).entries[0].tree = Link::to(Node::default());
                Some(Node::default().cid())
            })
        },
    ),
    breakage(("N11", Tree), "empty_leaf_on_the_left", "the same on the left", || {
        tree(|repo, keys| {
            repo.root.with_key(&keys[9]).left = Link::to(Node::default());
            Some(Node::default().cid())
        })
    }),
    breakage(
        ("N11", Tree),
        "empty_chain",
        "empty nodes down to layer 0 that lead to nothing",
        || {
            tree(|repo, keys| {
                let chain = Node::pass_through(Node::default());
                repo.root.with_key(&keys[9]).left = Link::to(chain);
                Some(Node::default().cid())
            })
        },
    ),
    breakage(("N12", Tree), "root_passes_through", "a root without entries above the root", || {
        tree(|repo, _| {
            repo.root = Node::pass_through(std::mem::take(&mut repo.root));
            Some(repo.root.cid())
        })
    }),
    breakage(
        ("N12", Tree),
        "root_passes_through_twice",
        "two roots without entries above the root",
        || {
            tree(|repo, _| {
                repo.root = Node::pass_through(Node::pass_through(std::mem::take(&mut repo.root)));
                Some(repo.root.cid())
            })
        },
    ),
    breakage(
        ("N12", Tree),
        "empty_root_passes_through",
        "a root without entries above that of an empty repository",
        || {
            repo_case(Repo::new([]), |repo| {
                repo.root = Node::pass_through(std::mem::take(&mut repo.root));
                Some(repo.root.cid())
            })
        },
    ),
    breakage(("N16", Tree), "node_linked_twice", "two links of a node to the same node", || {
        tree(|repo, keys| {
            let node = repo.root.with_key(&keys[2]);
            node.left = node.entries[0].tree.clone();
            node.left.node().map(Node::cid)
        })
    }),
    breakage(
        ("N16", Tree),
        "subtree_linked_twice",
        "a subtree linked again beyond its bounds",
        || {
            tree(|repo, keys| {
                let node = repo.root.with_key(&keys[4]);
                node.entries[0].tree = node.left.clone();
                node.left.node().map(Node::cid)
            })
        },
    ),
    breakage(
        ("N17", Tree),
        "empty_nodes_without_end",
        "200 empty nodes below one another, more than there are layers",
        || {
            tree(|repo, _| {
                let tree = &mut repo.root.entries[0].tree;
                let chain = (0..200).fold(tree.take_node(), |node, _| Node::pass_through(node));
                *tree = Link::to(chain);
                None
            })
        },
    ),
    breakage(
        ("N17", Tree),
        "nodes_below_layer_0",
        "10,000 blocks of empty nodes below layer 0",
        || {
            tree(|repo, keys| {
                let mut cid = Cid::dag_cbor(b"nowhere");
                for _ in 0..10_000 {
                    let node = Node { left: Link::Cid(cid), ..Node::default() };
                    cid = node.cid();
                    repo.extra.push((cid, node.block()));
                }
                let node = repo.root.with_key(&keys[3]);
                node.entries[0].tree = Link::Cid(cid);
                Some(node.cid())
            })
        },
    ),
    breakage(
        ("N17", Tree),
        "doubling_links",
        "130 nodes each linked twice: a walk of 2 to the power of 130 steps",
        || {
            tree(|repo, keys| {
                let mut cid = Cid::dag_cbor(b"nowhere");
                let value = repo.entries()[0].1;
                for _ in 0..130 {
                    let mut entry = Entry::new(&keys[6], value);
                    entry.tree = Link::Cid(cid);
                    let node =
                        Node { left: Link::Cid(cid), entries: vec![entry], bytes_override: None };
                    cid = node.cid();
                    repo.extra.push((cid, node.block()));
                }
                repo.root.entries[0].tree = Link::Cid(cid);
                None
            })
        },
    ),
    breakage(("N15", Tree), "key_empty", "an entry of the empty key", || with_key(b"")),
    breakage(("N15", Limit), "key_of_1025_bytes", "a key of 1,025 bytes", || {
        let long =
            |len: usize| [key::PREFIX.as_bytes(), &vec![b'a'; len - key::PREFIX.len()]].concat();
        let valid = Repo::sample(sample_keys().into_iter().chain([long(1024)]));
        let broken = Repo::sample(sample_keys().into_iter().chain([long(1025)]));
        repo_case(valid, |repo| {
            *repo = broken;
            None
        })
    }),
    breakage(("P1", Path), "path_without_slash", "a key without a slash", || {
        with_key(b"com.example.test")
    }),
    breakage(("P1", Path), "path_without_collection", "nothing before the slash", || {
        with_key(b"/3l4zyhoqkbk2c")
    }),
    breakage(("P1", Path), "path_without_record_key", "nothing after the slash", || {
        with_key(b"com.example.test/")
    }),
    breakage(("P1", Path), "path_of_three_parts", "two slashes", || {
        with_key(b"com.example.test/a/b")
    }),
    breakage(("P2", Path), "path_record_key_dot", "a dot as record key", || {
        with_key(b"com.example.test/.")
    }),
    breakage(("P2", Path), "path_record_key_dots", "two dots as record key", || {
        with_key(b"com.example.test/..")
    }),
    breakage(("P2", Path), "path_with_space", "a space in the record key", || {
        with_key(b"com.example.test/a b")
    }),
    breakage(("P2", Path), "path_with_at", "an at sign in the record key", || {
        with_key(b"com.example.test/@a")
    }),
    breakage(("P2", Path), "path_with_nul", "a zero byte in the record key", || {
        with_key(b"com.example.test/a\0")
    }),
    breakage(("P2", Path), "path_not_ascii", "a letter beyond ASCII in the record key", || {
        with_key(b"com.example.test/\xc3\xa9")
    }),
    breakage(("P2", Path), "path_not_utf8", "a record key that is not UTF-8", || {
        with_key(b"com.example.test/\xff\xfe")
    }),
];

fn tree(change: impl FnOnce(&mut Repo, &[Vec<u8>]) -> Option<Cid>) -> Case {
    let keys = sample_keys();
    repo_case(sample(), |repo| change(repo, &keys))
}

/// A valid tree with one more key.
fn with_key(key: &[u8]) -> Case {
    let broken = Repo::sample(sample_keys().into_iter().chain([key.to_vec()]));
    repo_case(sample(), |repo| {
        *repo = broken;
        None
    })
}

fn new_entry(repo: &mut Repo, key: Vec<u8>) -> Entry {
    let value = repo.add_record(Record::sample(&key));
    Entry::new(&key, value)
}

fn copied_entry(repo: &mut Repo, key: &[u8]) -> Entry {
    let entry = repo.root.entry_mut(key).clone();
    Entry { tree: Link::None, ..entry }
}

fn shared(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).take_while(|(a, b)| a == b).count() as u64
}
