//! Mutates CARs, and loads the results in every way: `cargo run --release -p carwalk-fuzz-bodies
//! --example mutate -- COUNT FILE..`. Mutations flip bits, remove bytes, insert copies of other
//! bytes, and change length prefixes.
//!
//! Nothing may panic or hang, all ways of loading must agree, and all records and answers must be
//! those of the original. Otherwise, the mutated CAR is written to a file, and the program exits
//! with 1.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use carwalk::car::SliceReader;
use carwalk::mst::{Event, Walk};
use carwalk::store::{Block, BlockStore, SpillFile};
use carwalk::{Cid, CommitRules, Error, Loader, Lookup, Repo, Result, Tree, Verification};
use carwalk_testkit::car::Car;
use carwalk_testkit::readers::OneByte;
use carwalk_testkit::rng::Rng;

/// Far longer than any input may take.
const TOO_LONG: Duration = Duration::from_secs(10);

/// A file before it is mutated.
struct Original {
    bytes: Vec<u8>,
    /// Whether the root is a node instead of a commit.
    is_tree: bool,
    /// Whether no node and no record is missing.
    is_whole: bool,
    records: BTreeMap<Vec<u8>, (Cid, Option<Vec<u8>>)>,
    /// Section offsets.
    offsets: Vec<usize>,
}

impl Original {
    fn read(name: &str) -> io::Result<Self> {
        let bytes = std::fs::read(name)?;
        let offsets = Car::parse(&bytes).map(|car| car.offsets()).unwrap_or_default();
        let mut original =
            Original { bytes, is_tree: false, is_whole: false, records: BTreeMap::new(), offsets };
        if let Ok(repo) = loader().from_slice(&original.bytes[..]) {
            (original.records, original.is_whole) = contents(repo.walk()).unwrap_or_default();
        } else if let Ok(tree) = tree(&original.bytes) {
            original.is_tree = true;
            (original.records, original.is_whole) = contents(tree.walk()).unwrap_or_default();
        }
        Ok(original)
    }

    /// Returns the bytes with some of them changed.
    fn mutated(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for _ in 0..rng.range(1, 4) {
            if !bytes.is_empty() {
                self.mutate(&mut bytes, rng);
            }
        }
        bytes
    }

