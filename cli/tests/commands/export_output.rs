//! Where the rows of `carwalk export` go: files, pipes, compressed or not, and full disks.

use std::fs;
use std::io::Read;

use carwalk_testkit::repo::{Order, Repo};
use flate2::read::MultiGzDecoder;

use crate::export::{Folder, export, sample, write_network};
use crate::harness::run_bytes;

#[test]
fn gzip_on_standard_output_is_the_same_rows() {
    let folder = Folder::new();
    let bad = write_network(&folder, 12);
    assert!(!bad.is_empty());
    for format in ["jsonl", "csv"] {
        let network = folder.name("network");
        let plain = export(&[format, &network]);
        let packed = run_bytes(["export", "--as", format, &network, "--compress=gzip"], b"");
        assert_eq!((packed.code, packed.stderr), (plain.code, plain.stderr));
        let mut text = String::new();
        MultiGzDecoder::new(&packed.stdout[..]).read_to_string(&mut text).unwrap();
        assert!(text == plain.stdout);
    }
    // Without rows, it is a gzip file still.
    let empty = folder.write("empty.car", b"");
    let packed = run_bytes(["export", "--as=jsonl", &empty, "--compress=gzip"], b"");
    let mut text = String::new();
    MultiGzDecoder::new(&packed.stdout[..]).read_to_string(&mut text).unwrap();
    assert!(text.is_empty() && !packed.stdout.is_empty());
}

#[test]
fn a_file_is_written_at_once_and_replaced_only_if_asked() {
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let out = folder.name("rows.csv");
    let args = ["csv", &*car, "-o", &out];
    let written = export(&args);
    assert_eq!((written.code, &*written.stdout), (Some(0), ""));
    assert_eq!(fs::read_to_string(&out).unwrap(), export(&["csv", &car]).stdout);
    let error = export(&args).one_error(2);
    assert!(error.contains("it exists already (see --force)"), "{error}");
    let forced = export(&[&args[..], &["--force", "--columns=rkey"]].concat());
    assert_eq!(forced.code, Some(0));
    assert_eq!(fs::read_to_string(&out).unwrap(), "rkey\n1\n2\n");
    // A folder was meant.
    let folder_name = folder.name("rows");
    assert_eq!(export(&["csv", &car, "-o", &folder_name]).code, Some(0));
    let error = export(&["csv", &car, "-o", &folder_name]).one_error(2);
    assert!(error.ends_with("; a folder of parts ends with a slash\n"), "{error}");
    fs::remove_file(&folder_name).unwrap();
    let none = folder.name("none/rows.csv");
    let error = export(&["csv", &car, "-o", &none]).one_error(5);
    assert_eq!(error, format!("error: cannot write {none:?}: No such file or directory\n"));
    let temporary = fs::read_dir(folder.path("")).unwrap().count();
    assert_eq!(temporary, 2);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_it() {
    use crate::harness::tool;
    let folder = Folder::new();
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    for args in [&[][..], &["--compress=gzip"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output =
            tool().args(["export", "--as=csv", &car]).args(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "error: cannot write the output: No space left on device\n");
        assert_eq!(output.status.code(), Some(5));
    }
    let error = export(&["csv", &car, "-o", "/dev/full"]).one_error(5);
    assert_eq!(error, "error: cannot write \"/dev/full\": No space left on device\n");
    let error = export(&["csv", &car, "--report=/dev/full"]);
    assert_eq!(
        (error.code, &*error.stderr),
        (Some(5), "error: report \"/dev/full\": No space left on device\n")
    );
    assert_eq!(export(&["csv", &car, "-o", "/dev/null"]).code, Some(0));
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_is_a_failure() {
    use crate::harness::tool;
    use std::process::Stdio;
    let folder = Folder::new();
    let paths = (0..20_000).map(|number| format!("a.b.c/{number:05}"));
    let car = folder.write("a.car", &Repo::sample(paths).to_bytes(Order::Pds));
    let inputs = [&*car; 8];
    for args in [&[][..], &["--compress=gzip"]] {
        let mut command = tool();
        command.args(["export", "--as=jsonl"]).args(inputs).args(args);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "error: cannot write the output: Broken pipe\n");
    }
}
