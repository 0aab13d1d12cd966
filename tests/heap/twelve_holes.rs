//! Twelve holes that readers of repository exports have in common, with one test for each. The name
//! of a test says the hole and the outcome.
//!
//! Each form of a hole is opened in every way: from a slice, from streams in pieces of several
//! kinds, from a slice with a spilled index, from a temporary spill file, and from a kept one. The
//! outcome must be the same.

use crate::common::ReverseIf as _;
use crate::common::ways::{accepted, oracle_entries, refused, refused_by_all_walks};
use crate::common::{self, MapStore, complete, end, suspended};
use crate::heap::{Before, KIB, peak_of, within};
use carwalk::ErrorClass;
use carwalk::car::{Reader, SliceReader};
use carwalk::error::{KeyInterval, Malformed, TreeRule};
use carwalk::mst::Event;
use carwalk::store::{BlockStore, CarStore};
use carwalk::{ErrorKind, Limits, Loader, Lookup, Repo, Result, Tree, Verification, peek_commit};
use carwalk_testkit::car::{Car, header_value};
use carwalk_testkit::cbor::{Value, head};
use carwalk_testkit::cid::{Cid as KitCid, DAG_CBOR};
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::tree::{Entry, Link, Node};
use carwalk_testkit::{breakage, key, oracle, varint};

tests![
    end_inside_a_varint_is_no_end_of_the_file,
    end_between_two_sections_is_told_with_the_keys_that_it_hides,
    a_block_that_is_not_its_cids_is_refused_whether_it_is_used_or_not,
    a_missing_node_proves_no_key_absent,
    a_block_is_there_for_each_of_its_links,
    a_prefix_that_is_not_the_longest_is_refused,
    a_key_or_node_in_the_wrong_layer_is_refused,
    key_order_holds_across_nodes_and_beside_what_is_missing,
    shared_subtrees_cost_no_more_than_the_links_to_them,
    a_declared_length_allocates_nothing,
    a_memory_limit_counts_what_blocks_cost_beside_their_bytes,
    a_prefix_beyond_the_key_before_it_is_refused_and_slices_nothing,
];

fn sample() -> KitRepo {
    breakage::sample()
}

fn sample_car() -> Car {
    sample().to_car(Order::Preorder)
}

fn end_inside_a_varint_is_no_end_of_the_file() {
    // A header and blocks whose length prefixes have two and three bytes.
    let mut car = sample_car();
    let mut header = header_value(&[sample().commit_cid()]);
    header.pairs_mut().insert(0, (Value::text("note"), Value::Bytes(vec![0; 300])));
    car.set_header(header.encode());
    car.push_block(&[7; 20_000]);
    let (starts, bytes) = ([vec![0], car.offsets()].concat(), car.to_bytes());
    let mut cuts = 0;
    for start in starts {
        let prefix = bytes[start..].iter().take_while(|&&byte| byte >= 0x80).count();
        for cut in start + 1..=start + prefix {
            let error = refused(&bytes[..cut]);
            assert_eq!(error.class(), ErrorClass::Truncated, "cut at {cut}: {error}");
            assert_eq!(error.position().offset(), Some(start as u64));
            if start > 0 {
                assert!(SliceReader::new(&bytes[..cut]).unwrap().last().unwrap().is_err());
                let mut reader = Reader::new(&bytes[..cut]).unwrap();
                assert!(
                    std::iter::from_fn(|| reader
                        .read_section()
                        .transpose()
                        .map(|one| one.is_err()))
                    .any(|bad| bad)
                );
                let salvaged = Loader::new().salvage(true).from_slice(&bytes[..cut]);
                if let Ok(repo) = salvaged {
                    assert_eq!(repo.store().fault().unwrap().class(), ErrorClass::Truncated);
                }
            }
            cuts += 1;
        }
    }
    assert!(cuts >= 10, "{cuts}");
    // A whole repository, followed by the beginning of a varint.
    for tail in [&[0x80][..], &[0xff; 8], &[0xa4, 0x80]] {
        let error = refused(&[&sample_car().to_bytes(), tail].concat());
        assert_eq!(error.class(), ErrorClass::Truncated, "{error}");
    }
    accepted(&bytes);
}

