//! `carwalk verify --records`: one line for each oddity, and `--strict`.

use carwalk_testkit::breakage;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::repo::{Order, Record, Repo};
use serde_json::json;

use crate::escape::is_harmful;
use crate::harness::{self, each_way, long_array, repeated, repeated_paths, run_on};

const PATH: &str = "com.example.test/self";

const TYPE: &str = "com.example.test";

fn car<const N: usize>(records: [(&str, Record); N]) -> Vec<u8> {
    let records = records.map(|(path, record)| (path.as_bytes().to_vec(), record));
    Repo::new(records).to_bytes(Order::Preorder)
}

/// A record of a type with one more member, whose key is shorter than `$type`.
fn typed(name: &str, value: Value) -> Record {
    Record::new(Value::map([("v", value), (name, Value::text(TYPE))]).encode())
}

/// What is printed about a record at `PATH` on stdout, but for the path.
#[track_caller]
fn odd(record: Record) -> Vec<String> {
    let run = each_way(&["verify", "--records", "--quiet"], &car([(PATH, record)]));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let lines = run.stdout.lines().map(|line| line.strip_prefix(PATH).unwrap().to_owned());
    lines.collect()
}

#[test]
fn sound_records_have_no_lines() {
    let car = breakage::sample().to_bytes(Order::Pds);
    let text = each_way(&["verify", "--records"], &car).quiet_success();
    assert!(text.ends_with("all paths valid\ncontents of records: nothing odd\n"), "{text}");
    let without = run_on(["verify"], &car).quiet_success();
    assert_eq!(text, without + "contents of records: nothing odd\n");
    let strict = ["verify", "--records", "--strict", "-q"];
    assert_eq!(each_way(&strict, &car).quiet_success(), "");
    let object = run_on(["verify", "--records", "--json"], &car).json().remove(0);
    let found = ["odd_records", "oddities", "first_oddities"].map(|name| &object[name]);
    assert_eq!(found, [&json!(0), &json!(0), &json!([])]);
    let object = run_on(["verify", "--json"], &car).json().remove(0);
    assert_eq!(object.get("odd_records"), None);
}

#[test]
fn types_are_compared_with_the_collection() {
    let none: [String; 0] = [];
    assert_eq!(odd(typed("$type", Value::Uint(1))), none);
    assert_eq!(odd(typed("type", Value::Uint(1))), ["\t$type\tmissing"]);
    assert_eq!(odd(Record::new(vec![0xa0])), ["\t$type\tmissing"]);
    let other = Record::new(Value::map([("$type", Value::text("com.example.other"))]).encode());
    assert_eq!(odd(other), ["\t$type\t\"com.example.other\" is not the collection"]);
    let number = Record::new(Value::map([("$type", Value::Uint(1))]).encode());
    assert_eq!(odd(number), ["\t$type\tnot a text"]);
    // A type that lies deeper is not that of the record.
    let deeper = Value::map([("v", Value::map([("$type", Value::text(TYPE))]))]);
    assert_eq!(odd(Record::new(deeper.encode())), ["\t$type\tmissing"]);
    // Maps of indefinite length have a type too.
    let indefinite = [b"\xbf\x65$type\x70".as_slice(), TYPE.as_bytes(), b"\xff"].concat();
    assert_eq!(odd(Record::new(indefinite)), ["\t\titem of indefinite length"]);
    // And so are texts of indefinite length, as keys and as types.
    let pieces = b"\xa1\x7f\x61$\x64type\xff\x7f\x63com\x6d.example.test\xff".to_vec();
    let indefinite = "item of indefinite length";
    assert_eq!(
        odd(Record::new(pieces.clone())),
        [format!("\t$type\t{indefinite}"), format!("\t$type\t{indefinite}")]
    );
    let other = [&pieces[..pieces.len() - 1], b"\x61s\xff"].concat();
    assert_eq!(
        odd(Record::new(other)).last().unwrap(),
        "\t$type\t\"com.example.tests\" is not the collection"
    );
    let untyped = Record::new(b"\xbf\x61v\x9f\xff\xff".to_vec());
    assert_eq!(odd(untyped).last().unwrap(), "\t$type\tmissing");
}

