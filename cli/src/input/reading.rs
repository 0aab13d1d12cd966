//! Options for how a CAR is read, whatever it is read for.

use carwalk::{CommitRules, Limits};
use carwalk_batch::Settings;
use clap::Args;

use crate::size;

/// The help of `--no-mmap` for commands over many inputs. Short, because they have many options.
pub(crate) const NO_MMAP_OF_MANY: &str =
    "Read large files instead of mapping them (see `carwalk --help`)";

/// What is accepted, and whether files are mapped.
#[derive(Args, Clone, Debug)]
pub(crate) struct Reading {
    /// Accept legacy commits: version 2, and version 3 without `prev`
    #[arg(long, help_heading = "Input options")]
    pub(super) legacy: bool,

    /// Read the file into memory instead of mapping it. If a mapped file is truncated, the signal
    /// SIGBUS ends carwalk
    #[arg(long, help_heading = "Input options")]
    pub(super) no_mmap: bool,

    /// Longest accepted block, like 16MiB [default: 2MiB]
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = size::parse_u32,
        help_heading = "Input options"
    )]
    max_block: Option<u32>,

    /// Longest accepted CAR header [default: 1MiB]
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = size::parse_u32,
        help_heading = "Input options"
    )]
    max_header: Option<u32>,

    /// Most bytes to read, decompressed, if CAR is not mapped [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = "Input options")]
    max_stream: Option<u64>,
}

impl Reading {
    /// Returns which commits are accepted.
    pub(super) fn commit_rules(&self) -> CommitRules {
        if self.legacy { CommitRules::Legacy } else { CommitRules::Current }
    }

    /// Returns how the inputs of a batch are read.
    pub(crate) fn settings(&self) -> Settings {
        Settings::new().limits(self.limits()).commits(self.commit_rules()).map(!self.no_mmap)
    }

    /// Returns the options that shape what is read, by name, for the digest of a run.
    pub(super) fn shape(&self) -> [(&'static str, String); 4] {
        let limits = self.limits();
        [
            ("legacy", self.legacy.to_string()),
            ("max-block", limits.block_len().to_string()),
            ("max-header", limits.header_len().to_string()),
            ("max-stream", limits.stream_len().to_string()),
        ]
    }

    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        if let Some(len) = self.max_stream {
            limits = limits.max_stream_len(len);
        }
        if let Some(len) = self.max_block {
            limits = limits.max_block_len(len);
        }
        if let Some(len) = self.max_header {
            limits = limits.max_header_len(len);
        }
        limits
    }
}
