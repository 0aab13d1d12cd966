//! Ways to break one rule of a valid repository, at a place that the fuzzer chooses.
//!
//! The testkit's breakages change one sample. These change any tree, and return `None` if it has no
//! suitable place.

use carwalk::ErrorKind;
use carwalk::error::{LimitName, Malformed, NonCanonical, TreeRule};
use carwalk_testkit::cbor::{Value, indefinite, wide};
use carwalk_testkit::cid::{Cid, RAW};
use carwalk_testkit::key;
use carwalk_testkit::repo::{Record, Repo};
use carwalk_testkit::tree::{Entry, Link, Node};

use crate::choices::Choices;
use crate::common::part::{Plain, PlainTree, nth_mut};
use crate::export::pool;

/// A way to break a rule of the commit or the tree.
pub(crate) struct Break {
    pub(crate) name: &'static str,
    pub(crate) apply: fn(&mut Repo, &mut Choices<'_>) -> Option<()>,
    /// Whether an error is of the kind that this break must cause.
    pub(crate) fits: fn(&ErrorKind) -> bool,
}

macro_rules! breaks {
    ($($name:ident => $kind:pat,)*) => {
        &[$(Break { name: stringify!($name), apply: $name, fits: |kind| matches!(kind, $kind) }),*]
    };
}

/// All ways to break a rule of the commit or the tree.
pub(crate) const BREAKS: &[Break] = breaks! {
    field_lost => ErrorKind::Malformed(Malformed::FieldCount { .. }),
    field_added => ErrorKind::Malformed(Malformed::FieldCount { .. }),
    fields_moved => ErrorKind::Malformed(Malformed::FieldExpected { .. }),
    value_wide => ErrorKind::NonCanonical(NonCanonical::IntegerPadded),
    map_wide => ErrorKind::NonCanonical(NonCanonical::IntegerPadded),
    map_indefinite => ErrorKind::Malformed(Malformed::CborIndefinite { .. }),
    value_of_other_type => ErrorKind::Malformed(Malformed::CborType { .. }),
    node_with_more_bytes => ErrorKind::Malformed(Malformed::Trailing { .. }),
    node_cut => ErrorKind::Malformed(Malformed::CborEnd { .. }),
    first_prefix => ErrorKind::Tree(TreeRule::FirstPrefix { .. }),
    prefix_too_long => ErrorKind::Tree(TreeRule::PrefixTooLong { .. }),
    prefix_too_short => ErrorKind::Tree(TreeRule::PrefixNotMaximal { .. }),
    keys_exchanged => ErrorKind::Tree(TreeRule::KeyOrder { .. }),
    key_repeated => ErrorKind::Tree(TreeRule::DuplicateKey { .. }),
    key_of_other_layer => ErrorKind::Tree(TreeRule::KeyLayer { .. } | TreeRule::ChildLayer { .. }),
    key_outside => ErrorKind::Tree(TreeRule::KeyOutside { .. }),
    key_empty => ErrorKind::Tree(TreeRule::EmptyKey { .. }),
    key_too_long => ErrorKind::Limit { limit: LimitName::KeyLen, .. },
    empty_node_left_out => ErrorKind::Tree(TreeRule::ChildLayer { .. }),
    empty_node_too_many => ErrorKind::Tree(TreeRule::ChildLayer { .. } | TreeRule::LinkBelowLayer0),
    link_at_layer_0 => ErrorKind::Tree(TreeRule::LinkBelowLayer0),
    empty_leaf => ErrorKind::Tree(TreeRule::EmptyNode),
    root_passes_through => ErrorKind::Tree(TreeRule::RootWithoutEntry),
    subtree_linked_twice => ErrorKind::Tree(TreeRule::KeyOutside { .. }),
    link_of_raw_codec => ErrorKind::Malformed(Malformed::CidCodec { found: RAW, .. }),
    node_lost => ErrorKind::Missing { interval: Some(_) },
    record_lost => ErrorKind::Missing { interval: None },
    key_that_is_no_path => ErrorKind::Path(_),
    commit_field_lost =>
        ErrorKind::Malformed(Malformed::FieldMissing(_) | Malformed::LegacyCommit(_)),
    commit_field_repeated => ErrorKind::NonCanonical(NonCanonical::MapDuplicate),
    commit_fields_moved => ErrorKind::NonCanonical(NonCanonical::MapOrder),
    commit_field_null => ErrorKind::Malformed(Malformed::CborType { .. }),
    commit_value_wide => ErrorKind::NonCanonical(NonCanonical::IntegerPadded),
    commit_cut => ErrorKind::Malformed(Malformed::CborEnd { .. }),
};

/// Chooses a node that passes `test`, and returns its number.
fn number(
    repo: &Repo,
    choices: &mut Choices<'_>,
    test: impl Fn(usize, &Plain) -> bool,
) -> Option<usize> {
    let tree = PlainTree::of(&repo.root);
    let numbers: Vec<usize> =
        (0..tree.0.len()).filter(|&number| test(number, &tree.0[number])).collect();
    if numbers.is_empty() { None } else { Some(*choices.pick(&numbers)) }
}

/// Chooses a node that passes `test`.
fn node<'r>(
    repo: &'r mut Repo,
    choices: &mut Choices<'_>,
    test: impl Fn(usize, &Plain) -> bool,
) -> Option<&'r mut Node> {
    let number = number(repo, choices, test)?;
    Some(nth_mut(&mut repo.root, number))
}

