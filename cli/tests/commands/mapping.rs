//! Files that cannot be mapped, and one that is truncated while it is.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use crate::harness::{TempCar, run, tool};
use carwalk_testkit::repo::{Order, Repo};

/// A file of that length, of which all but a small CAR at the beginning takes no room on the disk.
#[cfg(target_os = "linux")]
fn huge(len: u64) -> TempCar {
    let repo = Repo::sample(["com.example.test/one"]);
    let file = TempCar::new(&repo.to_bytes(Order::Preorder));
    OpenOptions::new().write(true).open(file.path()).unwrap().set_len(len).unwrap();
    file
}

/// Address space of the tool: what it needs, and no more than a part of a huge file.
#[cfg(target_os = "linux")]
const SPACE: u64 = 1 << 20;

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_does_not_fit_into_the_address_space_is_not_read_instead() {
    let file = huge(64 << 30);
    for args in [&["inspect"][..], &["ls"], &["verify", "--memory-limit=1M"]] {
        let mut tool = crate::harness::tool_within(SPACE);
        let error = crate::harness::run_command(tool.args(args).arg(file.path())).one_error(5);
        let start = format!("error: cannot map {:?} into memory: ", file.name());
        assert!(error.starts_with(&start) && error.ends_with(" (see --no-mmap)\n"), "{error}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_fits_into_the_address_space_is_mapped() {
    let file = huge(1 << 28);
    let mut tool = crate::harness::tool_within(SPACE);
    // A stream would be refused.
    let inspect = tool.args(["inspect", "--max-stream=1"]).arg(file.path());
    assert_eq!(crate::harness::run_command(inspect).code, Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_on_a_system_that_cannot_map_is_read_as_a_stream() {
    // Files of sysfs say that they have 4096 bytes, and cannot be mapped.
    let file = "/sys/devices/system/cpu/online";
    let error = run(["ls", file]).one_error(3);
    assert!(error.starts_with(&format!("error: {file:?}: CAR header at byte 0: ")), "{error}");
    let error = run(["ls", "--max-stream=1", file]).one_error(3);
    assert!(error.ends_with("exceeds the limit of 1 byte (see --max-stream)\n"), "{error}");
}

/// What `--help` says of such files.
#[test]
fn a_mapped_file_that_is_truncated_ends_the_tool_with_a_signal() {
    const SIGBUS: i32 = if cfg!(target_os = "linux") { 7 } else { 10 };
    let paths = (0..6000).map(|number| format!("com.example.test/{number:05}"));
    let paths: Vec<String> = paths.collect();
    let car = Repo::sample(paths.iter().map(String::as_str)).to_bytes(Order::Preorder);
    for (option, signal) in [(None, Some(SIGBUS)), (Some("--no-mmap"), None)] {
        let file = TempCar::new(&car);
        let mut tool = tool();
        tool.arg("ls").args(option).arg(file.path()).stdin(Stdio::null());
        let mut child = tool.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        // More is listed than the pipe and the tool's buffer hold: it waits, and is not done.
        stdout.read_exact(&mut [0]).unwrap();
        OpenOptions::new().write(true).open(file.path()).unwrap().set_len(0).unwrap();
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), signal, "{option:?}: {status:?}");
        assert_eq!(status.success(), signal.is_none());
    }
}

#[test]
fn help_tells_of_the_signal() {
    for command in [&["--help"][..], &["ls", "--help"], &["prove", "--help"]] {
        let help = run(command).quiet_success();
        assert!(help.contains("SIGBUS"), "{help}");
    }
    let help = run(["get", "--help"]).quiet_success();
    let option = help.split_once("--no-mmap").unwrap().1.split_once("--max-block").unwrap().0;
    assert!(option.contains("SIGBUS"), "{help}");
}
