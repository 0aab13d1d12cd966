//! Whose a repository is, and who signed it: keys, DID documents and audit logs, for `verify` and
//! for `get`.

use crate::harness::{Run, TempCar, each_way, run_on};
use carwalk_testkit::breakage::{sample, sample_keys};
use carwalk_testkit::commit::DID;
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::signing::SigningKey;
use serde_json::{Value as Json, json};

const OTHER_DID: &str = "did:plc:z72i7hdynmk6r22z27h6tvur";

fn key(number: u8) -> SigningKey {
    if number.is_multiple_of(2) {
        SigningKey::p256(&[number; 32])
    } else {
        SigningKey::k256(&[number; 32])
    }
}

/// A repository that key 2 signed.
fn signed() -> Repo {
    let mut repo = sample();
    repo.sign(&key(2));
    repo
}

fn car() -> Vec<u8> {
    signed().to_bytes(Order::Pds)
}

fn document(did: &str, id: &str, key: &SigningKey) -> Json {
    let multibase = key.did_key().replace("did:key:", "");
    json!({
        "@context": ["https://www.w3.org/ns/did/v1"], "id": did, "alsoKnownAs": ["at://a.example"],
        "verificationMethod": [
            { "id": format!("{did}#other"), "type": "JsonWebKey2020", "publicKeyJwk": {} },
            { "id": id, "type": "Multikey", "controller": did, "publicKeyMultibase": multibase },
        ],
    })
}

fn audited(did: &str, operation: Json) -> Json {
    json!({ "did": did, "operation": operation, "cid": "bafy", "nullified": false,
        "createdAt": "2023-04-26T06:19:25.508Z" })
}

fn operation(key: &SigningKey) -> Json {
    json!({ "type": "plc_operation", "verificationMethods": { "atproto": key.did_key() } })
}

/// A log of keys 1, 2 and 3, each twice, and what is no key of the account.
fn log() -> Vec<Json> {
    let first = json!({ "type": "create", "signingKey": key(1).did_key(), "prev": null });
    let mut nullified = audited(DID, operation(&key(9)));
    nullified["nullified"] = json!(true);
    let unusable = json!({ "verificationMethods": { "atproto": "did:key:z6Mkf5rGM" } });
    vec![
        audited(DID, first),
        audited(DID, operation(&key(1))),
        audited(DID, operation(&key(2))),
        nullified,
        audited(DID, unusable),
        audited(DID, operation(&key(2))),
        audited(DID, operation(&key(3))),
        audited(DID, json!({ "type": "plc_tombstone", "prev": "bafy" })),
    ]
}

/// Runs a command on the signed repository with the file `doc.json`.
fn with_doc(args: &[&str], doc: impl AsRef<[u8]>) -> Run {
    let file = TempCar::named("doc.json", doc.as_ref());
    let run = run_on([&["verify", "--did-doc", file.name()], args].concat(), &car());
    Run { stderr: run.stderr.replace(&format!("{:?}", file.name()), "FILE"), ..run }
}

#[test]
fn several_keys_are_tried_in_their_order() {
    let keys = [1, 2, 3].map(|number| key(number).did_key());
    let args = ["verify", "--key", &keys[0], "--key", &keys[1], "--key", &keys[2]];
    let text = each_way(&args, &car()).quiet_success();
    let line = format!("commit: {}, signed with key 2 of 3: {}\n", signed().commit_cid(), keys[1]);
    assert!(text.contains(&line), "{text}");
    let object = run_on([&args[..], &["--json"]].concat(), &car()).json().remove(0);
    assert_eq!((&object["key"], &object["key_number"]), (&json!(keys[1]), &json!(2)));

    let error = each_way(&["verify", "--key", &keys[0], "--key", &keys[2]], &car()).one_error(1);
    let expected = format!(": none of these 2 keys signed the commit: {}, {}\n", keys[0], keys[2]);
    assert!(error.ends_with(&expected), "{error}");
    let many: Vec<_> = (3..10).map(|number| format!("--key={}", key(number).did_key())).collect();
    let error = run_on([vec!["verify".to_owned()], many].concat(), &car()).one_error(1);
    assert!(
        error.contains("none of these 7 keys ") && error.ends_with(", and 2 more\n"),
        "{error}"
    );
}

#[test]
fn documents_give_did_and_key() {
    for id in [&format!("{DID}#atproto"), "#atproto"] {
        let text = with_doc(&[], document(DID, id, &key(2)).to_string()).quiet_success();
        assert!(text.contains(&format!(", signed with {}\n", key(2).did_key())), "{text}");
        let other = with_doc(&[], document(DID, id, &key(3)).to_string()).one_error(1);
        assert!(other.contains(&key(3).did_key()), "{other}");
    }
    let with_mark = format!("\u{feff}{}", document(DID, "#atproto", &key(2)));
    with_doc(&["--quiet"], with_mark).quiet_success();
    let stranger = with_doc(&[], document(OTHER_DID, "#atproto", &key(2)).to_string()).one_error(1);
    assert!(stranger.contains(&format!("expected {OTHER_DID}")), "{stranger}");
}

#[test]
fn audit_logs_give_did_and_all_keys_the_newest_first() {
    let text = with_doc(&[], json!(log()).to_string()).quiet_success();
    assert!(text.contains(&format!("signed with key 2 of 3: {}\n", key(2).did_key())), "{text}");
    let mut later = log();
    later.truncate(6);
    let text = with_doc(&[], json!(later).to_string()).quiet_success();
    assert!(text.contains("signed with key 1 of 2: "), "{text}");
    let mut without: Vec<_> = log();
    without.retain(|entry| !entry.to_string().contains(&key(2).did_key()));
    let error = with_doc(&[], json!(without).to_string()).one_error(1);
    assert!(error.contains("none of these 2 keys "), "{error}");
}