/// Changes the map of any node or entry. `change` gets the map and the number of a field.
fn edit_map(
    repo: &mut Repo,
    choices: &mut Choices<'_>,
    change: impl FnOnce(&mut Value, usize),
) -> Option<()> {
    let node = node(repo, choices, |_, _| true)?;
    let (entry, field) = (choices.below(node.entries.len() + 1), choices.below(4));
    node.edit(|value| match value.at_mut("e").items_mut().get_mut(entry) {
        Some(entry) => change(entry, field),
        None => change(value, field % 2),
    });
    Some(())
}

fn field_lost(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_map(repo, choices, |map, field| drop(map.pairs_mut().remove(field)))
}

fn field_added(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_map(repo, choices, |map, _| map.pairs_mut().push((Value::text("w"), Value::Null)))
}

fn fields_moved(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_map(repo, choices, |map, field| {
        let len = map.pairs_mut().len();
        map.pairs_mut().rotate_left(1 + field % (len - 1));
    })
}

fn value_wide(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_map(repo, choices, |map, field| {
        let pair = &mut map.pairs_mut()[field];
        // A null in eight bytes would be a float.
        if pair.1 == Value::Null { pair.0 = wide(&pair.0, 2) } else { pair.1 = wide(&pair.1, 8) }
    })
}

fn map_wide(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_map(repo, choices, |map, _| *map = wide(map, 1))
}

fn map_indefinite(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_map(repo, choices, |map, _| *map = indefinite(map))
}

fn value_of_other_type(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let other = choices
        .pick(&[Value::Bool(true), Value::text("x"), Value::Int(-1), Value::Map(Vec::new())])
        .clone();
    edit_map(repo, choices, |map, field| map.pairs_mut()[field].1 = other)
}

fn node_with_more_bytes(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let node = node(repo, choices, |_, _| true)?;
    node.rewrite(|value| [&value.encode(), choices.bytes(9), &[0]].concat());
    Some(())
}

fn node_cut(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let node = node(repo, choices, |_, _| true)?;
    let mut block = node.block();
    block.truncate(choices.below(block.len()));
    node.bytes_override = Some(block);
    Some(())
}

fn first_prefix(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let node = node(repo, choices, |_, plain| !plain.entries.is_empty())?;
    node.entries[0].prefix_len = Some(1 + choices.below(300) as u64);
    Some(())
}

/// Chooses an entry that is not the first of its node. Returns the node and the place of the entry.
fn second_entry<'r>(
    repo: &'r mut Repo,
    choices: &mut Choices<'_>,
) -> Option<(&'r mut Node, usize)> {
    let node = node(repo, choices, |_, plain| plain.entries.len() > 1)?;
    let place = 1 + choices.below(node.entries.len() - 1);
    Some((node, place))
}

