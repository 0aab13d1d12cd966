//! Keys: three forms in a DID document, and lines.

use carwalk_testkit::base58;
use carwalk_testkit::commit::DID;
use carwalk_testkit::signing::SigningKey;
use serde_json::{Value as Json, json};

use super::{key, message, message_of, varints};
use crate::harness::{TempCar, run_on};

fn line(did: &str, key: &SigningKey) -> Json {
    json!({ "did": did, "key": key.did_key() })
}

fn document(method_type: &str, key: &str) -> Json {
    json!({ "id": DID, "verificationMethod": [
        { "id": format!("{DID}#atproto"), "type": method_type, "controller": DID,
          "publicKeyMultibase": key },
    ] })
}

/// The rule and the signature of a message, checked with a file of keys.
fn judged(keys: &str) -> (Json, Json) {
    let file = TempCar::named("keys.json", keys.as_bytes());
    let run = run_on(["firehose", "--json", "--keys", file.name()], &message(0).frame());
    let mut line: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(run.code, Some(if line["rule"].is_null() { 0 } else { 3 }), "{run:?}");
    (line["rule"].take(), line["signature"].take())
}

#[test]
fn keys_have_several_forms() {
    let (own, other) = (key(), SigningKey::k256(&[2; 32]));
    let forms = |key: &SigningKey| {
        let plain = |bytes: &[u8]| format!("z{}", base58::encode(bytes));
        let old = "EcdsaSecp256k1VerificationKey2019";
        [
            line(DID, key),
            document("Multikey", key.did_key().strip_prefix("did:key:").unwrap()),
            document(old, &plain(&key.public_key())),
            document(old, &plain(&key.uncompressed_public_key())),
        ]
    };
    for (own, other) in forms(&own).into_iter().zip(forms(&other)) {
        for text in [own.to_string(), format!("\n{own:#}\n")] {
            assert_eq!(judged(&text), (json!(null), json!("checked")), "{text}");
        }
        assert_eq!(judged(&other.to_string()), (json!("signature"), json!("checked")));
    }
    let p256 = SigningKey::p256(&[3; 32]);
    let old = format!("z{}", base58::encode(&p256.public_key()));
    let document = document("EcdsaSecp256r1VerificationKey2019", &old);
    assert_eq!(judged(&document.to_string()), (json!("signature"), json!("checked")));
}

#[test]
fn each_account_has_its_own_key() {
    let web = "did:web:a.example";
    let keys = [line(web, &SigningKey::k256(&[2; 32])), line(DID, &key()), line(DID, &key())];
    let text = keys.map(|key| format!("{key}\n")).concat();
    let file = TempCar::named("keys.json", text.as_bytes());
    let dids = [DID, web, "did:plc:z72i7hdynmk6r22z27h6tvur"];
    let stream = varints(dids.map(|did| message_of(0, did).frame()));
    let run = run_on(["firehose", "--json", "--keys", file.name()], &stream);
    let lines: Vec<_> = run
        .json_and(3)
        .into_iter()
        .map(|line| [line["verdict"].clone(), line["rule"].clone(), line["signature"].clone()])
        .collect();
    let expected = [
        ["valid".into(), Json::Null, "checked".into()],
        ["invalid".into(), "signature".into(), "checked".into()],
        ["valid".into(), Json::Null, "unchecked".into()],
    ];
    assert_eq!(lines, expected);
    assert_eq!(judged(""), (json!(null), json!("unchecked")));
}

#[test]
fn the_signature_is_checked_only_after_the_commit() {
    let file = TempCar::named("keys.json", line(DID, &key()).to_string().as_bytes());
    let mut wrong = message(0);
    wrong.rev = super::REVS[1];
    let run = run_on(["firehose", "--json", "--keys", file.name()], &wrong.frame());
    let line = run.json_and(3).remove(0);
    assert_eq!((&line["rule"], &line["signature"]), (&json!("commit_rev"), &json!("unchecked")));
}

#[test]
fn keys_that_are_malformed_are_refused() {
    let (own, other) = (line(DID, &key()), line(DID, &SigningKey::k256(&[2; 32])));
    let form = "expected {\"did\":\"did:..\",\"key\":\"did:key:..\"} or a DID document";
    let not_did = line("plc", &key());
    let bad_key = json!({ "did": DID, "key": "did:key:z6Mk" });
    let no_method = json!({ "id": DID, "verificationMethod": [] });
    for (text, expected) in [
        (
            format!("{own}\n\n{other}"),
            format!("line 3: another key for {DID} than before: an account has one"),
        ),
        (format!("{own}\n{not_did}"), "line 2: \"plc\" is not a DID".to_owned()),
        (format!("{own}\n{bad_key}"), "line 2: ".to_owned()),
        (
            no_method.to_string(),
            "line 1: the DID document has no verification method #atproto".to_owned(),
        ),
        ("{}".to_owned(), format!("line 1: {form}")),
        (format!("{own}\n{own} x"), format!("line 2: {form}: ")),
    ] {
        let file = TempCar::named("keys.json", text.as_bytes());
        let run = run_on(["firehose", "--keys", file.name()], &message(0).frame());
        let error = run.one_error(2);
        assert!(error.starts_with(&format!("error: {:?}: {expected}", file.name())), "{error}");
    }
    let error = run_on(["firehose", "--keys", "no/such.json"], b"").one_error(5);
    assert_eq!(error, "error: cannot read \"no/such.json\": No such file or directory\n");
}
