//! The options of an export, whatever its format is.

use std::num::NonZeroUsize;
use std::path::{self, Path, PathBuf};

use carwalk_batch::columns::Columns;
use carwalk_batch::{Inputs, Settings};
use clap::Args;

use super::ranges::Ranges;
use super::tally::Tally;
use crate::batch::{Batch, OfAccount};
use crate::failure::Cause;
use crate::input::{NO_MMAP_OF_MANY, Reading};
use crate::progress::SharedProgress;
use crate::{size, target};

/// The inputs, the rows that are wanted of them, and where they go.
#[derive(Args, Debug)]
#[command(mut_arg("no_mmap", |arg| arg.help(NO_MMAP_OF_MANY)))]
pub(super) struct Options {
    /// CARs, also compressed with gzip or zstd, and folders of CARs
    #[arg(value_name = "INPUT", required_unless_present = "files_from")]
    inputs: Vec<PathBuf>,

    /// Columns, with commas between them [default: all but record_cbor]
    #[arg(long, value_name = "COLUMNS", default_value_t, hide_default_value = true)]
    pub(super) columns: Columns,

    /// A file, or a folder of parts [default: standard output]
    #[arg(short, long, value_name = "OUT", default_value = "-", hide_default_value = true)]
    pub(super) output: PathBuf,

    /// Overwrite OUT if it is a file that exists
    #[arg(long)]
    pub(super) force: bool,

    /// Size from which on a part is complete, in bytes of the file [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(super) part_size: Option<u64>,

    /// Only repositories of this account
    #[arg(long, value_name = "DID", value_parser = target::did)]
    pub(super) did: Option<String>,

    #[command(flatten)]
    pub(super) batch: Batch,

    #[command(flatten)]
    pub(super) ranges: Ranges,

    #[command(flatten)]
    reading: Reading,
}

impl Options {
    /// Returns whether OUT is a folder: it is one, or ends with a slash.
    pub(super) fn is_folder(&self) -> bool {
        let last = self.output.as_os_str().as_encoded_bytes().last().copied();
        last.is_some_and(|byte| path::is_separator(char::from(byte))) || self.output.is_dir()
    }

    /// Lists the inputs.
    pub(super) fn inputs(&self) -> Result<Inputs, Cause> {
        self.batch.inputs(self.inputs.iter().map(AsRef::<Path>::as_ref))
    }

    /// Returns how inputs are read.
    pub(super) fn settings(&self) -> Settings {
        let settings = self.reading.settings();
        match &self.did {
            Some(did) => settings.dids([did]),
            None => settings,
        }
    }

    /// Returns the number of threads that read inputs.
    pub(super) fn jobs(&self) -> NonZeroUsize {
        self.batch.jobs()
    }

    /// Creates the sums and the progress bar.
    pub(super) fn tally(&self, inputs: &Inputs, writes_stdout: bool) -> Tally {
        let progress = SharedProgress::over_inputs(inputs.bytes(), writes_stdout);
        Tally::new(progress, OfAccount::new(self.did.as_deref()), self.batch.fail_fast)
    }
}