fn end_between_two_sections_is_told_with_the_keys_that_it_hides() {
    let complete = common::oracle_rows(&sample_car().to_bytes());
    for order in Order::ALL {
        let car = sample().to_car(order);
        let (offsets, bytes) = (car.offsets(), car.to_bytes());
        for cut in offsets {
            let part = &bytes[..cut];
            if cut == bytes.len() || oracle::walk(part).is_ok() {
                accepted(part);
                continue;
            }
            let error = refused(part);
            assert_eq!(error.class(), ErrorClass::Missing, "{order:?}, cut at {cut}: {error}");
            let Ok(repo) = Repo::from_slice(part) else { continue };
            let known = repo.walk().completeness().unwrap();
            assert!(!known.is_complete());
            // Each record is returned, or a gap names its key.
            let intervals: Vec<KeyInterval> =
                repo.walk().gaps().map(|gap| gap.unwrap().interval).collect();
            let hides = |key: &[u8], KeyInterval { lower, upper }: &KeyInterval| {
                key::is_between(key, lower.as_deref(), upper.as_deref())
            };
            let hidden = complete
                .iter()
                .filter(|(key, ..)| intervals.iter().any(|interval| hides(key, interval)));
            assert_eq!(known.entries as usize + hidden.count(), complete.len());
        }
    }
}

fn a_block_that_is_not_its_cids_is_refused_whether_it_is_used_or_not() {
    let mut car = sample_car();
    car.push_block(b"a block that nothing links to");
    accepted(&car.to_bytes());
    for index in 0..car.sections.len() {
        let flips: [fn(&mut Vec<u8>); 3] =
            [|data| data[0] ^= 1, |data| data.push(0), |data| data.truncate(data.len() - 1)];
        for flip in flips {
            let mut broken = car.clone();
            flip(&mut broken.sections[index].data);
            broken.sections[index].fit_length();
            let error = refused(&broken.to_bytes());
            assert!(
                matches!(error.kind(), ErrorKind::HashMismatch { .. }),
                "section {index}: {error}"
            );
            // With `ReachedBlocks` this fails too, unless nothing links to the block.
            let lazy = || Loader::new().verification(Verification::ReachedBlocks);
            assert_eq!(
                lazy().from_slice(broken.to_bytes()).and_then(|repo| common::rows(&repo)).is_ok(),
                index + 1 == car.sections.len()
            );
        }
    }
    // A genuine record under the CID of another, as in a forged answer.
    let records: Vec<_> = sample().records.keys().map(|cid| car.index_of(cid)).collect();
    let mut forged = car.clone();
    forged.sections[records[0]].data = car.sections[records[1]].data.clone();
    forged.sections[records[0]].fit_length();
    assert!(matches!(refused(&forged.to_bytes()).kind(), ErrorKind::HashMismatch { .. }));
    // Hash functions that carwalk does not check: the identity and others.
    for function in [0x00, 0x11, 0x13, 0x1b, 0x1e] {
        let mut other = car.clone();
        other.sections[records[0]].cid[2] = function;
        let error = refused(&other.to_bytes());
        assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::CidHash { .. })), "{error}");
    }
}

/// Asserts that no lookup calls a key absent. Asks repeatedly, because the store may change its
/// answers.
#[track_caller]
fn assert_proves_nothing<S: BlockStore>(
    repo: &Repo<S>,
    keys: &[Vec<u8>],
    known: &[(Vec<u8>, KitCid)],
) {
    for key in keys.iter().chain(keys.iter().rev()).chain(keys) {
        match repo.tree().get_key(key).unwrap() {
            Lookup::Present { cid, .. } => {
                assert!(known.iter().any(|(own, value)| own == key && cid == common::cid(value)));
            }
            Lookup::Unknown(gap) => {
                let KeyInterval { lower, upper } = gap.interval;
                assert!(key::is_between(key, lower.as_deref(), upper.as_deref()));
            }
            Lookup::Absent => panic!("{} is there", key.escape_ascii()),
        }
        let one = repo.walk().range(&key[..]..=&key[..]);
        let is_known = known.iter().any(|(own, _)| own == key);
        assert_eq!(one.completeness().unwrap().has_all_keys(), is_known);
        assert_eq!(end(repo.walk().records(false).range(&key[..]..=&key[..])).is_ok(), is_known);
    }
}

