//! `carwalk diff`: prints the changes between two trees, or between rows and a tree.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use carwalk::mst::{Change, DiffSide};
use clap::Args;

use crate::changes::{ChangedNodes, write_json, write_text};
use crate::escape::escaped;
use crate::failure::{Cause, Failure};
use crate::input::{Fault, Input, OpenedTree, Several, finish};
use crate::output::{Counted, Output};
use crate::rows::Rows;

/// The help of the first CAR.
const OLD: &str = "The old CAR, also compressed with gzip or zstd; `-` is standard input. With \
                   --rows, the only CAR, and the new one";

const USAGE: &str = "carwalk diff [OPTIONS] <OLD> <NEW>
       carwalk diff [OPTIONS] --rows <FILE> <NEW>";

/// Print the changes between two repositories, or between rows and a repository
#[derive(Args, Debug)]
#[command(
    override_usage = USAGE,
    mut_arg("file", |arg| arg.value_name("OLD").help(OLD)),
    mut_arg("commit", |arg| arg.conflicts_with("new"))
)]
pub(crate) struct PrintDiff {
    #[command(flatten)]
    input: Input,

    /// The new CAR; `-` is standard input
    #[arg(
        value_name = "NEW",
        index = 2,
        required_unless_present = "rows",
        conflicts_with = "rows"
    )]
    new: Option<PathBuf>,

    /// Compare these rows, in the form and order of `ls`, with the CAR; `-` is standard input
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,

    /// Print JSON Lines with the fields change, path, collection, rkey, old and new; or change,
    /// side, node, layer, after and before
    #[arg(long)]
    json: bool,

    /// Add a last line with the nodes of one tree only, and whether no node was missing
    #[arg(long, requires = "json")]
    nodes: bool,

    /// The first root of each CAR is a node of the tree, not a commit
    #[arg(long)]
    bare_tree: bool,
}

/// The number of changes.
#[derive(Default)]
struct Found {
    changes: u64,
    /// Missing nodes of the old and the new side.
    missing: [u64; 2],
}

impl PrintDiff {
    /// Compares the two sides.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let cars = Several::new(&self.input, self.new.as_slice());
        self.compare(&cars).map_err(|fault| cars.failure(fault, false))
    }

    fn compare(&self, cars: &Several) -> Result<(), Fault> {
        cars.check(self.bare_tree)?;
        let rows = self.rows.as_deref();
        if rows == Some(Path::new("-")) && cars.read_stdin() {
            return Err(Cause::STDIN_TWICE.into());
        }
        let rows = rows.map(Rows::open).transpose()?;
        let trees = cars.open_trees(self.bare_tree)?;
        finish(None, |out| match (rows, trees.as_slice()) {
            (Some(mut rows), [new]) => {
                let done = self.compare_rows(&mut rows, new, out);
                match rows.take_error() {
                    Some(error) => Err(Cause::from(error).into()),
                    None => done,
                }
            }
            (None, [old, new]) => self.compare_trees(old, new, out),
            _ => Err(Cause::Usage("two CARs are compared, or rows and one CAR").into()),
        })
    }

    fn compare_rows(
        &self,
        rows: &mut Rows<impl BufRead>,
        new: &OpenedTree,
        out: &mut Output,
    ) -> Result<(), Fault> {
        let mut diff = new.tree.diff_rows(rows).partial(true).nodes(self.nodes);
        let found = self.print(&mut diff, out)?;
        let nodes = || ChangedNodes::new(diff.created_nodes(), [], diff.is_complete());
        self.print_nodes(nodes, out)?;
        // The rows are the old side, and the CAR is the only one.
        let Found { changes, missing: [old, new] } = found;
        Found { changes, missing: [new, old] }.into_result()
    }

    fn compare_trees(
        &self,
        old: &OpenedTree,
        new: &OpenedTree,
        out: &mut Output,
    ) -> Result<(), Fault> {
        if let (Some(old), Some(new)) = (&old.account, &new.account)
            && old != new
        {
            out.note(format_args!("different accounts: {} and {}", escaped(old), escaped(new)))?;
        }
        let mut diff = old.tree.diff(&new.tree).partial(true).nodes(self.nodes);
        let found = self.print(&mut diff, out)?;
        let nodes =
            || ChangedNodes::new(diff.created_nodes(), diff.deleted_nodes(), diff.is_complete());
        self.print_nodes(nodes, out)?;
        found.into_result()
    }

    /// Prints one line for each change.
    fn print(
        &self,
        diff: &mut dyn Iterator<Item = carwalk::Result<Change>>,
        out: &mut Output,
    ) -> Result<Found, Fault> {
        let mut found = Found::default();
        for change in diff {
            let change = change?;
            out.step();
            if self.json { write_json(&change, out) } else { write_text(&change, out) }?;
            found.count(&change);
        }
        Ok(found)
    }

    fn print_nodes(
        &self,
        nodes: impl FnOnce() -> ChangedNodes,
        out: &mut Output,
    ) -> Result<(), Fault> {
        if self.nodes {
            nodes().write_json(out)?;
        }
        Ok(())
    }
}

impl Found {
    fn count(&mut self, change: &Change) {
        let [old, new] = &mut self.missing;
        let count = match change {
            Change::Unknown { side: DiffSide::Old, .. } => old,
            Change::Unknown { side: DiffSide::New, .. } => new,
            _ => &mut self.changes,
        };
        *count = count.saturating_add(1);
    }

    /// Fails if there is a change, or an unknown one.
    fn into_result(self) -> Result<(), Fault> {
        let Found { changes, missing: [old, new] } = self;
        let input = match (old, new) {
            (0, 0) if changes == 0 => return Ok(()),
            (0, 0) => return Err(Cause::Different.into()),
            (_, 0) => Some(0),
            (0, _) => Some(1),
            _ => None,
        };
        let nodes = Counted(old.saturating_add(new), "node");
        let message = format!("missing: {nodes}, whose keys cannot be compared");
        Err(Fault::of(input, Cause::Missing(message)))
    }
}
