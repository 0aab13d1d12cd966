//! External data: signatures and public keys.

use std::path::Path;

use carwalk::error::SignatureFault;
use carwalk::signature::Curve;
use carwalk::{ErrorKind, Lookup, Repo, VerifyingKey, verify_record_proof};
use carwalk_testkit::base58;
use carwalk_testkit::signing::SigningKey;
use serde_json::Value;

use crate::vectors::{json, unbase64};

/// Valid and invalid signatures, each with both forms of its key.
pub(crate) fn signatures(path: &Path) {
    let file = json(path);
    let mut judged = (0, 0);
    for case in file.as_array().unwrap() {
        let text = |field: &str| case[field].as_str().unwrap();
        let key: VerifyingKey = text("publicKeyDid").parse().unwrap();
        assert_eq!(key.to_string(), text("publicKeyDid"));
        let curve = if text("algorithm") == "ES256" { Curve::P256 } else { Curve::K256 };
        assert_eq!(key.curve(), curve);
        let method =
            VerifyingKey::from_verification_method(text("didDocSuite"), text("publicKeyMultibase"));
        assert_eq!(method.unwrap(), key);

        let signature = unbase64(text("signatureBase64"));
        let outcome = key.verify([unbase64(text("messageBase64"))], &signature);
        let Err(error) = outcome else {
            assert_eq!(case["validSignature"], true, "{case}");
            judged.0 += 1;
            continue;
        };
        assert_eq!(case["validSignature"], false, "{case}");
        let expected = match case["tags"][0].as_str().unwrap() {
            "high-s" => SignatureFault::HighS,
            "der-encoded" => SignatureFault::Len { found: signature.len() },
            other => panic!("unknown tag {other}"),
        };
        assert!(
            matches!(error.kind(), ErrorKind::Signature(fault) if *fault == expected),
            "{case}: {error}"
        );
        judged.1 += 1;
    }
    assert_eq!(judged, (2, 4));
}

/// Private keys, each with its `did:key`.
pub(crate) fn did_keys(folder: &Path) {
    let mut judged = 0;
    for name in ["w3c_didkey_K256.json", "w3c_didkey_P256.json"] {
        for case in json(&folder.join(name)).as_array().unwrap() {
            let (signing, curve) = signing_key(case);
            let text = case["publicDidKey"].as_str().unwrap();
            let key: VerifyingKey = text.parse().unwrap();
            assert_eq!(key.curve(), curve);
            assert_eq!(key.to_string(), text);
            assert_eq!(key, VerifyingKey::from_sec1_bytes(curve, &signing.public_key()).unwrap());
            key.verify([text], &signing.sign(text.as_bytes())).unwrap();
            judged += 1;
        }
    }
    assert_eq!(judged, 6);
}

fn signing_key(case: &Value) -> (SigningKey, Curve) {
    if let Some(hex) = case["privateKeyBytesHex"].as_str() {
        let byte = |index: usize| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap();
        return (SigningKey::k256(&core::array::from_fn(byte)), Curve::K256);
    }
    let secret = base58::decode(case["privateKeyBytesBase58"].as_str().unwrap());
    (SigningKey::p256(&secret.try_into().unwrap()), Curve::P256)
}

/// Commits that the reference implementation signed.
pub(crate) fn commits(path: &Path) {
    let file = json(path);
    let (mut holds, mut fails) = (0, 0);
    for case in file["cases"].as_array().unwrap() {
        let car = unbase64(case["proof"].as_str().unwrap());
        let repo = Repo::from_slice(&car).unwrap();
        let key: VerifyingKey = case["signingKey"].as_str().unwrap().parse().unwrap();
        let outcome = repo.commit().verify_signature(&key);
        if case["name"].as_str().unwrap().ends_with("/wrong_key") {
            let error = outcome.unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Signature(SignatureFault::Mismatch)),
                "{case}: {error}"
            );
            fails += 1;
        } else {
            // The commit of another account has a valid signature. Comparing its DID is up to the
            // caller.
            outcome.unwrap();
            let is_other = case["name"].as_str().unwrap().ends_with("/wrong_did");
            assert_eq!(case["did"] != repo.commit().did(), is_other);
            holds += 1;
        }
    }
    assert_eq!((holds, fails), (50, 25));
}

/// Responses of `getRecord`: they prove a record or its absence, or have another account or key.
pub(crate) fn record_proofs(path: &Path) {
    let file = json(path);
    let collection = file["collection"].as_str().unwrap();
    let (mut present, mut absent, mut other_account, mut other_key) = (0, 0, 0, 0);
    for case in file["cases"].as_array().unwrap() {
        let text = |field: &str| case[field].as_str().unwrap();
        let car = unbase64(text("proof"));
        let key: VerifyingKey = text("signingKey").parse().unwrap();
        let path = format!("{collection}/{}", text("rkey"));
        let outcome = verify_record_proof(&car, text("did"), &key, &path);
        let again = verify_record_proof(&car, text("did"), &key, &path);
        assert_eq!(format!("{outcome:?}"), format!("{again:?}"));
        match outcome.map(|proof| proof.lookup) {
            Ok(Lookup::Present { cid, record: Some(record) }) => {
                assert_eq!(case["expect"], cid.to_string(), "{case}");
                assert!(
                    cid.verify(record).is_ok() && car.as_ptr_range().contains(&record.as_ptr())
                );
                present += 1;
            }
            Ok(Lookup::Absent) => {
                assert_eq!(case["expect"], Value::Null, "{case}");
                absent += 1;
            }
            Ok(other) => panic!("{case}: {other:?}"),
            Err(error) => {
                assert_eq!(case["expect"], "error", "{case}: {error}");
                match error.kind() {
                    ErrorKind::OtherAccount { expected, .. } => {
                        assert!(
                            text("name").ends_with("/wrong_did") && **expected == *text("did"),
                            "{case}"
                        );
                        other_account += 1;
                    }
                    ErrorKind::Signature(SignatureFault::Mismatch) => {
                        assert!(text("name").ends_with("/wrong_key"), "{case}");
                        other_key += 1;
                    }
                    _ => panic!("{case}: {error}"),
                }
            }
        }
    }
    assert_eq!((present, absent, other_account, other_key), (10, 15, 25, 25));
}