fn a_missing_node_proves_no_key_absent() {
    let repo = sample();
    let keys = breakage::sample_keys();
    let nodes: Vec<KitCid> = repo.root.blocks().into_iter().map(|(cid, _)| cid).collect();
    for missing in nodes.iter().map(|node| vec![*node]).chain([nodes.clone(), nodes[1..].to_vec()])
    {
        let mut car = repo.to_car(Order::Preorder);
        missing.iter().for_each(|cid| car.remove(cid));
        let bytes = car.to_bytes();
        let known = oracle_entries(&bytes);
        assert!(known.len() < keys.len());
        assert_proves_nothing(&Repo::from_slice(&bytes).unwrap(), &keys, &known);
        assert_proves_nothing(&Repo::from_reader(&bytes[..]).unwrap(), &keys, &known);
        #[cfg(feature = "redb")]
        {
            let file = carwalk::store::SpillFile::temporary();
            assert_proves_nothing(
                &common::spill::all_into(Loader::new(), &bytes[..], file).unwrap(),
                &keys,
                &known,
            );
        }
        assert_eq!(refused(&bytes).class(), ErrorClass::Missing);
    }
    // A bad node is an error, and does not prove absence either.
    for node in nodes {
        let mut car = repo.to_car(Order::Preorder);
        let at = car.index_of(&node);
        car.sections[at].data[0] ^= 1;
        let loaded = Loader::new()
            .verification(Verification::ReachedBlocks)
            .from_slice(car.to_bytes())
            .unwrap();
        for key in &keys {
            assert!(
                !matches!(loaded.tree().get_key(key), Ok(Lookup::Absent)),
                "{}",
                key.escape_ascii()
            );
        }
    }
    // The valid twin: in a whole tree, the key is absent.
    let whole = Repo::from_slice(repo.to_bytes(Order::Preorder)).unwrap();
    assert!(matches!(whole.get("com.example.test/absent").unwrap(), Lookup::Absent));
}

fn a_block_is_there_for_each_of_its_links() {
    let keys = key::ascending(&[0, 1, 0, 0, 1, 0]);
    // Many keys, one record.
    let shared = Record::sample(b"shared");
    let repo = KitRepo::new(keys.iter().map(|key| (key.clone(), shared.clone())));
    // A record that is a node of the same tree, byte for byte; and one that is the empty node.
    let leaf = KitRepo::new(keys[..1].iter().map(|key| (key.clone(), shared.clone()))).root;
    let twin = Record::new(leaf.block());
    let mut twins = KitRepo::new(keys.iter().map(|key| (key.clone(), shared.clone())));
    twins.add_record(twin.clone());
    twins.root.entry_mut(&keys[4]).value = Value::Link(twin.cid);
    twins.root.entry_mut(&keys[5]).value = Value::Link(twin.cid);
    let empty = Record::new(Node::default().block());
    let empties = KitRepo::new(keys.iter().map(|key| (key.clone(), empty.clone())));
    assert!(
        twins.root.blocks().iter().any(|(cid, _)| *cid == twin.cid),
        "it is a node of the tree"
    );
    for repo in [repo, twins, empties] {
        for order in Order::ALL {
            let mut car = repo.to_car(order);
            accepted(&car.to_bytes());
            // Each section twice, then all of them again.
            car.sections = car
                .sections
                .iter()
                .flat_map(|section| [section.clone(), section.clone()])
                .collect();
            car.sections.extend(car.sections.clone());
            let bytes = car.to_bytes();
            let rows = accepted(&bytes);
            assert_eq!(rows.len(), keys.len());
            let loaded = Repo::from_slice(&bytes).unwrap();
            for (key, cid, block) in rows.iter().chain(&rows) {
                let Lookup::Present { cid: found, record: Some(record) } =
                    loaded.tree().get_key(key).unwrap()
                else {
                    panic!("{}", key.escape_ascii())
                };
                assert!(found == *cid && record == &block[..]);
            }
            assert!(common::rows(&loaded).unwrap() == rows, "a second walk");
            // With a process function, the node is not taken for a record, nor the record for a
            // node.
            let reduced = common::summarizing(Loader::new()).from_reader(&bytes[..]).unwrap();
            let summaries = common::summaries(&reduced).unwrap();
            assert!(
                summaries.iter().zip(&rows).all(
                    |((key, _, found), row)| *key == row.0 && *found == common::summary(&row.2)
                )
            );
        }
    }
}

