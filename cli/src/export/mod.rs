//! `carwalk export`: writes the records of many CARs as rows.

mod digest;
mod folder;
mod ranges;
mod stream;
mod tally;

use std::io::{self, ErrorKind, IsTerminal};
use std::ops::ControlFlow;
use std::path::{self, Path, PathBuf};

use carwalk_batch::columns::Columns;
use carwalk_batch::staging::{Encode, Encoding, Exporter, Selection};
use carwalk_batch::text::Format;
use carwalk_batch::{Delivery, Ending, History, Input, Inputs, Line, Order, Stop, Worker};
use clap::{Args, ValueEnum};

use self::ranges::Ranges;
use self::tally::Tally;
use crate::batch::{Batch, OfAccount};
use crate::failure::{Cause, Failure};
use crate::input::Reading;
use crate::out_file::OutFile;
use crate::progress::SharedProgress;
use crate::{size, target};

// Shorter than elsewhere, because there are many options.
const NO_MMAP: &str = "Read large files instead of mapping them (see `carwalk --help`)";

/// Write the records of many CARs as rows: JSON Lines or CSV
#[derive(Args, Debug)]
#[command(mut_arg("no_mmap", |arg| arg.help(NO_MMAP)))]
pub(crate) struct Export {
    /// CARs, also compressed with gzip or zstd, and folders of CARs
    #[arg(value_name = "INPUT", required_unless_present = "files_from")]
    inputs: Vec<PathBuf>,

    /// The format: jsonl or csv
    #[arg(long = "as", value_name = "FORMAT")]
    format: Format,

    /// Columns, with commas between them [default: all]
    #[arg(long, value_name = "COLUMNS", default_value_t, hide_default_value = true)]
    columns: Columns,

    /// A file, or a folder of parts; `-` is standard output
    #[arg(short, long, value_name = "OUT", default_value = "-", hide_default_value = true)]
    output: PathBuf,

    /// Overwrite OUT if it is a file that exists
    #[arg(long)]
    force: bool,

    /// Compress the rows
    #[arg(long, value_name = "METHOD")]
    compress: Option<Compression>,

    /// Size from which on a part is complete, in bytes of the file [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    part_size: Option<u64>,

    /// Only repositories of this account
    #[arg(long, value_name = "DID", value_parser = target::did)]
    did: Option<String>,

    #[command(flatten)]
    batch: Batch,

    #[command(flatten)]
    ranges: Ranges,

    #[command(flatten)]
    reading: Reading,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compression {
    Gzip,
}

/// What comes from the threads.
type Delivered<'i> = Delivery<'i, Input, Vec<u8>, Line>;

impl Export {
    /// Exports the inputs.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.export().map_err(|cause| Failure {
            input: "inputs".to_owned(),
            cause,
            has_partial: false,
            // Rows are data: a reader that misses some must not take them for all.
            is_binary: true,
        })
    }

    fn export(&self) -> Result<(), Cause> {
        let selection = self.ranges.select(self.columns)?;
        if self.is_folder() {
            return self.to_folder(&selection);
        }
        if self.part_size.is_some() {
            return Err(Cause::Usage("--part-size needs a folder: -o FOLDER/"));
        }
        let out = OutFile::new(self.output.clone(), self.force);
        // Devices such as `/dev/null` take both.
        let is_file = !out.is_stdout() && (self.output.is_file() || !self.output.exists());
        if is_file && self.batch.is_report(&self.output) {
            return Err(Cause::Usage("--report and -o are the same file"));
        }
        out.check().map_err(taken)?;
        if self.compress.is_some() && out.is_stdout() && io::stdout().is_terminal() {
            return Err(Cause::TERMINAL);
        }
        self.to_stream(&selection, &out)
    }

    /// Returns whether OUT is a folder: it is one, or ends with a slash.
    fn is_folder(&self) -> bool {
        let last = self.output.as_os_str().as_encoded_bytes().last().copied();
        last.is_some_and(|byte| path::is_separator(char::from(byte))) || self.output.is_dir()
    }

    fn encoding(&self) -> Encoding {
        Encoding::new(self.format, self.columns).gzip(self.compress.is_some())
    }

    fn inputs(&self) -> Result<Inputs, Cause> {
        self.batch.inputs(self.inputs.iter().map(AsRef::<Path>::as_ref))
    }

    /// Makes the rows of all inputs on threads, and passes them to `sink`. Returns whether all
    /// inputs were delivered.
    fn export_each(
        &self,
        inputs: &Inputs,
        (selection, history): (&Selection, &History),
        (order, stop): (Order, &Stop),
        tally: &mut Tally,
        mut sink: impl FnMut(Delivered<'_>, &mut Tally) -> Result<(), Cause>,
    ) -> Result<Ending, Cause> {
        let settings = self.reading.settings();
        let settings = match &self.did {
            Some(did) => settings.dids([did]),
            None => settings,
        };
        let (encoding, progress) = (self.encoding(), tally.progress.clone());
        let mut fault = None;
        let ending = self.batch.threads(stop.clone()).order(order).run(
            inputs.as_slice(),
            || {
                let worker = Worker::new(settings.clone(), stop.clone(), progress.advance());
                Exporter::new(worker, encoding.rows(), selection, history, stop)
            },
            |exporter, input, sender| exporter.export(input, sender),
            |delivery| match sink(delivery, tally) {
                Ok(()) => tally.flow(),
                Err(cause) => {
                    fault = Some(cause);
                    ControlFlow::Break(())
                }
            },
        );
        fault.map_or(Ok(ending), Err)
    }

    /// Creates the sums and the progress bar.
    fn tally(&self, inputs: &Inputs, writes_stdout: bool) -> Tally {
        let progress = SharedProgress::over_inputs(inputs.bytes(), writes_stdout);
        Tally::new(progress, OfAccount::new(self.did.as_deref()), self.batch.fail_fast)
    }
}

/// Returns the cause for an output that exists: perhaps a folder was meant.
fn taken(cause: Cause) -> Cause {
    match cause {
        Cause::File { path, error } if error.kind() == ErrorKind::AlreadyExists => {
            Cause::Taken { path }
        }
        cause => cause,
    }
}