fn prefix_too_long(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let (node, place) = second_entry(repo, choices)?;
    let previous = node.entries[place - 1].key.len();
    node.entries[place].prefix_len = Some((previous + 1 + choices.below(1000)) as u64);
    Some(())
}

fn prefix_too_short(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let (node, place) = second_entry(repo, choices)?;
    let (before, own) = (&node.entries[place - 1].key, &node.entries[place].key);
    let shared = before.iter().zip(own).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    node.entries[place].prefix_len = Some(choices.below(shared) as u64);
    Some(())
}

fn keys_exchanged(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let (node, place) = second_entry(repo, choices)?;
    let key = std::mem::take(&mut node.entries[place].key);
    node.entries[place].key = std::mem::replace(&mut node.entries[place - 1].key, key);
    Some(())
}

fn key_repeated(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let node = node(repo, choices, |_, plain| !plain.entries.is_empty())?;
    let place = choices.below(node.entries.len());
    let copy = Entry { tree: Link::None, ..node.entries[place].clone() };
    node.entries.insert(place, copy);
    Some(())
}

/// Inserts a key into a node in key order, without a subtree.
fn insert(repo: &mut Repo, number: usize, key: &[u8]) {
    let record = repo.add_record(Record::sample(key));
    let node = nth_mut(&mut repo.root, number);
    let place = node.entries.partition_point(|entry| entry.key[..] < *key);
    node.entries.insert(place, Entry::new(key, record));
}

fn key_of_other_layer(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let key = choices.pick(pool()).clone();
    let layer = key::layer(&key);
    let fits =
        |plain: &Plain| !plain.entries.is_empty() && plain.layer != layer && plain.is_around(&key);
    let number = number(repo, choices, |_, plain| fits(plain))?;
    // The first key decides the layer of the root. On layer 0, the links of the root break another
    // rule.
    let first = &nth_mut(&mut repo.root, number).entries[0].key;
    if number == 0 && key < *first && layer == 0 {
        return None;
    }
    insert(repo, number, &key);
    Some(())
}

fn key_outside(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let key = choices.pick(pool()).clone();
    let layer = key::layer(&key);
    let number = number(repo, choices, |_, plain| plain.layer == layer && !plain.is_around(&key))?;
    insert(repo, number, &key);
    Some(())
}

fn key_empty(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let node = node(repo, choices, |_, plain| !plain.entries.is_empty())?;
    node.entries[0].key.clear();
    Some(())
}

fn key_too_long(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let node = node(repo, choices, |_, plain| !plain.entries.is_empty())?;
    let key = &mut node.entries.last_mut()?.key;
    key.resize(1025 + choices.below(300), b'a');
    Some(())
}

/// Chooses a link that passes `test`, which gets its node and the node that it leads to, if any.
/// Returns the number of the node and of the link in it.
fn link(
    repo: &Repo,
    choices: &mut Choices<'_>,
    test: impl Fn(&Plain, Option<&Plain>) -> bool,
) -> Option<(usize, usize)> {
    let tree = PlainTree::of(&repo.root);
    let links = tree.0.iter().enumerate().flat_map(|(number, plain)| {
        let links = plain.links.iter().enumerate();
        links.map(move |(which, below)| (number, which, plain, *below))
    });
    let fits = links.filter(|(_, _, plain, below)| test(plain, below.map(|below| &tree.0[below])));
    let links: Vec<(usize, usize)> = fits.map(|(number, which, ..)| (number, which)).collect();
    if links.is_empty() { None } else { Some(*choices.pick(&links)) }
}

fn link_mut(repo: &mut Repo, (number, which): (usize, usize)) -> Option<&mut Link> {
    nth_mut(&mut repo.root, number).links_mut().nth(which)
}

fn empty_node_left_out(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let at = link(repo, choices, |_, below| below.is_some_and(|below| below.entries.is_empty()))?;
    let link = link_mut(repo, at)?;
    *link = link.take_node().left;
    Some(())
}

