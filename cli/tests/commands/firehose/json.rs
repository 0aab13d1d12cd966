//! Messages in JSON: forms of goat, fields of other types, and bounds.

use carwalk::Repo;
use carwalk_testkit::cbor::Value;
use data_encoding::BASE64;
use serde_json::{Value as Json, json};

use super::{message, sync_body, verdicts};
use crate::harness::run_on;

/// The line of one value.
#[track_caller]
fn judged(value: &Json) -> Json {
    let run = run_on(["firehose", "--json"], value.to_string().as_bytes());
    serde_json::from_str(run.stdout.trim_end()).unwrap()
}

#[track_caller]
fn assert_field(value: &Json, message: &str) {
    let line = judged(value);
    assert_eq!((&line["verdict"], &line["rule"]), (&json!("invalid"), &json!("field")), "{line}");
    assert_eq!(line["message"], message, "{line}");
}

#[test]
fn payloads_without_blocks_name_the_option_of_goat() {
    let mut body = message(0).body();
    assert_eq!(judged(&json!({ "type": "commit", "payload": body }))["verdict"], "valid");
    for missing in [Json::Null, json!("removed")] {
        body["blocks"] = missing;
        if body["blocks"].is_string() {
            body.as_object_mut().unwrap().remove("blocks");
        }
        let goat = "`blocks` is missing: `goat firehose` prints it with --blocks";
        assert_field(&json!({ "type": "commit", "payload": body }), goat);
        assert_field(&body, "`blocks` is missing");
    }
}

#[test]
fn goat_prints_other_types_too() {
    let did = message(0).did;
    let account = json!({ "did": did, "seq": 1, "active": true, "time": "" });
    for (name, payload) in [
        ("identity", json!({ "did": did, "seq": 1, "handle": "a.example" })),
        ("account", account.clone()),
        ("info", json!({ "name": "OutdatedCursor", "message": null })),
        ("labels", json!({ "anything": [] })),
    ] {
        let line = judged(&json!({ "type": name, "payload": payload }));
        assert_eq!(
            (&line["verdict"], &line["type"]),
            (&json!("passed"), &json!(format!("#{name}")))
        );
    }
    let mut wrong = account;
    wrong["active"] = json!("yes");
    assert_field(&json!({ "type": "account", "payload": wrong }), "`active` is not true or false");
}

#[test]
fn syncs_may_be_bare() {
    let car = super::car(0, &message(0).did);
    let mut blocks = Vec::new();
    Repo::from_slice(&car).unwrap().prove().write(&mut blocks).unwrap();
    let fields = sync_body(0).into_iter();
    let mut body: serde_json::Map<_, _> = fields
        .map(|(name, value)| {
            let value = match value {
                Value::Uint(number) => json!(number),
                Value::Text(text) => json!(text),
                Value::Bytes(bytes) => json!({ "$bytes": BASE64.encode(&bytes) }),
                _ => Json::Null,
            };
            (name.to_owned(), value)
        })
        .collect();
    let line = judged(&body.clone().into());
    assert_eq!((&line["verdict"], &line["type"]), (&json!("valid"), &json!("#sync")));
    body.remove("rev");
    assert_field(&body.into(), "`rev` is missing");
}

#[test]
fn bytes_may_be_padded_and_texts_escaped() {
    let first = message(0);
    let mut body = first.body();
    // Of three lengths in a row, two need padding.
    for extra in 0..3 {
        let mut blocks = first.blocks.clone();
        blocks.resize(blocks.len() + extra, 0);
        for text in [BASE64.encode(&blocks), BASE64.encode(&blocks).replace('=', "")] {
            body["blocks"]["$bytes"] = json!(text);
            let line = judged(&body);
            let expected = if extra == 0 { &json!(null) } else { &json!("car") };
            assert_eq!(&line["rule"], expected, "{line}");
        }
    }
    let escaped = first.body().to_string().replace("com.example", "com\\u002eexample");
    let run = run_on(["firehose"], escaped.as_bytes());
    assert_eq!((run.code, run.stdout), (Some(0), first.valid_line()));
}

