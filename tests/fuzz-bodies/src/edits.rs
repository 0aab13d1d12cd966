//! Edits of a repository: of its tree, its commit and its header, without regard to any rule.

use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::{Value, indefinite, wide};
use carwalk_testkit::cid::{Cid, RAW};
use carwalk_testkit::repo::{Record, Repo};
use carwalk_testkit::tree::{Entry, Link, Node};

use crate::choices::Choices;
use crate::common::part::nth_mut;
use crate::export::any_key;

/// Makes up to four edits.
pub(crate) fn edit(repo: &mut Repo, choices: &mut Choices<'_>) {
    for _ in 0..choices.below(5) {
        match choices.below(10) {
            0 => edit_commit(repo, choices),
            1 => edit_root(repo, choices),
            _ => edit_node(repo, choices),
        }
    }
}

/// Changes, removes or adds a byte of the header in about one of eight cases.
pub(crate) fn edit_header(car: &mut Car, choices: &mut Choices<'_>) {
    if choices.below(8) == 1 {
        let mut header = car.header.clone();
        edit_bytes(&mut header, choices);
        car.set_header(header);
    }
}

/// Returns the number of nodes.
pub(crate) fn count(node: &Node) -> usize {
    1 + node.links().filter_map(Link::node).map(count).sum::<usize>()
}

/// Chooses a node of the tree.
pub(crate) fn any_node<'t>(root: &'t mut Node, choices: &mut Choices<'_>) -> &'t mut Node {
    let number = choices.below(count(root));
    nth_mut(root, number)
}

fn edit_commit(repo: &mut Repo, choices: &mut Choices<'_>) {
    let mut block = repo.commit_block();
    edit_bytes(&mut block, choices);
    repo.commit.bytes_override = Some(block);
}

fn edit_root(repo: &mut Repo, choices: &mut Choices<'_>) {
    let root = std::mem::take(&mut repo.root);
    repo.root = match choices.below(3) {
        0 => Node::pass_through(root),
        1 => root.links().find_map(Link::node).cloned().unwrap_or_default(),
        _ => root.links().filter_map(Link::node).last().cloned().unwrap_or_default(),
    };
}

fn edit_node(repo: &mut Repo, choices: &mut Choices<'_>) {
    let other = any_node(&mut repo.root, choices).clone();
    let (key, value) = (any_key(choices), Record::sample(b"com.example.test/edited"));
    let cid = repo.add_record(value);
    let node = any_node(&mut repo.root, choices);
    let place = choices.below(node.entries.len() + 1);
    match choices.below(8) {
        0 => node.entries.insert(place, Entry::new(&key, cid)),
        1 => {
            let mut bytes = node.block();
            edit_bytes(&mut bytes, choices);
            node.bytes_override = Some(bytes);
        }
        2 => edit_value(node, choices),
        3 => node.entries.reverse(),
        4 | 5 => edit_link(node, place, other, choices),
        _ => edit_entry(node, place, &key, choices),
    }
}

fn edit_entry(node: &mut Node, place: usize, key: &[u8], choices: &mut Choices<'_>) {
    if place >= node.entries.len() {
        return;
    }
    let entry = &mut node.entries[place];
    match choices.below(8) {
        0 => entry.prefix_len = Some(choices.below(40) as u64),
        1 => {
            let len = choices.below(20);
            entry.suffix = Some(choices.bytes(len).to_vec());
        }
        2 => entry.key = key.to_vec(),
        3 => drop(node.entries.remove(place)),
        4 => {
            let copy = Entry { tree: Link::None, ..entry.clone() };
            node.entries.insert(place + 1, copy);
        }
        5 => entry.value = Value::Null,
        6 => entry.value = Value::Link(Cid::raw(choices.bytes(4))),
        _ => {
            let other = choices.below(node.entries.len());
            node.entries.swap(place, other);
        }
    }
}

fn edit_link(node: &mut Node, place: usize, other: Node, choices: &mut Choices<'_>) {
    let link = node.links_mut().nth(place).expect("one more link than entries");
    let present = std::mem::take(link);
    *link = match (choices.below(9), present) {
        (0, _) => Link::None,
        (1, _) => Link::to(other),
        (2, _) => Link::to(Node::default()),
        (3, Link::Node(below)) => Link::to(Node::pass_through(*below)),
        (4, Link::Node(below)) => below.left,
        (5, Link::Node(below)) => {
            Link::Cid(Cid::new(RAW, below.cid().digest().try_into().expect("32 bytes")))
        }
        (6, _) => Link::Cid(Cid::dag_cbor(choices.bytes(4))),
        (7, _) => Link::Raw(choices.bytes(3).to_vec()),
        (_, present) => present,
    };
}

/// Encodes a part of a node differently, or removes, adds or moves a field.
fn edit_value(node: &mut Node, choices: &mut Choices<'_>) {
    let (what, entry) = (choices.below(8), choices.below(node.entries.len().max(1)));
    let field = choices.below(4);
    node.edit(|value| {
        let entries = value.at_mut("e").items_mut();
        let target = match entries.get_mut(entry) {
            Some(entry) if what < 6 => entry,
            _ => value,
        };
        let pairs = target.pairs_mut();
        let field = field % pairs.len();
        match what {
            // A raw value need not begin with a CBOR head.
            0 if !matches!(pairs[field].1, Value::Raw(_)) => {
                pairs[field].1 = wide(&pairs[field].1, 8)
            }
            0 | 1 => pairs[field].0 = wide(&pairs[field].0, 1),
            2 => drop(pairs.remove(field)),
            3 => pairs.rotate_left(field),
            4 => *target = indefinite(target),
            5 => pairs.push((Value::text("w"), Value::Null)),
            6 => pairs.reverse(),
            _ => pairs.push(pairs[field].clone()),
        }
    });
}

/// Changes, removes or adds a byte.
fn edit_bytes(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let at = choices.below(bytes.len() + 1);
    match choices.below(4) {
        0 => bytes.insert(at, choices.byte()),
        1 if at < bytes.len() => drop(bytes.remove(at)),
        _ if at < bytes.len() => bytes[at] = choices.byte(),
        _ => {}
    }
}