    fn mutate(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let at = rng.below(bytes.len());
        let section = if self.offsets.is_empty() { 0 } else { *rng.pick(&self.offsets) };
        match rng.below(7) {
            0 | 1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = rng.below(256) as u8,
            3 => bytes.truncate(at),
            4 => {
                let end = (at + rng.range(1, 60)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let from = rng.below(bytes.len());
                let piece = bytes[from..(from + rng.range(1, 120)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            // The length prefix of a section.
            _ if section < bytes.len() => {
                let len = rng.range(1, 4).min(bytes.len() - section);
                bytes[section..section + len].copy_from_slice(&rng.bytes(len));
            }
            _ => bytes.push(rng.below(256) as u8),
        }
    }

    /// Loads a mutated CAR, and returns what is wrong.
    fn judge(&self, bytes: &[u8], rng: &mut Rng) -> std::result::Result<(), String> {
        if self.is_tree {
            return self.judge_walk(tree(bytes).map(Some).unwrap_or_default(), rng);
        }
        let by_slice = loader().from_slice(bytes);
        let told = by_slice.as_ref().err().map(ToString::to_string);
        self.judge_repo(by_slice, rng)?;
        let same = |way: &str, error: Option<&Error>| match (error.map(ToString::to_string), &told)
        {
            (found, expected) if found == *expected => Ok(()),
            (found, expected) => Err(format!("{way}: {found:?}, but {expected:?}")),
        };
        let by_stream = loader().from_reader(bytes);
        same("stream", by_stream.as_ref().err())?;
        self.judge_repo(by_stream, rng)?;
        let file = SpillFile::temporary().segment_len(4096);
        let spilled = loader().memory_limit(0).spill(bytes, file);
        same("spilled", spilled.as_ref().err())?;
        self.judge_repo(spilled, rng)?;
        if rng.chance(1, 100) {
            let slowly = loader().from_reader(OneByte(bytes));
            same("one byte", slowly.as_ref().err())?;
            self.judge_repo(slowly, rng)?;
        }
        let salvaged =
            loader().verification(Verification::ReachedBlocks).salvage(true).from_slice(bytes);
        self.judge_repo(salvaged, rng)
    }

    fn judge_repo<S: BlockStore>(
        &self,
        repo: Result<Repo<S>>,
        rng: &mut Rng,
    ) -> std::result::Result<(), String> {
        match repo {
            Ok(repo) => self.judge_walk(Some(repo.tree()), rng),
            Err(_) => Ok(()),
        }
    }

    fn judge_walk<S: BlockStore>(
        &self,
        tree: Option<impl std::borrow::Borrow<Tree<S>>>,
        rng: &mut Rng,
    ) -> std::result::Result<(), String> {
        let Some(tree) = tree else { return Ok(()) };
        let tree = tree.borrow();
        if let Ok((records, is_whole)) = contents(tree.walk()) {
            for (key, (cid, record)) in &records {
                let Some((expected, bytes)) = self.records.get(key) else {
                    return Err(format!(
                        "a key that the original does not have: {}",
                        key.escape_ascii()
                    ));
                };
                if cid != expected || record.is_some() && record != bytes {
                    return Err(format!(
                        "a record that the original does not have: {}",
                        key.escape_ascii()
                    ));
                }
            }
            if is_whole && self.is_whole && records.len() != self.records.len() {
                return Err("records are lost without an error".to_owned());
            }
        }
        let keys: Vec<&Vec<u8>> = self.records.keys().collect();
        for _ in 0..if keys.is_empty() { 0 } else { 3 } {
            let key = *rng.pick(&keys);
            match tree.get_key(key) {
                Ok(Lookup::Present { cid, .. }) if cid != self.records[key].0 => {
                    return Err("a lookup found another CID than in the original".into());
                }
                Ok(Lookup::Absent) => return Err(format!("{} is absent", key.escape_ascii())),
                _ => {}
            }
        }
        Ok(())
    }
}

fn loader() -> Loader {
    Loader::new().commits(CommitRules::Legacy)
}

/// The tree of a CAR without a commit. Nothing is hashed before a walk reaches it.
fn tree(bytes: &[u8]) -> Result<Tree<Blocks<'_>>> {
    let mut sections = SliceReader::new(bytes)?;
    let root = sections.header().root();
    let blocks =
        sections.by_ref().map_while(Result::ok).map(|section| (section.cid(), section.block()));
    Ok(Tree::new(Blocks(blocks.collect()), root))
}

struct Blocks<'b>(HashMap<Cid, &'b [u8]>);

impl<'b> BlockStore for Blocks<'b> {
    type Bytes<'a>
        = &'b [u8]
    where
        Self: 'a;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&'b [u8]>>> {
        Ok(self.0.get(cid).map(|block| Block::new(*block)))
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        Ok(self.0.contains_key(cid))
    }
}

type Contents = (BTreeMap<Vec<u8>, (Cid, Option<Vec<u8>>)>, bool);

/// Returns the records of a partial walk, and whether nothing is missing.
fn contents<S: BlockStore>(walk: Walk<'_, S>) -> Result<Contents> {
    let (mut records, mut is_whole) = (BTreeMap::new(), true);
    let mut walk = walk.partial(true).start();
    while let Some(event) = walk.next_event()? {
        let (entry, record) = match event {
            Event::Record { entry, block, .. } => (entry, Some(block.to_vec())),
            Event::MissingRecord { entry, .. } | Event::BadRecord { entry, .. } => (entry, None),
            _ => {
                is_whole = false;
                continue;
            }
        };
        is_whole &= record.is_some();
        records.insert(entry.key().to_vec(), (entry.cid(), record));
    }
    Ok((records, is_whole))
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(count) = args.next().and_then(|count| count.parse::<u64>().ok()) else {
        eprintln!("usage: mutate COUNT FILE..");
        return ExitCode::FAILURE;
    };
    let mut outcomes: HashMap<bool, u64> = HashMap::new();
    for name in args {
        let original = match Original::read(&name) {
            Ok(original) => original,
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        };
        let start = Instant::now();
        for seed in 0..count {
            let mut rng = Rng::for_item(seed, name.len() as u64);
            let bytes = original.mutated(&mut rng);
            let begun = Instant::now();
            let judged = catch_unwind(AssertUnwindSafe(|| original.judge(&bytes, &mut rng)));
            let outcome = match judged {
                Ok(Ok(())) if begun.elapsed() > TOO_LONG => {
                    Err(format!("took {:?}", begun.elapsed()))
                }
                Ok(outcome) => outcome,
                Err(_) => Err("panicked".to_owned()),
            };
            if let Err(fault) = outcome {
                let file = format!("mutated-{seed}.car");
                let kept = std::fs::write(&file, &bytes);
                eprintln!("{name}, mutation {seed}: {fault}; {file} {kept:?}");
                return ExitCode::FAILURE;
            }
            *outcomes.entry(loader().from_slice(&bytes[..]).is_ok()).or_default() += 1;
        }
        let accepted = outcomes.remove(&true).unwrap_or(0);
        println!(
            "{name}: {count} mutations, {accepted} of them still load, {:.1?}",
            start.elapsed()
        );
        outcomes.clear();
    }
    ExitCode::SUCCESS
}
