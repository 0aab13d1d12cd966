//! What `carwalk export` and `carwalk verify` of many CARs have in common.

use std::fs;

use carwalk_testkit::car::Car;
use carwalk_testkit::commit::DID;
use carwalk_testkit::repo::{Order, Repo};
use serde_json::json;

use crate::compressed::{gzip, zstd};
use crate::export::{Folder, export, report, sample};
use crate::harness::{self, run};

const OTHER: &str = "did:web:b.example";

#[test]
fn invalid_paths_are_the_same_number_for_both() {
    let folder = Folder::new();
    let odd = ["a.b.c/1", "app/ok1", "a.b/..", "x/y", "noslash"];
    for (keys, invalid, rows) in [(&odd[..], 4, 4), (&odd[..1], 0, 1)] {
        let car = Repo::sample(keys.iter().copied()).to_bytes(Order::Pds);
        let files = [folder.write("a.car", &car), folder.write("b.car.gz", &gzip(&car))];
        let (verified, exported) = (folder.name("verified"), folder.name("exported"));
        let code = if invalid == 0 { 0 } else { 3 };
        let one = run(["verify", &files[0], &files[1], "--report", &verified]);
        assert_eq!(one.code, Some(code), "{one:?}");
        let two = export(&["csv", &files[0], &files[1], "--report", &exported, "--columns=rkey"]);
        assert_eq!(two.code, Some(code), "{two:?}");
        // Keys with two halves are rows.
        assert_eq!(two.stdout.lines().count(), 1 + 2 * rows, "{two:?}");
        for (verified, exported) in report(&verified).iter().zip(&report(&exported)) {
            assert_eq!(verified["invalid_paths"], json!(invalid));
            assert_eq!(exported["invalid_paths"], json!(invalid));
            assert_eq!(exported["outcome"], "done");
            assert_eq!(exported["records"], json!(rows));
            assert_eq!(verified["error"], exported["error"]);
        }
        for path in [verified, exported] {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn more_jobs_than_a_command_can_have_are_refused() {
    let folder = Folder::new();
    let file = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let commands = [(&["verify"][..], 1024), (&["export", "--as=csv"], 1024), (&["firehose"], 256)];
    for (command, most) in commands {
        let code = |jobs: u32| run([command, &[&file, &format!("--jobs={jobs}")]].concat()).code;
        assert_eq!(code(most), code(1), "{command:?}");
        assert_ne!(code(most), Some(2), "{command:?}");
        for jobs in [0, most + 1, 65_536] {
            assert_eq!(code(jobs), Some(2), "{command:?} {jobs}");
        }
        let help = run([command[0], "--help"]).quiet_success();
        assert!(help.contains(&format!(", at most {most} [default: all cores]")), "{help}");
    }
}

#[test]
fn a_note_says_that_no_input_is_of_the_account() {
    let folder = Folder::new();
    let file = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let note = format!("no input is known to be of {OTHER}: --did selects inputs, and skips ");
    let (one, two) = (folder.name("one"), folder.name("two"));
    for (command, log) in [(&["verify"][..], &one), (&["export", "--as=csv"], &two)] {
        let of = |did| run([command, &[&file, "--did", did]].concat());
        let with_report = |did| run([command, &[&file, "--report", log, "--did", did]].concat());
        let other = with_report(OTHER);
        assert_eq!(other.code, Some(0), "{other:?}");
        assert!(other.stderr.starts_with(&note), "{other:?}");
        assert!(other.stderr.ends_with("\n1 input: 0 done, 1 skipped, 0 failed; 0 records\n"));
        fs::remove_file(log).unwrap();
        // Also if a later run finds all of them done.
        let is_verify = command == ["verify"];
        assert!(with_report(DID).stderr.starts_with("1 input: 1 done"));
        let again = if is_verify { "1 input: 0 done, 1 skipped" } else { "1 input: 1 done" };
        assert!(with_report(DID).stderr.starts_with(again));
        // Of one input, `verify` checks the account.
        assert_eq!(of(OTHER).code, Some(if is_verify { 1 } else { 0 }));
        assert_eq!(of(DID).code, Some(0));
    }
}

/// Writes a large CAR plain and compressed. Returns the paths.
fn write_forms(folder: &Folder, name: &str, car: &[u8]) -> Vec<String> {
    let forms = [("car", car.to_vec()), ("car.gz", gzip(car)), ("car.zst", zstd(car))];
    forms.iter().map(|(end, bytes)| folder.write(&format!("{name}.{end}"), bytes)).collect()
}

#[test]
fn other_accounts_are_skipped_however_a_car_is_read() {
    let folder = Folder::new();
    let car = harness::export(50_000, carwalk_testkit::export::Order::Preorder);
    let cut_len = car.len() - 1000;
    assert!(cut_len > 8 << 20);
    let mut last = Car::parse(&car).unwrap();
    let commit = last.sections.remove(0);
    last.sections.push(commit);
    let last = last.to_bytes();
    for (name, bytes, other, own) in [
        // The commit is the first block, or follows after some MiB.
        ("cut", &car[..cut_len], "not_selected", "truncated: "),
        ("whole", &car, "not_selected", "-"),
        ("late-cut", &last[..last.len() - 3], "truncated: ", "truncated: "),
        ("late", &last, "not_selected", "-"),
    ] {
        let files = write_forms(&folder, name, bytes);
        let files: Vec<_> = files.iter().map(String::as_str).collect();
        for (did, reason) in [(OTHER, other), (DID, own)] {
            for more in [&[][..], &["--no-mmap"]] {
                let run = run([&["verify", "--did", did], &files[..], more].concat());
                assert_eq!(run.stdout.lines().count(), 3, "{run:?}");
                for line in run.stdout.lines() {
                    let found = line.split('\t').nth(5).unwrap();
                    assert!(found.starts_with(reason), "{name} {did} {more:?}: {line}");
                }
            }
        }
    }
}

#[test]
fn noise_is_not_a_car_whatever_its_length_seems_to_be() {
    let folder = Folder::new();
    // Lengths of one to six bytes, up to 64 GiB.
    for prefix in
        [&b"\x3a"[..], b"\xff\xff\x74", b"\x87\xe6\xfd\x91\x18", b"\x80\x80\x80\x80\x80\x02"]
    {
        for (tail, reason) in
            [(&b"\x37\x12\x9f\xc4\x05\x5d"[..], "not_a_car"), (b"\xa2eroots\x81", "")]
        {
            let noise = [prefix, tail, &[0x37; 100]].concat();
            let plain = folder.write("a.car", &noise);
            let packed = folder.write("b.car.gz", &gzip(&noise));
            let run = run(["verify", &plain, &packed]);
            assert_eq!(run.code, Some(3));
            for line in run.stdout.lines() {
                let found = line.split('\t').nth(5).unwrap();
                assert!(found.starts_with(reason), "{line}");
                // The twin begins like a CAR.
                assert_eq!(found.starts_with("not_a_car"), !reason.is_empty(), "{line}");
            }
        }
    }
}

/// Starts the tool on a CAR and a pipe that never ends. Presses Ctrl-C when the tool reads the
/// pipe, and after the first line on standard output if that has lines. Returns that line, and
/// whether the pipe could be made.
#[cfg(unix)]
fn interrupted(folder: &Folder, args: &[&str], has_lines: bool) -> Option<String> {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};
    let car = folder.write("a.car", &sample().to_bytes(Order::Pds));
    let fifo = folder.name("b.fifo");
    if !Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = harness::tool();
    command.args(args).args(["--jobs=1", &car, &fifo]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Waits until the tool opens it.
    let pipe = fs::File::options().write(true).open(&fifo).unwrap();
    let (mut stdout, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    if has_lines {
        stdout.read_line(&mut line).unwrap();
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(2), "{status:?}");
    drop(pipe);
    fs::remove_file(&fifo).unwrap();
    Some(line)
}

#[test]
#[cfg(unix)]
fn what_is_done_is_on_standard_output_while_a_pipe_is_read() {
    let folder = Folder::new();
    let Some(line) = interrupted(&folder, &["verify"], true) else { return };
    assert!(line.starts_with(&format!("{}\tdone\t", folder.name("a.car"))), "{line}");
    let args = ["export", "--as=jsonl", "--columns=rkey"];
    assert_eq!(interrupted(&folder, &args, true).unwrap(), "{\"rkey\":\"1\"}\n");
}

#[test]
#[cfg(unix)]
fn a_file_that_ctrl_c_ends_leaves_nothing_and_no_input_is_done() {
    let folder = Folder::new();
    let (out, log) = (folder.name("rows.csv"), folder.name("report"));
    let args = ["export", "--as=csv", "-o", &out, "--force", "--report", &log];
    let names = || {
        let entries = fs::read_dir(folder.path("")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    if interrupted(&folder, &args, false).is_none() {
        return;
    }
    assert_eq!(names(), ["a.car", "report"]);
    assert_eq!(report(&log), [json!(null); 0]);
    // Neither is it in the rows of an earlier run.
    folder.write("rows.csv", b"old");
    interrupted(&folder, &args, false).unwrap();
    assert_eq!(names(), ["a.car", "report", "rows.csv"]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "old");
    assert_eq!(report(&log), [json!(null); 0]);
    assert_eq!(
        export(&["csv", &folder.name("a.car"), "-o", &out, "--force", "--report", &log]).code,
        Some(0)
    );
    assert_eq!(report(&log)[0]["output"], json!(out));
}