#[test]
fn every_departure_from_the_data_model_has_its_place() {
    let items = Value::Array(vec![Value::F64(1.5), Value::Raw(vec![0xf7])]);
    let mut record = typed("$type", Value::map([("a.b", items)])).bytes;
    record.extend([0, 0]);
    assert_eq!(
        odd(Record::new(record)),
        [
            "\tv[\"a.b\"][0]\tfloat 1.5, which the data model does not have",
            "\tv[\"a.b\"][1]\tundefined, which the data model does not have",
            "\t\t2 bytes after the end of the record",
        ]
    );
    assert_eq!(odd(Record::new(vec![0x80])), ["\t\tthe record is not a map"]);
}

#[test]
fn a_record_may_have_a_million_bytes() {
    let sized = |len: usize| {
        let empty = typed("$type", Value::Bytes(vec![0; 1 << 16]));
        let more = len - (empty.bytes.len() - (1 << 16));
        typed("$type", Value::Bytes(vec![0; more]))
    };
    assert_eq!(sized(1_000_000).bytes.len(), 1_000_000);
    assert_eq!(odd(sized(1_000_000)), [""; 0]);
    assert_eq!(odd(sized(1_000_001)), ["\t\t1000001 bytes, more than 1000000"]);
}

#[test]
fn what_is_no_cbor_is_odd() {
    let end = "\t\tbyte 1: the record ends inside the item that begins here";
    assert_eq!(odd(Record::new(vec![0xa1])), [end]);
    assert_eq!(odd(Record::raw(vec![0xa0])), ["\t\traw bytes, not CBOR"]);
    let deep = [b"\xa1\x61v".as_slice(), &[0x81; 600_000]].concat();
    assert_eq!(odd(Record::new(deep)), ["\t\tbyte 102: nesting exceeds the limit of 100"]);
}

#[test]
fn many_oddities_of_a_record_are_counted() {
    let floats = |count| typed("$type", Value::Array(vec![Value::F64(1.0); count]));
    for (count, rest) in
        [(20, None), (50, Some("and 30 more")), (5_000, Some("and at least 980 more"))]
    {
        let lines = odd(floats(count));
        assert_eq!(lines.get(20), rest.map(|rest| format!("\t\t{rest}")).as_ref());
        assert_eq!(lines.len(), 20 + usize::from(rest.is_some()));
    }
    // What is no CBOR after many oddities is told all the same.
    let mut cut = floats(50).bytes;
    cut.truncate(300);
    let lines = odd(Record::new(cut));
    assert!(lines.len() == 22 && lines[21].contains("the record ends"), "{lines:?}");
}

/// Two odd records, one of them with two oddities, and a sound one.
fn three() -> Vec<u8> {
    car([
        ("com.example.test/a", Record::new(Value::map([("v", Value::F64(1.5))]).encode())),
        ("com.example.test/b", typed("$type", Value::Null)),
        ("com.example.test/c", Record::new(vec![0xa1])),
    ])
}

#[test]
fn strict_makes_an_oddity_a_failure() {
    let lines = "com.example.test/a\tv\tfloat 1.5, which the data model does not have\n\
                 com.example.test/a\t$type\tmissing\n\
                 com.example.test/c\t\tbyte 1: the record ends inside the item that begins here\n";
    let text = each_way(&["verify", "--records"], &three()).quiet_success();
    assert!(text.starts_with(&format!("{lines}ok: ")), "{text}");
    assert!(text.ends_with("\ncontents of records: 2 odd records with 3 oddities\n"), "{text}");
    let run = each_way(&["verify", "--records", "--strict"], &three());
    assert_eq!(run.stdout, lines);
    assert_eq!(run.one_error(3), "error: standard input: 2 odd records with 3 oddities\n");
    let alone = harness::run(["verify", "--strict", "no/such.car"]);
    assert_eq!(alone.code, Some(2), "{alone:?}");
}

