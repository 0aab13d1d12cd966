//! `carwalk pack`: writes one CAR in pre-order, from one or several.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use carwalk::RepoWriter;
use carwalk::store::{BlockStore, Union};
use clap::Args;

use crate::failure::{Cause, Failure};
use crate::input::{Fault, Input, InputStore, LeftOut, Several};
use crate::keys::Keys;
use crate::out_file::OutFile;
use crate::output::{Counted, Output};

/// The help of the first CAR.
const CAR: &str = "The CAR file, also compressed with gzip or zstd; standard input if it is left \
                   out or `-`. Of several, the snapshot";

/// Write a CAR in pre-order: reorder, compact, and merge several
#[derive(Args, Debug)]
#[command(mut_arg("file", |arg| arg.help(CAR)))]
pub(crate) struct Pack {
    #[command(flatten)]
    input: Input,

    /// Further CARs of the account, in any order: responses of getRepo with `since`
    #[arg(value_name = "SINCE", index = 2)]
    more: Vec<PathBuf>,

    #[command(flatten)]
    out: OutFile,

    /// Write each entry's record, also if an equal one is among the last 65,536 written
    #[arg(long)]
    repeats: bool,

    /// Leave the records out: they need not be present
    #[arg(long)]
    no_records: bool,

    /// The first root of the first CAR is a node of the tree, not a commit
    #[arg(long)]
    bare_tree: bool,

    #[command(flatten)]
    keys: Keys,
}

impl Pack {
    /// Packs the CARs.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let cars = Several::new(&self.input, &self.more);
        self.pack(&cars).map_err(|fault| cars.failure(fault, self.out.is_stdout()))
    }

    fn pack(&self, cars: &Several) -> Result<(), Fault> {
        self.keys.check()?;
        self.out.check()?;
        if self.out.is_stdout() && io::stdout().is_terminal() {
            return Err(Cause::TERMINAL.into());
        }
        cars.check(self.bare_tree)?;
        let loaded = cars.load()?;
        if self.bare_tree {
            let tree = cars.open_tree(loaded)?;
            return self.write(tree.writer(), tree.store());
        }
        let repo = cars.open(loaded)?;
        repo.store().stores().iter().for_each(InputStore::count_anew);
        // The commit is one of the blocks that are written.
        repo.store().get(&repo.commit().cid())?;
        self.write(repo.writer(), repo.store()).map_err(|fault| cars.hint(fault, &repo))
    }

    /// Writes OUT, and one line on stderr about what was left out of it.
    fn write(
        &self,
        writer: RepoWriter<'_, Union<InputStore>>,
        cars: &Union<InputStore>,
    ) -> Result<(), Fault> {
        let writer = writer.records(!self.no_records).repeats(self.repeats);
        let writer = if self.keys.any() { writer.range(self.keys.range()?) } else { writer };
        let mut out = Output::new(None);
        let stats = self.out.write(&mut out, |output| writer.write(output))?;
        out.flush()?;
        let mut all = LeftOut::default();
        for car in cars.stores() {
            let LeftOut { blocks, bytes } = car.left_out()?;
            all.blocks = all.blocks.saturating_add(blocks);
            all.bytes = all.bytes.saturating_add(bytes);
        }
        let (blocks, bytes) = (Counted(all.blocks, "block"), Counted(all.bytes, "byte"));
        let repeats = Counted(stats.repeats, "repeat");
        Ok(out.note(format_args!("left out: {blocks} ({bytes}), {repeats}"))?)
    }
}