fn empty_node_too_many(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let at = link(repo, choices, |_, below| below.is_some())?;
    let link = link_mut(repo, at)?;
    *link = Link::to(Node::pass_through(link.take_node()));
    Some(())
}

fn link_at_layer_0(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let at = link(repo, choices, |plain, _| plain.layer == 0 && !plain.entries.is_empty())?;
    *link_mut(repo, at)? = Link::Cid(Cid::dag_cbor(b"nowhere"));
    Some(())
}

fn empty_leaf(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let at = link(repo, choices, |plain, below| plain.layer > 0 && below.is_none())?;
    *link_mut(repo, at)? = Link::to(Node::default());
    Some(())
}

fn root_passes_through(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    for _ in 0..=choices.below(3) {
        repo.root = Node::pass_through(std::mem::take(&mut repo.root));
    }
    Some(())
}

fn subtree_linked_twice(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let (number, which) =
        link(repo, choices, |plain, below| below.is_some() && plain.links.len() > 1)?;
    let node = nth_mut(&mut repo.root, number);
    let copy = node.links().nth(which)?.clone();
    let len = node.entries.len() + 1;
    let other = (which + 1 + choices.below(len - 1)) % len;
    *node.links_mut().nth(other)? = copy;
    Some(())
}

fn link_of_raw_codec(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let at = link(repo, choices, |_, below| below.is_some())?;
    let link = link_mut(repo, at)?;
    *link = Link::Cid(Cid::new(RAW, link.take_node().cid().digest().try_into().ok()?));
    Some(())
}

fn node_lost(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let at = link(repo, choices, |_, below| below.is_some())?;
    *link_mut(repo, at)? = Link::Cid(Cid::dag_cbor(b"nowhere"));
    Some(())
}

fn record_lost(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let node = node(repo, choices, |_, plain| !plain.entries.is_empty())?;
    let place = choices.below(node.entries.len());
    node.entries[place].value = Value::Link(Cid::raw(b"nowhere"));
    Some(())
}

fn key_that_is_no_path(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let mut key = choices.pick(pool()).clone();
    let at = choices.below(key.len());
    key[at] = *choices.pick(b" /@\0\xff%");
    if key.iter().filter(|&&byte| byte == b'/').count() == 1
        && carwalk_testkit::oracle::is_path(&key)
    {
        return None;
    }
    let records = repo.entries().into_iter().map(|(key, cid)| (key, repo.records[&cid].clone()));
    let broken = Repo::new(records.chain([(key.clone(), Record::sample(&key))]));
    *repo = broken;
    Some(())
}

/// Changes the commit, and the place of one of its fields.
fn edit_commit(
    repo: &mut Repo,
    choices: &mut Choices<'_>,
    change: impl FnOnce(&mut Value, usize),
) -> Option<()> {
    let field = choices.below(6);
    repo.rewrite_commit(|mut value| {
        change(&mut value, field);
        value.encode()
    });
    Some(())
}

fn commit_field_lost(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_commit(repo, choices, |commit, field| drop(commit.pairs_mut().remove(field)))
}

fn commit_field_repeated(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_commit(repo, choices, |commit, field| {
        let copy = commit.pairs_mut()[field].clone();
        commit.pairs_mut().insert(field, copy);
    })
}

fn commit_fields_moved(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_commit(repo, choices, |commit, field| commit.pairs_mut().rotate_left(1 + field % 5))
}

fn commit_field_null(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_commit(repo, choices, |commit, field| {
        // `prev` may be null.
        let field = if field == 4 { 0 } else { field };
        commit.pairs_mut()[field].1 = Value::Null;
    })
}

fn commit_value_wide(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    edit_commit(repo, choices, |commit, field| {
        let pair = &mut commit.pairs_mut()[field];
        if pair.1 == Value::Null { pair.0 = wide(&pair.0, 4) } else { pair.1 = wide(&pair.1, 8) }
    })
}

fn commit_cut(repo: &mut Repo, choices: &mut Choices<'_>) -> Option<()> {
    let mut block = repo.commit_block();
    block.truncate(choices.below(block.len()));
    repo.commit.bytes_override = Some(block);
    Some(())
}
