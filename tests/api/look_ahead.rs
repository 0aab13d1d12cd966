//! A complete walk reads nodes ahead, a partial walk does not: both return the same, up to the
//! first fault.

use crate::common;
use crate::common::ReverseIf as _;
use crate::common::{MapStore, details};
use carwalk::ErrorClass;
use carwalk::mst::{Event, Walk};
use carwalk::store::{BlockStore, CarStore};
use carwalk::{Cid, Loader, Repo, Verification};
use carwalk_testkit::cases;
use carwalk_testkit::random;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::tree::Node;

/// What came before the first fault, and what that is: the text of an error, or the CID of what is
/// missing.
type Told = (Vec<(Vec<u8>, Cid)>, Option<String>);

fn told<S: BlockStore>(walk: Walk<'_, S>) -> Told {
    let mut walk = walk.start();
    let mut entries = Vec::new();
    loop {
        let fault = match walk.next_event() {
            Ok(None) => return (entries, None),
            Ok(Some(Event::Record { entry, .. } | Event::Entry { entry, .. })) => {
                entries.push((entry.key().to_vec(), entry.cid()));
                continue;
            }
            Ok(Some(Event::BadSubtree { error, .. } | Event::BadRecord { error, .. })) => {
                details(&error)
            }
            Ok(Some(Event::MissingSubtree { cid, .. })) => cid.to_string(),
            Ok(Some(Event::MissingRecord { entry, .. })) => entry.cid().to_string(),
            Ok(Some(other)) => panic!("{other:?}"),
            Err(error) if error.class() == ErrorClass::Missing => error.cid().unwrap().to_string(),
            Err(error) => details(&error),
        };
        return (entries, Some(fault));
    }
}

/// A repository in whose store some node is not as it should be.
fn with_fault(repo: &random::Random, rng: &mut Rng) -> MapStore {
    let mut store = MapStore::new(&repo.car);
    let mut nodes = repo.repo.root.blocks();
    nodes.remove(0);
    let Some((cid, mut block)) = (!nodes.is_empty()).then(|| rng.pick(&nodes).clone()) else {
        return store;
    };
    match rng.below(10) {
        0 => drop(store.blocks.remove(&common::cid(&cid))),
        1 => block.truncate(rng.below(block.len())),
        2 => block = rng.pick(&nodes).1.clone(),
        3 => block = Node::default().block(),
        4 => block.extend(vec![0; 5000]),
        5 => return store,
        6 => {
            let at = rng.below(block.len());
            block[at] ^= 1 << rng.below(8);
        }
        // Most likely in a key, which then belongs elsewhere, or to another layer.
        _ => {
            let letters: Vec<usize> =
                (0..block.len()).filter(|&at| block[at].is_ascii_alphanumeric()).collect();
            block[*rng.pick(&letters)] ^= 1;
        }
    }
    if store.contains(&common::cid(&cid)).unwrap() {
        store.insert(&cid, block);
    }
    store
}

#[test]
fn a_complete_walk_tells_what_a_partial_one_does_up_to_the_first_fault() {
    let (mut sound, mut faulty) = (0, 0);
    for seed in 0..cases(24) {
        let mut rng = Rng::new(seed);
        let random = random::repo(seed % 40, 400);
        let store = with_fault(&random, &mut rng);
        let commit =
            *Repo::from_slice(&random.car[..]).unwrap().store().header().roots().first().unwrap();
        for verification in [Verification::ReachedBlocks, Verification::DangerouslyNone] {
            let repo = Loader::new().verification(verification).from_store(&store, commit).unwrap();
            for (reverse, records) in [(false, true), (true, true), (false, false), (true, false)] {
                let walk = || repo.walk().reverse_if(reverse).records(records);
                let expected = told(walk().partial(true));
                assert_eq!(told(walk()), expected, "{seed} {reverse}");
                assert_eq!(told(walk().memory_limit(200_000)), expected, "{seed} {reverse}");
                *if expected.1.is_some() { &mut faulty } else { &mut sound } += 1;
            }
        }
    }
    assert!(sound > cases(15) && faulty > cases(50), "{sound}, {faulty}");
}
