//! Runs the tool and keeps what it said.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use crate::escape::is_harmful;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::export::{Export, Order};
use carwalk_testkit::repo::{self, Record, Repo};
use tempfile::TempDir;

/// What a run of the tool came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run<T = String> {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: T,
    pub(crate) stderr: String,
}

impl Run {
    /// Asserts success with nothing on stderr and no harmful characters on stdout, and returns
    /// that.
    #[track_caller]
    pub(crate) fn quiet_success(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        let harmful = self.stdout.chars().find(|char| is_harmful(*char) && !"\n\t".contains(*char));
        assert_eq!(harmful, None, "{}", self.stdout);
        self.stdout
    }

    /// Asserts an exit code and one line on stderr that begins with `error: `, and returns stderr.
    #[track_caller]
    pub(crate) fn one_error(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap();
        assert!(!line.chars().any(is_harmful), "{self:?}");
        self.stderr
    }

    /// Removes the warning that the tool prints before an error if it has read for some seconds.
    /// Whether it does depends on the machine.
    pub(crate) fn without_waiting(mut self) -> Self {
        if let Some((first, rest)) = self.stderr.split_once('\n')
            && first.starts_with("warning: waiting for more of the input")
        {
            self.stderr = rest.to_owned();
        }
        self
    }

    /// Asserts success, and returns stdout as one JSON value for each line.
    #[track_caller]
    pub(crate) fn json(self) -> Vec<serde_json::Value> {
        self.json_and(0)
    }

    /// Asserts an exit code, and returns stdout as one JSON value for each line.
    #[track_caller]
    pub(crate) fn json_and(self, code: i32) -> Vec<serde_json::Value> {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stdout.is_empty() || self.stdout.ends_with('\n'), "{self:?}");
        let lines = self.stdout.lines();
        lines
            .map(|line| {
                assert!(!line.chars().any(is_harmful), "{line:?}");
                serde_json::from_str(line).unwrap()
            })
            .collect()
    }
}

/// Commands that read all of a CAR, each with its forms of output.
pub(crate) const COMMANDS: [&[&str]; 9] = [
    &["ls"],
    &["ls", "-l", "--json"],
    &["ls", "-l", "--partial"],
    &["tree"],
    &["inspect"],
    &["inspect", "--json"],
    &["verify"],
    &["verify", "--json"],
    &["verify", "--records"],
];

/// Returns an export like a real one, with so many records.
pub(crate) fn export(records: usize, order: Order) -> Vec<u8> {
    let mut car = Vec::new();
    Export { records, seed: 1, order }.write_to(&mut car).unwrap();
    car
}

/// An array of nearly two million items, which takes some time to read.
pub(crate) fn long_array() -> Value {
    let len = 1_900_000_u32;
    Value::Raw([&[0x9a][..], &len.to_be_bytes(), &vec![1; len as usize]].concat())
}

/// Returns a repository in which the entries `com.example.test/00000` and so on have one record.
pub(crate) fn repeated(count: u32, record: &Record) -> Vec<u8> {
    let entry = || Record { cid: record.cid, bytes: Vec::new(), revision: 0 };
    let mut repo = Repo::new(repeated_paths(count).map(|path| (path.into_bytes(), entry())));
    // The block is added once: a writer would copy it for each entry.
    repo.records.clear();
    let mut car = repo.to_car(repo::Order::Preorder);
    car.push(record.cid, &record.bytes);
    car.to_bytes()
}

pub(crate) fn repeated_paths(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("com.example.test/{number:05}"))
}

/// The tool, ready to get arguments.
pub(crate) fn tool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_carwalk"))
}

/// The tool, ready to get arguments, with at most `kib` KiB of address space.
#[cfg(target_os = "linux")]
pub(crate) fn tool_within(kib: u64) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -v {kib} && exec \"$@\"");
    shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_carwalk")]);
    shell
}

/// Runs a command with nothing on stdin.
pub(crate) fn run_command(command: &mut Command) -> Run {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the tool with `input` on stdin; what it printed need not be text.
pub(crate) fn run_bytes<I: AsRef<OsStr>>(
    args: impl IntoIterator<Item = I>,
    input: &[u8],
) -> Run<Vec<u8>> {
    let mut command = tool();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // The tool may stop reading early.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the tool with `input` on stdin.
pub(crate) fn run_on<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>, input: &[u8]) -> Run {
    let Run { code, stdout, stderr } = run_bytes(args, input);
    Run { code, stdout: String::from_utf8(stdout).unwrap(), stderr }
}

/// Runs the tool with nothing on stdin.
pub(crate) fn run<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Run {
    run_on(args, b"")
}

/// Runs a command on bytes in a file, mapped and read, and in a pipe. All must say the same; the
/// file is called standard input.
#[track_caller]
pub(crate) fn each_way(args: &[&str], bytes: &[u8]) -> Run {
    let file = TempCar::new(bytes);
    let name = format!("{:?}", file.name());
    let renamed = |run: Run| Run { stderr: run.stderr.replace(&name, "standard input"), ..run };
    let piped = run_on(args, bytes);
    for more in [&[][..], &["--no-mmap"]] {
        let more: Vec<_> = more.iter().copied().filter(|more| !args.contains(more)).collect();
        let run = renamed(file.run(&[args, &more[..]].concat()));
        assert!(run == piped, "{args:?} {more:?}: {run:?}, not {piped:?}");
    }
    piped
}

/// A file that goes when this does.
pub(crate) struct TempCar {
    _folder: TempDir,
    path: PathBuf,
}

impl TempCar {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self::named("test.car", bytes)
    }

    pub(crate) fn named(name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        TempCar { _folder: folder, path }
    }

    pub(crate) fn path(&self) -> &OsStr {
        self.path.as_os_str()
    }

    pub(crate) fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Runs a command on the file, with options.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    /// Runs a command on the file, with options before it and more arguments after it.
    pub(crate) fn run_with(&self, args: &[&str], more: &[&str]) -> Run {
        let (args, more) = (args.iter().map(OsStr::new), more.iter().map(OsStr::new));
        run(args.chain([self.path()]).chain(more))
    }
}

/// Returns whether a block has these bytes somewhere.
pub(crate) fn contains(block: &[u8], key: &[u8]) -> bool {
    block.windows(key.len()).any(|window| window == key)
}