fn shared_len(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn a_prefix_that_is_not_the_longest_is_refused() {
    let keys = breakage::sample_keys();
    for (node, at) in [(0, 1), (6, 1)] {
        let (before, own) = (keys[node].clone(), keys[node + 1].clone());
        let longest = shared_len(&before, &own);
        for prefix_len in 0..longest {
            let mut repo = sample();
            repo.root.with_key(&own).entries[at].prefix_len = Some(prefix_len as u64);
            let error = refused_by_all_walks(&repo.to_bytes(Order::Pds));
            let rule = TreeRule::PrefixNotMaximal { entry: at, prefix_len };
            assert!(matches!(error.kind(), ErrorKind::Tree(found) if *found == rule), "{error}");
        }
        let mut repo = sample();
        repo.root.with_key(&own).entries[at].prefix_len = Some(longest as u64);
        accepted(&repo.to_bytes(Order::Pds));
    }
    // No prefixes anywhere, as from a writer without compression.
    let mut repo = sample();
    for key in &keys {
        repo.root.entry_mut(key).prefix_len = Some(0);
    }
    refused_by_all_walks(&repo.to_bytes(Order::Pds));
}

fn breakages_of<'a>(rules: &'a [&str]) -> impl Iterator<Item = &'static breakage::Breakage> + 'a {
    breakage::all().filter(|breakage| rules.contains(&breakage.rule))
}

fn a_key_or_node_in_the_wrong_layer_is_refused() {
    let mut forms = 0;
    for breakage in breakages_of(&["N7", "N9", "N10", "N11", "N12"]) {
        let case = breakage.make();
        accepted(&case.valid);
        let error = refused_by_all_walks(&case.broken);
        assert!(matches!(error.kind(), ErrorKind::Tree(_)), "{breakage:?}: {error}");
        forms += 1;
    }
    assert!(forms >= 10, "{forms}");
    // All keys in one node, and a tree that is a chain: sorted and well linked, but without layers.
    let records: Vec<_> =
        breakage::sample_keys().into_iter().map(|key| (Record::sample(&key), key)).collect();
    let entries = || records.iter().map(|(record, key)| Entry::new(key, record.cid));
    let flat = Node::leaf(entries().collect());
    let chain = entries().rev().fold(Node::default(), |below, entry| {
        let tree = if below == Node::default() { Link::None } else { Link::to(below) };
        Node::leaf(vec![Entry { tree, ..entry }])
    });
    for root in [flat, chain] {
        let mut repo = sample();
        repo.root = root;
        let error = refused_by_all_walks(&repo.to_bytes(Order::Preorder));
        let ErrorKind::Tree(rule) = error.kind() else { panic!("{error}") };
        assert!(matches!(rule, TreeRule::KeyLayer { .. } | TreeRule::LinkBelowLayer0), "{error}");
    }
}