#[test]
fn fields_of_other_types_are_named() {
    let with = |name: &str, value: Json| {
        let mut body = message(1).body();
        body[name] = value;
        body
    };
    for (name, value, expected) in [
        ("seq", json!(-1), "an integer from 0 to 2^63 - 1"),
        ("seq", json!(1.5), "an integer from 0 to 2^63 - 1"),
        ("seq", json!(u64::MAX), "an integer from 0 to 2^63 - 1"),
        ("repo", json!(5), "a text"),
        ("rev", json!({}), "a text"),
        ("since", json!(false), "a text"),
        ("commit", json!("bafy"), "an object with `$link` to a commit"),
        ("commit", json!({ "$link": "bafy" }), "an object with `$link` to a commit"),
        ("prevData", json!({ "$link": "" }), "an object with `$link` to a tree"),
        ("blocks", json!("AAAA"), "an object with `$bytes` in base64"),
        ("blocks", json!({ "$bytes": "A" }), "an object with `$bytes` in base64"),
        ("blocks", json!({ "$bytes": "AA=" }), "an object with `$bytes` in base64"),
        ("blocks", json!({ "$bytes": "AAAA", "more": 1 }), "an object with `$bytes` in base64"),
        ("ops", json!({}), "an array of objects"),
        ("ops", json!([1]), "an array of objects"),
    ] {
        assert_field(&with(name, value), &format!("`{name}` is not {expected}"));
    }
    for (name, message) in [("time", json!({})), ("tooBig", json!("no")), ("new", json!([[]]))] {
        assert_eq!(judged(&with(name, message))["verdict"], "valid");
    }
    let mut body = message(1).body();
    body["ops"][0]["cid"] = json!(7);
    let line = judged(&body);
    assert_eq!((&line["op"], &line["path"]), (&json!(0), &json!("com.example.test/005a")));
    let expected = "operation 0: `cid` is not an object with `$link` to a record";
    assert_eq!(line["message"], expected);
    let twice = message(1).body().to_string().replacen('{', "{\"seq\":1,", 1);
    let run = run_on(["firehose"], twice.as_bytes());
    assert!(run.stdout.ends_with("field: there are two of `seq`\n"), "{run:?}");
}

#[test]
fn values_of_other_forms_are_invalid_and_do_not_end_the_reading() {
    let body = message(0).body();
    let values = [
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\"text\"".to_owned(),
        json!({ "frame": 1 }).to_string(),
        json!({ "header": { "op": 1 } }).to_string(),
        json!({ "header": { "t": "#commit" }, "body": body }).to_string(),
        json!({ "type": "commit" }).to_string(),
        json!({ "payload": body }).to_string(),
        "[".repeat(1000) + &"]".repeat(1000),
    ];
    let stream = format!("{}\n{body}", values.join("\n"));
    let run = run_on(["firehose", "--format", "json"], stream.as_bytes());
    let mut expected = vec!["invalid field"; values.len()];
    expected[5] = "passed";
    expected.push("valid");
    // A header without `t` is of no known type, but its body must be there.
    expected[5] = "invalid field";
    assert_eq!(verdicts(&run), expected, "{run:?}");
    assert_eq!(run.code, Some(3));
}

#[test]
fn a_syntax_error_ends_the_reading() {
    let body = message(0).body().to_string();
    for broken in
        ["{\"a\":1,}", "{]", "{\"a\" 1}", "nul", "{\"a\":\"\u{1}\"}", "}", "{\"a\":", "tru"]
    {
        let stream = format!("{body} {broken} {body}");
        let run = run_on(["firehose"], stream.as_bytes());
        assert_eq!(verdicts(&run), ["valid", "invalid frame"], "{broken}");
        assert!(run.stdout.contains("frame: not JSON: "), "{run:?}");
        let run = run_on(["firehose"], format!("{body} {body}").as_bytes());
        assert_eq!(verdicts(&run), ["valid", "stale"]);
    }
    let mut bytes = body.clone().into_bytes();
    bytes.extend(b"{\"\xff\":1}");
    assert_eq!(verdicts(&run_on(["firehose"], &bytes)), ["valid", "invalid frame"]);
}

#[test]
fn a_value_that_is_too_long_is_skipped() {
    let body = message(0).body().to_string();
    let padded = |len: usize| {
        let extra = format!("{{\"x\":\"{}\",", " ".repeat(len - body.len() - 7));
        body.replacen('{', &extra, 1)
    };
    let (longest, longer) = (padded(10_000_000), padded(10_000_001));
    assert_eq!((longest.len(), longer.len()), (10_000_000, 10_000_001));
    let run = run_on(["firehose"], longest.as_bytes());
    assert_eq!(verdicts(&run), ["valid"]);
    let run = run_on(["firehose"], format!("{longer}{body}").as_bytes());
    assert_eq!(verdicts(&run), ["invalid limit", "valid"]);
}
