//! The states of accounts between two runs.

use std::fs;
use std::path::{Path, PathBuf};

use carwalk_testkit::commit::DID;

use super::{Message, message, message_of, varints, verdicts};
use crate::harness::{Run, run_on};

const OTHER_DID: &str = "did:plc:z72i7hdynmk6r22z27h6tvur";

fn line(message: &Message) -> String {
    let Message { did, rev, data, .. } = message;
    format!("{{\"did\":\"{did}\",\"rev\":\"{rev}\",\"data\":\"{data}\"}}\n")
}

fn check(state: &Path, messages: &[&Message], more: &[&str]) -> Run {
    let stream = varints(messages.iter().map(|message| message.frame()));
    let args = ["firehose", "--state", state.to_str().unwrap()];
    run_on([&args[..], more].concat(), &stream)
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Folder { folder: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state.json")
    }

    #[track_caller]
    fn assert_state(&self, lines: &[&Message]) {
        let expected: String = lines.iter().map(|message| line(message)).collect();
        assert_eq!(fs::read_to_string(self.state()).unwrap(), expected);
        // No temporary file remains.
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn states_are_kept_and_only_valid_messages_change_them() {
    let folder = Folder::new();
    let [first, second, third, last] = [0, 1, 2, 3].map(message);
    assert_eq!(check(&folder.state(), &[&first, &second], &[]).code, Some(0));
    folder.assert_state(&[&second]);
    // A message is missing before the last one.
    let run = check(&folder.state(), &[&last], &[]);
    assert_eq!((run.code, verdicts(&run)), (Some(1), vec!["out_of_sync".to_owned()]));
    folder.assert_state(&[&second]);
    let run = check(&folder.state(), &[&second, &first], &[]);
    assert_eq!((run.code, verdicts(&run)), (Some(0), vec!["stale".to_owned(); 2]));
    folder.assert_state(&[&second]);
    // An invalid one between two others.
    let mut invalid = third.clone();
    invalid.rev = last.rev;
    let run = check(&folder.state(), &[&invalid, &third, &last], &["--json"]);
    let lines = run.json_and(3);
    assert_eq!(lines[0]["rule"], "commit_rev");
    for line in &lines[1..] {
        assert_eq!((&line["verdict"], &line["anchored"]), (&"valid".into(), &true.into()));
    }
    folder.assert_state(&[&last]);
}

#[test]
fn an_out_of_sync_line_names_what_is_held() {
    let folder = Folder::new();
    let (first, last) = (message(0), message(3));
    check(&folder.state(), &[&first], &[]);
    let line = check(&folder.state(), &[&last], &["--json"]).json_and(1).remove(0);
    assert_eq!(line["rule"], serde_json::Value::Null);
    assert_eq!(line["cid"], first.data.to_string());
    let expected = format!(
        "the message continues from {}, but the last tree is {}",
        last.prev_data.unwrap(),
        first.data
    );
    assert_eq!(line["message"], expected);
}

#[test]
fn states_are_sorted_by_did() {
    let folder = Folder::new();
    let (one, other) = (message(0), message_of(0, OTHER_DID));
    assert!(one.did < other.did);
    fs::write(folder.state(), line(&other) + "\n" + &line(&message_of(3, "did:web:a.example")))
        .unwrap();
    check(&folder.state(), &[&one], &[]);
    folder.assert_state(&[&one, &other, &message_of(3, "did:web:a.example")]);
}

#[test]
fn states_that_are_malformed_are_refused() {
    let folder = Folder::new();
    let good = line(&message_of(0, OTHER_DID));
    let data = message(0).data;
    let lines = [
        (
            "{}",
            "line 2: expected {\"did\":\"..\",\"rev\":\"..\",\"data\":\"..\"}: missing field `did`",
        ),
        ("nonsense", "line 2: expected {\"did\""),
        (&format!("{{\"did\":\"{DID}\",\"rev\":\"1\",\"data\":\"{data}\"}}"), "line 2: "),
        (&format!("{{\"did\":\"plc\",\"rev\":\"3l4zyhoqkb222\",\"data\":\"{data}\"}}"), "line 2: "),
        (&format!("{{\"did\":\"{DID}\",\"rev\":\"3l4zyhoqkb222\",\"data\":\"bafy\"}}"), "line 2: "),
        (good.trim_end(), "line 2: a second state of did:plc:z72i7hdynmk6r22z27h6tvur"),
    ];
    for (bad, message) in lines {
        let text = format!("{good}{bad}\n");
        fs::write(folder.state(), &text).unwrap();
        let error = check(&folder.state(), &[&super::message(0)], &[]).one_error(2);
        let start = format!("error: {:?}: {message}", folder.state());
        assert!(error.starts_with(&start), "{error}");
        assert_eq!(fs::read_to_string(folder.state()).unwrap(), text);
    }
}

#[test]
fn a_state_that_cannot_be_written_is_told_before_anything_is_read() {
    let folder = Folder::new();
    let nowhere = folder.folder.path().join("no/such/state.json");
    let error = check(&nowhere, &[&message(0)], &[]).one_error(5);
    assert!(error.starts_with("error: cannot"), "{error}");
    let error = check(folder.folder.path(), &[&message(0)], &[]).one_error(5);
    assert!(error.starts_with("error: cannot"), "{error}");
    let error = check(Path::new("-"), &[&message(0)], &[]).one_error(2);
    assert_eq!(error, "error: --state needs the name of a file (./- for one named -)\n");
}
