//! Readers in other languages: scripts in `scripts/`, which run in the runtimes of their languages.

use std::env;
use std::path::Path;
use std::process::Command;

use clap::ValueEnum;

use super::{Input, Items, Mode, Reader, Work};

/// A script and its interpreter.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Environment variable that names the interpreter.
    variable: &'static str,
    /// Interpreter if the variable is not set.
    interpreter: &'static str,
    /// File name of the script in `scripts/`.
    file: &'static str,
}

pub(super) const ATCUTE: Reader = Reader {
    name: "atcute-repo",
    title: "@atcute/repo 1.0.2 on Node.js",
    input: Input::File,
    items: Items::Records,
    repeats: true,
    checks: "Canonical DAG-CBOR, maximal prefixes, repo paths, and the order of keys in each node; no hash, no \
             layers, no order of keys across nodes.",
    work: Work::Script(Script {
        variable: "COMPARE_NODE",
        interpreter: "node",
        file: "atcute_repo.mjs",
    }),
};

pub(super) const PYTHON_LIBIPLD: Reader = Reader {
    name: "python-libipld",
    title: "python-libipld 3.4.1, and a walk in Python",
    items: Items::Entries,
    checks: "That every block is DAG-CBOR: it decodes all blocks, including records, into Python objects; no hash, and no \
             rule of the tree, which the script itself walks. It does not return the bytes of records.",
    work: Work::Script(Script {
        variable: "COMPARE_PYTHON",
        interpreter: "python3",
        file: "python_libipld.py",
    }),
    ..ATCUTE
};

impl Script {
    /// Returns the command that runs the script on a file.
    pub(crate) fn command(&self, file: &Path, mode: Mode) -> Command {
        let interpreter = env::var_os(self.variable).unwrap_or_else(|| self.interpreter.into());
        let mut command = Command::new(interpreter);
        let mode = mode.to_possible_value().map(|value| value.get_name().to_owned());
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(self.file))
            .arg(file)
            .args(mode);
        command
    }
}