fn key_order_holds_across_nodes_and_beside_what_is_missing() {
    let mut forms = 0;
    for breakage in breakages_of(&["N5", "N6", "N8", "N16"]) {
        let case = breakage.make();
        refused_by_all_walks(&case.broken);
        forms += 1;
        // Whichever block is missing in addition, keys ascend.
        let whole = Car::parse(&case.broken).unwrap();
        for index in 1..whole.sections.len() {
            let mut car = whole.clone();
            car.sections.remove(index);
            let Ok(repo) = Repo::from_slice(car.to_bytes()) else { continue };
            let mut walk = repo.walk().partial(true).start();
            let mut last = Vec::new();
            while let Some(event) = walk.next_event().unwrap() {
                if let Event::Record { entry, .. } | Event::MissingRecord { entry, .. } = event {
                    assert!(
                        last.is_empty() || &last[..] < entry.key(),
                        "{breakage:?}, without section {index}"
                    );
                    last = entry.key().to_vec();
                }
            }
        }
    }
    assert!(forms >= 8, "{forms}");
    // A valid subtree that is linked again: before, between and after the keys where it belongs.
    let keys = key::ascending(&[0, 1, 0, 1, 0]);
    for from in 0..3 {
        for to in (0..3).filter(|to| *to != from) {
            let mut repo = KitRepo::sample(&keys);
            let moved = repo.root.links().nth(from).unwrap().clone();
            *repo.root.links_mut().nth(to).unwrap() = moved;
            let error = refused_by_all_walks(&repo.to_bytes(Order::Preorder));
            assert!(
                matches!(error.kind(), ErrorKind::Tree(TreeRule::KeyOutside { .. })),
                "{error}"
            );
        }
    }
}

/// Nodes that each link twice to the next. `layers` says whether their keys are on the right
/// layers.
fn doubling(depth: u8, layers: bool) -> KitRepo {
    let wanted: Vec<u8> = (0..depth).rev().map(|layer| if layers { layer } else { 0 }).collect();
    let mut repo = KitRepo::new([]);
    let mut link = Link::None;
    for key in key::ascending(&wanted).into_iter().rev() {
        let cid = repo.add_record(Record::sample(&key));
        let node = Node {
            left: link.clone(),
            entries: vec![Entry { tree: link, ..Entry::new(&key, cid) }],
            bytes_override: None,
        };
        repo.extra.push((node.cid(), node.block()));
        link = Link::Cid(node.cid());
        repo.root = node;
    }
    repo.extra.pop();
    repo
}

fn shared_subtrees_cost_no_more_than_the_links_to_them() {
    for (depth, layers) in [(8, true), (255, false)] {
        let repo = doubling(depth, layers);
        let car = repo.to_bytes(Order::Preorder);
        let error = refused_by_all_walks(&car);
        assert!(matches!(error.kind(), ErrorKind::Tree(_)), "{error}");
        let store = MapStore::new(&car);
        let tree = Tree::new(&store, common::cid(&repo.root.cid()));
        for reverse in [false, true] {
            let before = store.gets();
            end(tree.walk().partial(true).reverse_if(reverse)).unwrap();
            let (links, records) = (u64::from(depth) * 2, u64::from(depth));
            assert!(store.gets() - before <= 1 + links + records, "{}", store.gets() - before);
        }
    }
    // A cycle of links requires a broken hash or no verification. Then the layers end the walk.
    let mut store = MapStore::default();
    let key = &key::at_layer(3).next().unwrap();
    let own = KitCid::dag_cbor(b"the node that has this CID is another");
    let node = Node { left: Link::Cid(own), ..Node::default() };
    let record = Record::sample(key);
    let root = Node {
        left: Link::Cid(own),
        entries: vec![Entry::new(key, record.cid)],
        bytes_override: None,
    };
    let mut repo = KitRepo::new([]);
    repo.root = root.clone();
    for (cid, block) in [
        (own, node.block()),
        (root.cid(), root.block()),
        (record.cid, record.bytes),
        (repo.commit_cid(), repo.commit_block()),
    ] {
        store.insert(&cid, block);
    }
    let loader = Loader::new().verification(Verification::DangerouslyNone);
    let circle = loader.from_store(&store, common::cid(&repo.commit_cid())).unwrap();
    let error = circle.records().find_map(Result::err).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Tree(TreeRule::LinkBelowLayer0)), "{error}");
    assert!(store.gets() <= 6, "{}", store.gets());
}

/// Items of each kind that declare a length of `len` and have no content.
fn declaring(len: u64) -> [Vec<u8>; 4] {
    [2, 3, 4, 5].map(|major| head(major, len))
}

