//! Exit codes: the worst verdict decides.

use carwalk::Repo;
use carwalk::car::Writer;
use serde_json::json;

use super::{Message, car, counts, message, varints, verdicts};
use crate::harness::{run, run_on};

fn invalid() -> Message {
    Message { rev: super::REVS[2], ..message(0) }
}

fn unverifiable() -> Message {
    Message { prev_data: None, ..message(1) }
}

/// Leaves a message out.
fn out_of_sync() -> [Message; 2] {
    [message(0), message(2)]
}

fn code(messages: &[Message]) -> Option<i32> {
    run_on(["firehose"], &varints(messages.iter().map(Message::frame))).code
}

#[test]
fn the_worst_verdict_decides() {
    let [first, gap] = out_of_sync();
    assert_eq!(code(&[first.clone(), first.clone(), message(1)]), Some(0));
    assert_eq!(code(&[first.clone(), gap.clone()]), Some(1));
    assert_eq!(code(&[first.clone(), gap.clone(), unverifiable()]), Some(4));
    assert_eq!(code(&[first, gap, unverifiable(), invalid()]), Some(3));
    assert_eq!(code(&[invalid(), unverifiable()]), Some(3));
    let frames = [message(0), message(2), unverifiable(), invalid(), message(0), message(1)];
    let run = run_on(["firehose"], &varints(frames.iter().map(Message::frame)));
    let expected = "valid 2, invalid 1, unverifiable 1, out_of_sync 1, stale 1, passed 0\n";
    assert_eq!(run.stderr, expected);
    assert_eq!(
        verdicts(&run),
        [
            "valid",
            "out_of_sync",
            "unverifiable no_prev_data",
            "invalid commit_rev",
            "stale",
            "valid"
        ]
    );
}

#[test]
fn an_input_that_cannot_be_read_is_named_and_the_others_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frames.bin");
    std::fs::write(&file, varints([message(0).frame(), invalid().frame()])).unwrap();
    let (file, none) = (file.to_str().unwrap(), "no/such.bin");
    let folder = folder.path().to_str().unwrap();
    let state = format!("{folder}/state.json");
    let run = run(["firehose", "--state", &state, none, file, folder]);
    assert_eq!(run.code, Some(5), "{run:?}");
    assert_eq!(counts(&run), [("valid".to_owned(), 1), ("invalid".to_owned(), 1)]);
    let expected = format!(
        "error: cannot read \"no/such.bin\": No such file or directory\n\
         error: cannot read {folder:?}: Is a directory\n"
    );
    assert!(run.stderr.starts_with(&expected), "{run:?}");
    assert!(std::fs::read_to_string(state).unwrap().contains(&message(0).data.to_string()));
}

#[test]
fn a_missing_node_is_named() {
    let whole = car(1, &message(1).did);
    let repo = Repo::from_slice(&whole).unwrap();
    let commit = repo.commit();
    let record = repo.get("com.example.test/005a").unwrap().record().unwrap();
    let mut blocks = Vec::new();
    let mut writer = Writer::new(&mut blocks, &[commit.cid()]).unwrap();
    writer.write(commit.cid(), commit.bytes()).unwrap();
    writer.write(record.cid(), record.bytes()).unwrap();
    writer.finish().unwrap();
    let partial = Message { blocks, ..message(1) };
    let run = run_on(["firehose", "--json"], &partial.frame());
    let line = run.json_and(4).remove(0);
    assert_eq!((&line["verdict"], &line["rule"]), (&json!("unverifiable"), &json!("missing_node")));
    assert_eq!(line["cid"], message(1).data.to_string());
    assert_eq!((&line["op"], &line["path"]), (&json!(0), &json!("com.example.test/005a")));
}

#[test]
fn times_in_the_future_are_refused() {
    let frame = message(0).frame();
    assert_eq!(run_on(["firehose"], &frame).code, Some(0));
    let run = run_on(["firehose", "--now", "2024-01-01T00:00:00Z"], &frame);
    assert_eq!((run.code, verdicts(&run)), (Some(3), vec!["invalid future_rev".to_owned()]));
    assert_eq!(run_on(["firehose", "--now", "2034-01-01T00:00:00+01:00"], &frame).code, Some(0));
    for wrong in [
        &["--now", "yesterday"][..],
        &["--jobs", "0"],
        &["--jobs", "many"],
        &["--format", "car"],
        &["-", "-"],
    ] {
        let run = run_on([&["firehose"], wrong].concat(), &frame);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{wrong:?}");
    }
}
