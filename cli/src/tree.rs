//! `carwalk tree`: prints the nodes of the tree.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use carwalk::limits::MAX_KEY_LEN;
use carwalk::mst::{Event, Layer, Node};
use carwalk::store::{BlockStore, CarStore};
use carwalk::{Cid, Repo, Tree};
use clap::Args;

use crate::commits;
use crate::counts::add;
use crate::escape;
use crate::failure::Cause;
use crate::input::{CAR_BEFORE_PATH, Command, Input, TreeCommand};
use crate::output::Output;
use crate::target::Target;

/// Print the nodes of the tree, or the nodes on the way to one key
#[derive(Args, Debug)]
#[command(mut_arg("file", |arg| arg.help(CAR_BEFORE_PATH)))]
pub(crate) struct PrintTree {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Only the nodes on the way to this key: collection/rkey, an AT URI with a DID, or a key that
    /// is escaped as `ls --partial` prints it
    #[arg(value_name = "PATH|AT-URI", index = 2, conflicts_with = "depth")]
    key: Option<SoughtKey>,

    /// Only the root and N levels of nodes below it
    #[arg(long, value_name = "N")]
    depth: Option<usize>,

    /// The first root of the CAR is a node of the tree, not a commit
    #[arg(long)]
    bare_tree: bool,
}

/// A key, and the account that the repository must have, if an AT URI names one.
#[derive(Clone, Debug)]
struct SoughtKey {
    target: Option<Target>,
    key: Vec<u8>,
}

impl FromStr for SoughtKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("at://") {
            let target: Target = text.parse()?;
            let key = target.path.as_path().as_str().into();
            return Ok(SoughtKey { target: Some(target), key });
        }
        let mut key = Vec::new();
        escape::unescape_key(text.as_bytes(), &mut key).map_err(|error| error.to_string())?;
        match key.len() {
            0 => Err("a key is never empty".to_owned()),
            1..=MAX_KEY_LEN => Ok(SoughtKey { target: None, key }),
            found => Err(format!("{found} bytes: a key has at most {MAX_KEY_LEN}")),
        }
    }
}

impl fmt::Display for SoughtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.escape_ascii().fmt(f)
    }
}

impl Command for PrintTree {
    fn salvages(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), Cause> {
        if self.bare_tree && self.key.as_ref().is_some_and(|key| key.target.is_some()) {
            return Err(Cause::Usage("a bare tree is of no account: give collection/rkey"));
        }
        Ok(())
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        if let Some(SoughtKey { target: Some(target), .. }) = &self.key {
            target.check_account(repo.commit())?;
        }
        let missing = self.print(repo.tree(), out)?;
        if missing > 0
            && let Some(other) = commits::complete(repo, self.input.commit_rules())
        {
            out.note(format_args!("{other}"))?;
        }
        Ok(())
    }
}

impl TreeCommand for PrintTree {
    fn is_bare(&self) -> bool {
        self.bare_tree
    }

    fn run_bare<S: BlockStore>(&self, tree: &Tree<S>, out: &mut Output) -> Result<(), Cause> {
        self.print(tree, out).map(drop)
    }
}

impl PrintTree {
    /// Returns the number of missing nodes among the printed ones.
    fn print<S: BlockStore>(&self, tree: &Tree<S>, out: &mut Output) -> Result<u64, Cause> {
        match &self.key {
            Some(key) => print_path(tree, key, out).map(|()| 0),
            None => self.print_all(tree, out),
        }
    }

    fn print_all<S: BlockStore>(&self, tree: &Tree<S>, out: &mut Output) -> Result<u64, Cause> {
        let (mut lines, mut missing) = (Lines::default(), 0);
        let mut walk = tree.walk().nodes(true).records(false).partial(true).start();
        while let Some(event) = walk.next_event()? {
            match event {
                Event::Node { cid, layer, depth, block, .. } => {
                    out.step();
                    let node = Node::parse(block)?;
                    lines.node(cid, layer, &node, out)?;
                    if self.depth.is_some_and(|most| depth >= most) {
                        lines.not_shown(layer, &node, out)?;
                        walk.skip_subtree();
                    }
                }
                Event::MissingSubtree { cid, layer, .. } => {
                    add(&mut missing, 1);
                    lines.closed(cid, layer.map(Layer::get), Closed::Missing, out)?;
                }
                Event::BadSubtree { cid, layer, interval, error, .. } => {
                    out.note(format_args!("bad subtree: {error}; hides {interval}"))?;
                    lines.closed(cid, layer.map(Layer::get), Closed::Bad, out)?;
                }
                _ => {}
            }
        }
        Ok(missing)
    }
}