/// Inputs that declare a length without content, for each place that has a length.
fn declared_lengths() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    let plain = Car::new(&[KitCid::dag_cbor(b"")]);
    for len in [1 << 20, (1 << 31) - 1, 1 << 40, u64::MAX >> 1] {
        inputs.push([varint::encode(len), vec![0xa2; 90]].concat());
        let section =
            [varint::encode(len), KitCid::raw(b"").as_bytes().to_vec(), vec![0; 9]].concat();
        inputs.push([plain.to_bytes(), section].concat());
        for item in declaring(len) {
            let mut header = header_value(&[KitCid::dag_cbor(b"")]);
            header.pairs_mut()[0].1 = Value::Raw(item.clone());
            inputs.push(Car::with_header(header.encode()).to_bytes());
            let mut header = header_value(&[KitCid::dag_cbor(b"")]);
            header.pairs_mut().insert(0, (Value::text("x"), Value::Raw(item.clone())));
            inputs.push(Car::with_header(header.encode()).to_bytes());
            for field in ["did", "sig", "data", "x"] {
                let mut repo = sample();
                repo.commit = repo.commit.set(field, Value::Raw(item.clone())).sorted();
                inputs.push(repo.to_bytes(Order::Preorder));
            }
            let mut repo = sample();
            repo.rewrite_commit(|_| item.clone());
            inputs.push(repo.to_bytes(Order::Preorder));
            for field in ["e", "l"] {
                let mut repo = sample();
                repo.root.edit(|node| *node.at_mut(field) = Value::Raw(item.clone()));
                inputs.push(repo.to_bytes(Order::Preorder));
            }
            for field in ["k", "p", "t", "v"] {
                let mut repo = sample();
                let raw = Value::Raw(item.clone());
                repo.root.edit(|node| *node.at_mut("e").items_mut()[0].at_mut(field) = raw);
                inputs.push(repo.to_bytes(Order::Preorder));
            }
        }
    }
    inputs
}

fn a_declared_length_allocates_nothing() {
    let limits = || {
        Limits::default().max_header_len(u32::MAX).max_block_len(u32::MAX).max_stream_len(u64::MAX)
    };
    let loader = || Loader::new().limits(limits());
    let inputs = declared_lengths();
    assert!(inputs.len() > 200, "{}", inputs.len());
    for input in inputs {
        let shown = || input[..input.len().min(80)].escape_ascii();
        let by_slice = peak_of(|| {
            loader().from_slice(&input).and_then(|repo| common::rows(&repo)).unwrap_err()
        });
        assert!(by_slice < 128 * KIB, "{by_slice}: {}", shown());
        let by_reader = peak_of(|| {
            loader().from_reader(&input[..]).and_then(|repo| common::rows(&repo)).unwrap_err()
        });
        assert!(by_reader < 256 * KIB, "{by_reader}: {}", shown());
        let by_peek = peak_of(|| drop(peek_commit(&input[..])));
        assert!(by_peek < 128 * KIB, "{by_peek}: {}", shown());
    }
    #[cfg(feature = "redb")]
    for input in declared_lengths().into_iter().step_by(7) {
        let file = carwalk::store::SpillFile::temporary();
        let spilled = peak_of(|| {
            common::spill::all_into(loader(), &input[..], file)
                .and_then(|repo| common::rows(&repo))
                .unwrap_err()
        });
        assert!(spilled < 4 * crate::heap::MIB, "{spilled}");
    }
}

/// Blocks of four bytes. Finding one again takes ten times as many bytes.
fn tiny_blocks(count: u32) -> Vec<u8> {
    let mut car = sample_car().to_bytes();
    for number in 0..count {
        let mut digest = [7; 32];
        digest[..4].copy_from_slice(&number.to_le_bytes());
        let cid = KitCid::new(DAG_CBOR, digest);
        car.extend(carwalk_testkit::car::section(cid.as_bytes(), &number.to_le_bytes()));
    }
    car
}

