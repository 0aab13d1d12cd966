//! The formats: every one gives the same verdicts, from files and from a pipe.

use carwalk_testkit::cbor::Value;
use serde_json::{Value as Json, json};

use super::{Message, counts, frame, identity, message, sync_body, varints, verdicts};
use crate::harness::{TempCar, run, run_on};

fn messages() -> Vec<Message> {
    (0..4).map(message).collect()
}

/// JSON values with different white space between.
fn sequence(values: impl Iterator<Item = Json>) -> Vec<u8> {
    let spaces = ["\n", "", " \r\n\t", "\n\n"].into_iter().cycle();
    values.zip(spaces).flat_map(|(value, space)| format!("{value}{space}").into_bytes()).collect()
}

/// The messages in every format, with its name.
fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let header = || json!({ "t": "#commit", "op": 1 });
    let bodies = || messages().into_iter().map(|message| message.body());
    vec![
        ("varint", varints(messages().iter().map(Message::frame))),
        ("json", sequence(bodies().map(|body| json!({ "type": "commit", "payload": body })))),
        ("json", sequence(bodies().map(|body| json!({ "header": header(), "body": body })))),
        (
            "json",
            sequence(bodies().map(
                |body| json!({ "frame": { "header": header(), "body": body }, "received": 1 }),
            )),
        ),
        ("json", sequence(bodies())),
    ]
}

#[test]
fn every_format_gives_the_same_verdicts() {
    let expected: String = messages().iter().map(Message::valid_line).collect();
    for (format, stream) in streams() {
        let file = TempCar::new(&stream);
        for more in [&[][..], &["--format", format]] {
            let args = [&["firehose"], more].concat();
            for run in [
                file.run(&args),
                run_on([&args[..], &["-"]].concat(), &stream),
                run_on(&args, &stream),
            ] {
                assert_eq!((run.code, &run.stdout), (Some(0), &expected), "{run:?}");
                assert_eq!(counts(&run), [("valid".to_owned(), 4)]);
            }
        }
    }
    let files: Vec<_> = messages().iter().map(|message| TempCar::new(&message.frame())).collect();
    let names: Vec<_> = files.iter().map(TempCar::name).collect();
    for more in [&[][..], &["--format", "frame"]] {
        let run = run([&["firehose"], more, &names].concat());
        assert_eq!((run.code, &run.stdout), (Some(0), &expected), "{run:?}");
    }
    let run = run_on(["firehose"], &messages()[0].frame());
    assert_eq!((run.code, run.stdout), (Some(0), messages()[0].valid_line()));
}

#[test]
fn several_files_may_have_several_formats() {
    let streams = [
        varints([messages()[0].frame()]),
        messages()[1].body().to_string().into_bytes(),
        Vec::new(),
        b" \n".to_vec(),
        messages()[3].frame(),
    ];
    let files = streams.map(|stream| TempCar::new(&stream));
    let [first, second, empty, blank, last] = files.each_ref().map(TempCar::name);
    let stdin = messages()[2].frame();
    let run = run_on(["firehose", "--json", first, second, empty, blank, "-", last], &stdin);
    let inputs: Vec<_> = run.json().iter().map(|line| line["input"].clone()).collect();
    assert_eq!(inputs, [first, second, "-", last]);
}

#[test]
fn an_empty_input_has_no_messages_unless_it_is_a_frame() {
    let run = run_on(["firehose"], b"");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""));
    assert_eq!(counts(&run), []);
    assert_eq!(verdicts(&run_on(["firehose", "--format", "frame"], b"")), ["invalid frame"]);
    assert_eq!(run_on(["firehose", "--format", "varint"], b"").code, Some(0));
    assert_eq!(run_on(["firehose", "--format", "json"], b" ").code, Some(0));
}

#[test]
fn json_lines_have_all_fields_in_their_order() {
    let first = message(0);
    let run = run_on(["firehose", "--json"], &varints([first.frame(), first.frame()]));
    let line = |index: u8, verdict: &str, anchored: bool, message: &str| {
        format!(
            "{{\"input\":\"-\",\"index\":{index},\"type\":\"#commit\",\"seq\":100,\"did\":\"{}\",\
             \"rev\":\"{}\",\"verdict\":\"{verdict}\",\"rule\":null,\"signature\":\"unchecked\",\
             \"anchored\":{anchored},\"ops\":20,\"op\":null,\"path\":null,\"cid\":null,\
             \"message\":{message}}}\n",
            first.did, first.rev
        )
    };
    let stale = format!("\"revision {} is not after {0}, the last one\"", first.rev);
    let expected = line(0, "valid", false, "null") + &line(1, "stale", true, &stale);
    assert_eq!((run.code, run.stdout), (Some(0), expected));
}

#[test]
fn a_fault_of_an_operation_names_it() {
    let mut wrong = message(1);
    let other = message(0).ops[0].cid.unwrap();
    let there = wrong.ops[0].cid.replace(other).unwrap();
    // The record of the operation must be there.
    wrong.blocks = super::car(1, &wrong.did);
    let run = run_on(["firehose", "--json"], &wrong.frame());
    let line = run.json_and(3).remove(0);
    assert_eq!(line["rule"], "op_mismatch", "{line}");
    assert_eq!((&line["op"], &line["path"]), (&json!(0), &json!("com.example.test/005a")));
    assert_eq!(line["cid"], there.to_string());
    assert!(line["message"].as_str().unwrap().starts_with("operation 0: "), "{line}");
}

#[test]
fn other_types_are_passed_and_syncs_are_checked() {
    let labels = frame("#labels", &Value::map([("seq", Value::Uint(1))]));
    let error = Value::map([("op", Value::Int(-1))]).encode();
    let error = [error, Value::map([("error", Value::text("FutureCursor"))]).encode()].concat();
    let sync = frame("#sync", &Value::map_sorted(sync_body(1)));
    let frames = [identity(7), labels, error, sync.clone(), message(2).frame()];
    let run = run_on(["firehose"], &varints(&frames));
    assert_eq!(verdicts(&run), ["passed", "passed", "passed", "valid", "valid"]);
    assert!(run.stdout.starts_with("7\tdid:plc:ewvi7nxzyoun6zhxrhs64oiz\t-\tpassed\t-\n-\t-\t-\t"));
    // A `#sync` of another tree.
    let run = run_on(["firehose"], &varints([message(0).frame(), sync]));
    assert_eq!((run.code, verdicts(&run)[1].split(' ').next()), (Some(1), Some("out_of_sync")));
}