/// Prints the nodes on the search path of a key, and whether the key is present.
fn print_path<S: BlockStore>(
    tree: &Tree<S>,
    key: &SoughtKey,
    out: &mut Output,
) -> Result<(), Cause> {
    let mut lines = Lines::default();
    let mut walk = tree.walk().nodes(true).records(false).partial(true).key(&key.key).start();
    while let Some(event) = walk.next_event()? {
        match event {
            Event::Node { cid, layer, block, .. } => {
                lines.node(cid, layer, &Node::parse(block)?, out)?;
            }
            Event::Entry { entry, .. } => return Ok(writeln!(out, "present {}", entry.cid())?),
            Event::MissingSubtree { cid, layer, interval, .. } => {
                lines.closed(cid, layer.map(Layer::get), Closed::Missing, out)?;
                writeln!(out, "unknown")?;
                return Err(Cause::Missing(format!(
                    "cannot tell whether there is a record {key}: the node {cid} is missing, which \
                     hides {interval}"
                )));
            }
            Event::BadSubtree { cid, layer, error, .. } => {
                lines.closed(cid, layer.map(Layer::get), Closed::Bad, out)?;
                return Err(error.into());
            }
            _ => {}
        }
    }
    writeln!(out, "absent")?;
    Err(Cause::No(format!("there is no record {key}: the tree proves it")))
}

/// Why a subtree is not printed.
#[derive(Clone, Copy)]
enum Closed {
    /// Its root is missing.
    Missing,
    /// Its root does not have its CID, or breaks a rule.
    Bad,
    /// It is below the depth that was asked for.
    NotShown,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Closed::Missing => "(missing)",
            Closed::Bad => "(bad)",
            Closed::NotShown => "(not shown)",
        })
    }
}

/// Prints one line for each node, indented by its depth.
#[derive(Default)]
struct Lines {
    /// The layer of the root, once it was printed.
    height: Option<u8>,
    /// The last key of a node.
    key: Vec<u8>,
}

impl Lines {
    /// Prints a node.
    fn node(
        &mut self,
        cid: Cid,
        layer: Layer,
        node: &Node<'_>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.height.get_or_insert(layer.get());
        self.begin(Some(layer.get()), cid, out)?;
        self.keys(node, out)
    }

    /// Prints the roots of the subtrees below a node on `layer`.
    fn not_shown(&self, layer: Layer, node: &Node<'_>, out: &mut impl Write) -> io::Result<()> {
        let links = node.left().into_iter().chain(node.entries().filter_map(|entry| entry.tree()));
        for link in links {
            // A node on layer 0 has no links.
            self.closed(link, layer.get().checked_sub(1), Closed::NotShown, out)?;
        }
        Ok(())
    }

    /// Prints the number of a node's entries, and their first and last key.
    fn keys(&mut self, node: &Node<'_>, out: &mut impl Write) -> io::Result<()> {
        let count = node.entries().len();
        write!(out, " {count} {}", if count == 1 { "entry" } else { "entries" })?;
        self.key.clear();
        for (number, entry) in node.entries().enumerate() {
            self.key.truncate(entry.prefix_len());
            self.key.extend_from_slice(entry.key_suffix());
            if number == 0 {
                write!(out, " {}", self.key.escape_ascii())?;
            }
        }
        if count > 1 {
            write!(out, " .. {}", self.key.escape_ascii())?;
        }
        writeln!(out)
    }

    /// Prints a subtree that is not walked.
    fn closed(
        &self,
        cid: Cid,
        layer: Option<u8>,
        why: Closed,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.begin(layer, cid, out)?;
        writeln!(out, " {why}")
    }

    /// Begins a line with the layer and the CID. Each link leads one layer down.
    fn begin(&self, layer: Option<u8>, cid: Cid, out: &mut impl Write) -> io::Result<()> {
        let depth = self.height.zip(layer).map_or(0, |(height, layer)| {
            debug_assert!(layer <= height, "a node above the root");
            usize::from(height.saturating_sub(layer))
        });
        write!(out, "{:indent$}", "", indent = depth.saturating_mul(2))?;
        match layer {
            Some(layer) => write!(out, "{layer} {cid}"),
            // Only a root that was not read has an unknown layer.
            None => write!(out, "? {cid}"),
        }
    }
}