fn a_memory_limit_counts_what_blocks_cost_beside_their_bytes() {
    const COUNT: u32 = 200_000;
    let car = tiny_blocks(COUNT);
    let loader = || Loader::new().verification(Verification::DangerouslyNone);
    // More than all the blocks' bytes, and less than a tenth of the stream.
    let limit = COUNT as usize * 4 + 64 * KIB;
    within("blocks", limit + 8 * KIB, || {
        drop(suspended(loader().memory_limit(limit as u64).from_reader(&car[..]).unwrap()));
    });
    // If the processed value is empty, a CID and a placement remain.
    let before = Before::now();
    let load = before.within("values", limit + 8 * KIB, || {
        let loader = loader().process(|_: &[u8]| ()).memory_limit(limit as u64);
        suspended(loader.from_reader(&car[..]).unwrap())
    });
    #[cfg(feature = "redb")]
    {
        let repo = before.within("spilling", limit + 3 * crate::heap::MIB, || {
            load.spill(carwalk::store::SpillFile::temporary()).unwrap()
        });
        assert_eq!(repo.stats().sections as usize, COUNT as usize + sample_car().sections.len());
        assert_eq!(repo.records().filter(Result::is_ok).count(), 11);
    }
    #[cfg(not(feature = "redb"))]
    drop(load);
    // `u64::MAX` is a limit too.
    drop(complete(loader().memory_limit(u64::MAX).from_reader(&car[..]).unwrap()));
}

fn a_prefix_beyond_the_key_before_it_is_refused_and_slices_nothing() {
    let keys = breakage::sample_keys();
    let with = |entry: usize, prefix: Value| {
        let mut repo = sample();
        repo.root.edit(|node| *node.at_mut("e").items_mut()[entry].at_mut("p") = prefix);
        repo.to_bytes(Order::Preorder)
    };
    let len = keys[5].len() as u64;
    for beyond in
        [len + 1, 255, 256, 1023, 1024, 1025, 1 << 16, 1 << 31, 1 << 32, 1 << 63, u64::MAX]
    {
        let error = refused_by_all_walks(&with(1, Value::Uint(beyond)));
        let ErrorKind::Tree(TreeRule::PrefixTooLong { prefix_len, .. }) = *error.kind() else {
            panic!("{beyond}: {error}")
        };
        assert_eq!(prefix_len, beyond);
        let error = refused_by_all_walks(&with(0, Value::Uint(beyond)));
        assert!(
            matches!(error.kind(), ErrorKind::Tree(TreeRule::FirstPrefix { .. })),
            "{beyond}: {error}"
        );
    }
    // Negative numbers of 1 and 9 bytes; true, null, a float, an array, a text.
    let minus = [vec![0x20], [&[0x3b][..], &[0xff; 8]].concat()];
    let others = [
        vec![0xf5],
        vec![0xf6],
        [&[0xfb][..], &1f64.to_be_bytes()].concat(),
        vec![0x80],
        vec![0x60],
    ];
    for other in minus.into_iter().chain(others) {
        let error = refused_by_all_walks(&with(1, Value::Raw(other)));
        assert!(
            matches!(error.kind(), ErrorKind::Malformed(Malformed::CborType { .. })),
            "{error}"
        );
    }
    // Prefixes that end within a character, or within bytes that are not UTF-8: keys are bytes, and
    // these are invalid paths.
    for start in
        ["com.example.test/\u{e9}".as_bytes(), b"com.example.test/\xc3\x28", b"\xff\xff\xff"]
    {
        let keys = (0..).map(|n: u32| {
            [&start[..start.len() - 1], &[b'0' + (n % 60) as u8], n.to_string().as_bytes()].concat()
        });
        let second = keys
            .filter(|key| key::layer(key) == 0)
            .find(|key| shared_len(key, start) == start.len() - 1)
            .unwrap();
        let first = (0..)
            .map(|n: u32| [start, n.to_string().as_bytes()].concat())
            .find(|key| key::layer(key) == 0)
            .unwrap();
        let error = refused(&KitRepo::sample([first, second]).to_bytes(Order::Preorder));
        assert!(matches!(error.kind(), ErrorKind::Path(_)), "{error}");
    }
}