/// A log of so many keys, all of them newer than key 2.
fn long_log(keys: u16) -> Json {
    let newer = (1..keys).map(|number| {
        let mut secret = [1; 32];
        secret[..2].copy_from_slice(&number.to_be_bytes());
        audited(DID, operation(&SigningKey::k256(&secret)))
    });
    json!([audited(DID, operation(&key(2)))].into_iter().chain(newer).collect::<Vec<_>>())
}

#[test]
fn an_audit_log_may_have_a_thousand_keys() {
    let text = with_doc(&[], long_log(1000).to_string()).quiet_success();
    assert!(text.contains("signed with key 1000 of 1000: "), "{text}");
    let error = with_doc(&[], long_log(1001).to_string()).one_error(3);
    assert_eq!(error, "error: FILE: the audit log has more than 1000 keys\n");
    // Repeated keys count once.
    let repeated =
        (0..2000_u16).map(|number| audited(DID, operation(&key(1 + (number % 2) as u8))));
    let repeated = json!(repeated.collect::<Vec<_>>()).to_string();
    let text = with_doc(&[], repeated).quiet_success();
    assert!(text.contains("signed with key 1 of 2: "), "{text}");
}

#[test]
fn documents_that_are_none_are_refused_by_name() {
    let mut two = log();
    two.push(audited(OTHER_DID, operation(&key(2))));
    let mut bad_key = document(DID, "#atproto", &key(2));
    bad_key["verificationMethod"][1]["publicKeyMultibase"] = json!("z\u{1b}[2J");
    let many: Vec<_> = (0..2000_u64).map(|_| audited(DID, json!({}))).collect();
    let cases = [
        (String::new(), "not a DID document: "),
        ("{}".to_owned(), "not a DID document: missing field `id`"),
        ("[1]".to_owned(), "not an audit log (PLC's /DID/log/audit): "),
        ("[]".to_owned(), "the audit log is empty"),
        (
            json!([operation(&key(2))]).to_string(),
            "not an audit log (PLC's /DID/log/audit): missing",
        ),
        (json!(two).to_string(), "the audit log has entries of more than one account"),
        (json!(many).to_string(), "the audit log has no key that can sign commits"),
        (document(DID, "#other", &key(2)).to_string(), "has no verification method #atproto"),
        (
            document(DID, &format!("{OTHER_DID}#atproto"), &key(2)).to_string(),
            "has no verification method #atproto",
        ),
        (bad_key.to_string(), "verification method #atproto: "),
        (document("did:\u{1b}[2J", "#atproto", &key(2)).to_string(), "\\u{1b}[2J\" is not a DID"),
        (
            r#"{"message":"DID not registered: \u001b[2J"}"#.to_owned(),
            r#"but the server's message "DID not registered: \u{1b}[2J""#,
        ),
        (
            r#"{"error":"NotFound","message":"no su"#.to_owned(),
            r#"but the server's error "NotFound" with the message "no su".."#,
        ),
        ("[".repeat(100_000), "not an audit log"),
        (format!("{{\"a\":{}", "[".repeat(100_000)), "not a DID document: EOF"),
        (" ".repeat((8 << 20) + 1), "longer than 8388608 bytes"),
    ];
    for (text, reason) in cases {
        let error = with_doc(&[], &text).one_error(3);
        assert!(error.starts_with("error: FILE: ") && error.contains(reason), "{error}");
    }
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = with_doc(&[], utf16).one_error(3);
    assert_eq!(error, "error: FILE: this is UTF-16 text: save it as UTF-8\n");
    let error = with_doc(&["--did", OTHER_DID], json!(log()).to_string()).one_error(3);
    assert_eq!(error, format!("error: FILE: the account is {DID}, not {OTHER_DID}\n"));
    with_doc(&["--did", DID, "--quiet"], json!(log()).to_string()).quiet_success();
    let error = run_on(["verify", "--did-doc", "no/such.json"], &car()).one_error(5);
    assert_eq!(error, "error: cannot read \"no/such.json\": No such file or directory\n");
    let both = with_doc(&["--key", &key(2).did_key()], "{}");
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn get_verifies_and_prints_in_one_run() {
    let path = String::from_utf8(sample_keys().remove(0)).unwrap();
    let file = TempCar::new(&car());
    let get = |args: &[&str], path: &str| file.run_with(&[&["get"], args].concat(), &[path]);
    let (right, wrong) = (key(2).did_key(), key(3).did_key());
    let plain = get(&[], &path).quiet_success();
    for args in
        [&["--did", DID][..], &["--key", &right], &["--did", DID, "--key", &wrong, "--key", &right]]
    {
        assert_eq!(get(args, &path).quiet_success(), plain);
        // 1 still means that there is no such record.
        get(args, "com.example.absent/1").one_error(1);
    }
    for args in [&["--did", OTHER_DID][..], &["--key", &wrong], &["--did", DID, "--key", &wrong]] {
        for path in [&*path, "com.example.absent/1"] {
            let run = get(args, path);
            assert_eq!(run.stdout, "");
            run.one_error(3);
        }
    }
    let doc = TempCar::named("doc.json", json!(log()).to_string().as_bytes());
    assert_eq!(get(&["--did-doc", doc.name()], &path).quiet_success(), plain);
}
