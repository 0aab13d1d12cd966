//! Times the diffs of carwalk and its peers between two trees, and prints a table.

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use carwalk::car::Writer;
use carwalk::cid::Codec;
use carwalk::mst::{Builder, Event};
use carwalk::store::SliceStore;
use carwalk::{Cid, Repo, Tree};
use carwalk_compare::Result;
use carwalk_compare::machine::Machine;
use clap::Parser;
use jacquard_repo::{MemoryBlockStore, Mst};
use shrike::mst::{BlockStore as _, MemBlockStore};

/// Compares the tree of a CAR with one in which some records differ, with each library in turn, and
/// prints the medians. The blocks are in memory and verified before, and that is not timed.
#[derive(Parser)]
struct Args {
    /// The CAR with the old tree.
    file: PathBuf,
    /// Number of records that differ, at random places.
    #[arg(long, default_value_t = 1000)]
    changes: usize,
    /// Number of rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

type Nodes = Vec<(Cid, Vec<u8>)>;

/// Both trees in the form of each library.
struct Trees {
    old: Tree<SliceStore<Vec<u8>>>,
    new: Tree<SliceStore<Vec<u8>>>,
    nodes: Nodes,
    jacquard: Arc<MemoryBlockStore>,
}

/// A diff: returns the number of differences and the time.
type Diff = fn(&Trees) -> Result<(usize, Duration)>;

const DIFFS: [(&str, &str, Diff); 3] = [
    (
        "carwalk",
        "Every rule of the tree, in each node that differs. Nodes were hashed before.",
        carwalk,
    ),
    (
        "shrike 0.8.2, mst::diff",
        "The order of keys, and the fields of every node. It reads both trees whole.",
        shrike,
    ),
    ("jacquard-repo 0.12.2, Mst::diff", "The fields of the nodes that differ.", jacquard),
];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "diffs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let trees = trees(args)?;
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); DIFFS.len()];
    for _ in 0..args.rounds {
        for ((name, _, diff), times) in DIFFS.iter().zip(&mut times) {
            let (changes, time) = diff(&trees)?;
            // Some places may have been chosen twice.
            if changes == 0 || changes > args.changes {
                return Err(format!("{name} found {changes} differences").into());
            }
            times.push(time);
        }
    }
    let mut out = io::stdout();
    writeln!(out, "{}, medians of {} rounds.\n", Machine::this()?, args.rounds)?;
    writeln!(out, "| | time | to carwalk | what is checked |\n|---|--:|--:|---|")?;
    let medians = times.iter_mut().map(|times| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64()
    });
    let medians: Vec<f64> = medians.collect();
    let own = medians.first().copied().unwrap_or(f64::NAN);
    for ((name, checks, _), time) in DIFFS.iter().zip(&medians) {
        writeln!(out, "| {name} | {:.2} ms | {:.1} | {checks} |", time * 1e3, time / own)?;
    }
    Ok(())
}

fn carwalk(trees: &Trees) -> Result<(usize, Duration)> {
    let start = Instant::now();
    let mut changes = 0;
    for change in trees.old.diff(&trees.new) {
        black_box(change?);
        changes += 1;
    }
    Ok((changes, start.elapsed()))
}

fn shrike(trees: &Trees) -> Result<(usize, Duration)> {
    let load = |root: Cid| -> Result<_> {
        let store = MemBlockStore::new();
        for (cid, block) in &trees.nodes {
            store.put_block(shrike::Cid::from_bytes(cid.as_bytes())?, block.clone())?;
        }
        Ok(shrike::mst::Tree::load(Box::new(store), shrike::Cid::from_bytes(root.as_bytes())?))
    };
    let (mut old, mut new) = (load(trees.old.root())?, load(trees.new.root())?);
    let start = Instant::now();
    let diff = shrike::mst::diff(&mut old, &mut new)?;
    Ok((diff.added.len() + diff.updated.len() + diff.removed.len(), start.elapsed()))
}

fn jacquard(trees: &Trees) -> Result<(usize, Duration)> {
    let load = |root: Cid| -> Result<_> {
        Ok(Mst::load(Arc::clone(&trees.jacquard), cid::Cid::try_from(&root.as_bytes()[..])?, None))
    };
    let (old, new) = (load(trees.old.root())?, load(trees.new.root())?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let start = Instant::now();
    let diff = runtime.block_on(old.diff(&new))?;
    Ok((diff.creates.len() + diff.updates.len() + diff.deletes.len(), start.elapsed()))
}

fn trees(args: &Args) -> Result<Trees> {
    let repo = Repo::from_reader(File::open(&args.file)?)?;
    let (old_root, mut nodes) = (repo.commit().data(), Nodes::new());
    let mut walk = repo.walk().nodes(true).records(false).start();
    while let Some(event) = walk.next_event()? {
        if let Event::Node { cid, block, .. } = event {
            nodes.push((cid, block.to_vec()));
        }
    }
    let old = tree(old_root, &nodes)?;
    let (new_root, new_nodes) = changed(&repo, args.changes)?;
    let new = tree(new_root, &new_nodes)?;
    nodes.extend(new_nodes);
    let blocks: Result<BTreeMap<_, _>> = nodes
        .iter()
        .map(|(cid, block)| Ok((cid::Cid::try_from(&cid.as_bytes()[..])?, block.clone().into())))
        .collect();
    let jacquard = Arc::new(MemoryBlockStore::new_from_blocks(blocks?));
    Ok(Trees { old, new, nodes, jacquard })
}

/// Returns the tree of these nodes, which are verified.
fn tree(root: Cid, nodes: &Nodes) -> Result<Tree<SliceStore<Vec<u8>>>> {
    let mut car = Writer::new(Vec::new(), &[root])?;
    for (cid, block) in nodes {
        car.write(*cid, block)?;
    }
    Ok(Tree::new(SliceStore::new(car.finish()?)?, root))
}

/// Returns the tree in which some entries have another record.
fn changed<S: carwalk::store::BlockStore>(repo: &Repo<S>, changes: usize) -> Result<(Cid, Nodes)> {
    let records = repo.entries().try_count()?;
    let mut state = 1_u64;
    let numbers = (0..changes).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % records
    });
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    let mut nodes = Nodes::new();
    let mut tree = Builder::new(|cid, _, block| {
        nodes.push((*cid, block.to_vec()));
        Ok(())
    });
    for (entry, number) in repo.entries().zip(0..) {
        let entry = entry?;
        let key = entry.path().as_str().as_bytes();
        let is_changed = numbers.binary_search(&number).is_ok();
        tree.entry(key, if is_changed { Cid::of(Codec::DagCbor, key) } else { entry.cid() })?;
    }
    let root = tree.finish()?;
    Ok((root, nodes))
}