#[test]
fn json_lists_the_first_oddities_and_counts_all() {
    let found = each_way(&["verify", "--records", "--json"], &three()).json().remove(0);
    assert_eq!(found["ok"], json!(true));
    assert_eq!((&found["odd_records"], &found["oddities"]), (&json!(2), &json!(3)));
    assert_eq!(
        found["first_oddities"],
        json!([
            { "path": "com.example.test/a", "place": "v", "byte": 3,
              "what": "float 1.5, which the data model does not have" },
            { "path": "com.example.test/a", "place": "$type", "byte": null, "what": "missing" },
            { "path": "com.example.test/c", "place": "", "byte": 1,
              "what": "byte 1: the record ends inside the item that begins here" },
        ])
    );
    let strict = each_way(&["verify", "--records", "--strict", "--json"], &three());
    let found = strict.json_and(3).remove(0);
    assert_eq!((&found["ok"], &found["oddities"]), (&json!(false), &json!(3)));

    let many = Repo::new((0..60).map(|number| {
        let record = typed("$type", Value::Array(vec![Value::F64(f64::from(number)); 50]));
        (format!("{TYPE}/{number}").into_bytes(), record)
    }));
    let found = run_on(["verify", "--records", "--json"], &many.to_bytes(Order::Pds)).json();
    let listed = found[0]["first_oddities"].as_array().unwrap().len();
    assert_eq!((listed, &found[0]["oddities"]), (1_000, &json!(3_000)));
}

#[test]
fn a_long_record_is_reported_at_each_of_its_entries() {
    let floats = Value::Array(vec![Value::F64(1.5); 30]);
    let long = typed("$type", Value::Array(vec![floats, long_array()]));
    let [one, all] = [1, 1000].map(|count| repeated(count, &long));
    let args = ["verify", "--records", "-q"];
    let [one, many] = [&one, &all].map(|car| each_way(&args, car).quiet_success());
    assert_eq!(one.lines().count(), 22);
    let expected = repeated_paths(1000).map(|path| one.replace("com.example.test/00000", &path));
    assert!(many == expected.collect::<String>());
    let object = run_on(["verify", "--records", "--json"], &all).json().remove(0);
    assert_eq!(object["oddities"], json!(1000 * 31));
}

#[test]
fn odd_records_do_not_hide_other_faults() {
    let car = car([("com.example.test/..", typed("$type", Value::F64(1.5)))]);
    for (more, end) in [(&[][..], "\n"), (&["--strict"], ", 1 odd record with 1 oddity\n")] {
        let run = each_way(&[&["verify", "--records"], more].concat(), &car);
        assert_eq!((run.code, run.stdout.lines().count()), (Some(3), 1));
        assert!(run.stderr.starts_with("invalid path: "), "{run:?}");
        let end = format!(": 1 path is invalid{end}");
        assert!(run.stderr.ends_with(&end), "{run:?}");
    }
}

#[test]
fn nothing_of_a_record_reaches_a_terminal_as_it_is() {
    let text = "a\t\n\u{1b}[31m\u{202e}\u{e0041}";
    let record = Value::map([(text, Value::F64(1.5)), ("$type", Value::text(text))]);
    let key = format!("com.example.test/{text}");
    let car = car([(PATH, Record::new(record.encode())), (&key, Record::new(vec![0xa1]))]);
    for more in ["--quiet", "--json"] {
        let run = run_on(["verify", "--records", more], &car);
        let shown = run.stdout.replace(['\t', '\n'], "");
        assert!(!shown.chars().any(is_harmful), "{shown}");
        assert!(shown.contains("u{202e}") && shown.contains("x1b"), "{shown}");
    }
    assert_eq!(
        run_on(["verify", "--records", "-q"], &car)
            .stdout
            .lines()
            .map(|line| line.split('\t').count())
            .max(),
        Some(3)
    );
}
