use carwalk::Tree;
use carwalk::mst::{Event, Node};
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::{Cid as KitCid, DAG_CBOR};
use carwalk_testkit::oracle;
use carwalk_testkit::tree::{Entry, Link, Node as KitNode};

use crate::common::{self, MapStore};

/// A node that parses encodes to the same bytes. A block that the testkit would write parses as a
/// node. A walk with the block as the root finds its keys or refuses it.
pub fn node(data: &[u8]) {
    let parsed = Node::parse(data);
    let again = expected(data);
    match (&parsed, &again) {
        (Ok(node), Some(again)) => same(node, again),
        (Ok(_), None) => panic!("not the encoding of a node"),
        (Err(error), Some(_)) => panic!("the testkit writes such nodes: {error}"),
        (Err(_), None) => {}
    }
    as_root(data, again.as_ref());
}

/// Returns the node, if the testkit encodes it to the same block.
fn expected(block: &[u8]) -> Option<KitNode> {
    let value = oracle::decode(block).ok()?;
    let mut node = KitNode { left: link(value.get("l")?)?, ..KitNode::default() };
    let Some(Value::Array(entries)) = value.get("e") else { return None };
    let mut key: Vec<u8> = Vec::new();
    for entry in entries {
        let (Value::Uint(prefix_len), Value::Bytes(suffix), Value::Link(value)) =
            (entry.get("p")?, entry.get("k")?, entry.get("v")?)
        else {
            return None;
        };
        let kept = key.get(..usize::try_from(*prefix_len).ok()?)?;
        let next = [kept, suffix].concat();
        if next <= key || next.len() > oracle::KEY_LIMIT {
            return None;
        }
        key = next;
        node.entries.push(Entry { tree: link(entry.get("t")?)?, ..Entry::new(&key, *value) });
    }
    (node.block() == block).then_some(node)
}

fn link(value: &Value) -> Option<Link> {
    match value {
        Value::Null => Some(Link::None),
        Value::Link(cid) if cid.codec() == DAG_CBOR => Some(Link::Cid(*cid)),
        _ => None,
    }
}

fn same(node: &Node<'_>, expected: &KitNode) {
    let cid = |link: &Link| if let Link::Cid(cid) = link { Some(common::cid(cid)) } else { None };
    assert_eq!(node.left(), cid(&expected.left));
    assert_eq!(node.entries().len(), expected.entries.len());
    let mut key = Vec::new();
    for (entry, expected) in node.entries().zip(&expected.entries) {
        key.truncate(entry.prefix_len());
        key.extend_from_slice(entry.key_suffix());
        assert_eq!(key, expected.key);
        assert_eq!(entry.tree(), cid(&expected.tree));
        assert_eq!(Some(entry.value()), expected.value_cid().map(|cid| common::cid(&cid)));
    }
}

/// Walks a tree with `block` as the root. Any bytes have a CID, so a hostile CAR can make a walk
/// read them.
fn as_root(block: &[u8], node: Option<&KitNode>) {
    let mut store = MapStore::default();
    let cid = KitCid::dag_cbor(block);
    store.insert(&cid, block.to_vec());
    let tree = Tree::new(&store, common::cid(&cid));
    let mut walk = tree.walk().partial(true).records(false).nodes(true).start();
    let (mut keys, mut is_bad, mut steps) = (Vec::new(), false, 0);
    while let Some(event) = walk.next_event().unwrap() {
        steps += 1;
        assert!(steps <= block.len() + 2, "more events than the block can cause");
        match event {
            Event::Entry { entry, .. } => keys.push(entry.key().to_vec()),
            Event::BadSubtree { cid: bad, .. } => is_bad |= bad == common::cid(&cid),
            _ => {}
        }
    }
    let expected =
        node.map(|node| node.entries.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>());
    match expected {
        None => assert!(is_bad),
        Some(expected) => assert!(keys == expected || (is_bad && keys.is_empty())),
    }
    for key in keys {
        let found = tree.get_key(&key);
        assert!(
            matches!(found, Ok(carwalk::Lookup::Present { .. })),
            "{}: {found:?}",
            key.escape_ascii()
        );
    }
}
