//! The texts and bytes of public keys: which are keys, and why the others are none.

use std::collections::HashSet;
use std::hash::BuildHasher;

use carwalk::error::PublicKeyFault;
use carwalk::limits::MAX_PUBLIC_KEY_TEXT_LEN;
use carwalk::signature::Curve;
use carwalk::{Error, ErrorClass, ErrorKind, Result, VerifyingKey};
use carwalk_testkit::base58;
use carwalk_testkit::cases;
use carwalk_testkit::rng::Rng;
use carwalk_testkit::signing::SigningKey;

const P256_METHOD: &str = "EcdsaSecp256r1VerificationKey2019";
const K256_METHOD: &str = "EcdsaSecp256k1VerificationKey2019";

const COMPRESSED: &str = "33 (compressed)";
const EITHER: &str = "33 (compressed) or 65 (uncompressed)";

/// A key of each curve, with the multicodec and the old type of its curve.
fn keys(secret: u8) -> [(SigningKey, Curve, &'static [u8], &'static str); 2] {
    let secret = &[secret; 32];
    [
        (SigningKey::p256(secret), Curve::P256, &[0x80, 0x24], P256_METHOD),
        (SigningKey::k256(secret), Curve::K256, &[0xe7, 0x01], K256_METHOD),
    ]
}

fn multibase(parts: &[&[u8]]) -> String {
    format!("z{}", base58::encode(&parts.concat()))
}

fn fault(outcome: Result<VerifyingKey>) -> PublicKeyFault {
    let error = outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Caller);
    match error.kind() {
        ErrorKind::PublicKey(fault) => *fault,
        other => panic!("{other:?}"),
    }
}

fn text_fault(text: &str) -> PublicKeyFault {
    fault(text.parse())
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    for secret in 1..20 {
        for (signing, curve, codec, method) in keys(secret) {
            let key: VerifyingKey = signing.did_key().parse().unwrap();
            assert_eq!(key.to_string(), signing.did_key());
            assert_eq!(key.curve(), curve);
            assert_eq!(key.to_sec1_bytes()[..], signing.public_key());
            let multikey = multibase(&[codec, &signing.public_key()]);
            assert_eq!(key.to_multikey(), multikey);
            let short = multibase(&[&signing.public_key()]);
            let long = multibase(&[&signing.uncompressed_public_key()]);
            let same = [
                multikey.parse(),
                VerifyingKey::from_verification_method("Multikey", &multikey),
                VerifyingKey::from_verification_method(method, &short),
                VerifyingKey::from_verification_method(method, &long),
                VerifyingKey::from_sec1_bytes(curve, &signing.public_key()),
                VerifyingKey::from_sec1_bytes(curve, &signing.uncompressed_public_key()),
            ];
            for other in same {
                assert_eq!(other.unwrap(), key);
            }
            assert_eq!(
                format!("{:?}", key.clone()),
                format!("VerifyingKey({})", signing.did_key())
            );
        }
    }
}

#[test]
fn different_keys_are_not_equal() {
    let all: Vec<VerifyingKey> =
        (1..4).flat_map(keys).map(|key| key.0.did_key().parse().unwrap()).collect();
    for (index, key) in all.iter().enumerate() {
        assert_eq!(all.iter().filter(|other| *other == key).count(), 1, "{index}");
    }
}

#[test]
fn texts_that_are_no_multibase_of_base58btc_are_refused() {
    let (signing, ..) = &keys(7)[1];
    let good = signing.did_key();
    let rest = good.strip_prefix("did:key:z").unwrap();
    assert_eq!(text_fault(""), PublicKeyFault::Multibase);
    assert_eq!(text_fault("did:key:"), PublicKeyFault::Multibase);
    for other in [
        "f",
        "m",
        "b",
        "Z",
        "",
        " z",
        "did:key:f",
        "did:key:",
        "did:key:did:key:z",
        "DID:KEY:z",
        "\u{e9}",
    ] {
        assert_eq!(text_fault(&format!("{other}{rest}")), PublicKeyFault::Multibase, "{other}");
    }
    for did in
        ["did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did:web:example.com", "did:", "did:KEY:z", "did:key"]
    {
        assert_eq!(text_fault(did), PublicKeyFault::DidMethod, "{did}");
    }
    // In a DID document the method's own text stands, not a DID.
    let whole = VerifyingKey::from_verification_method("Multikey", &good);
    assert_eq!(fault(whole), PublicKeyFault::Multibase);
}

#[test]
fn characters_that_base58btc_does_not_have_are_refused() {
    let (signing, ..) = &keys(7)[1];
    let good = signing.did_key().replace("did:key:", "");
    for odd in ["0", "O", "I", "l", " ", "\n", "\0", "#", "\u{7f}", "\u{e9}"] {
        let found = odd.as_bytes()[0];
        for at in [1, 20, good.len()] {
            let text = [&good[..at], odd, &good[at..]].concat();
            assert_eq!(text_fault(&text), PublicKeyFault::Base58 { found, at });
            assert_eq!(
                text_fault(&format!("did:key:{text}")),
                PublicKeyFault::Base58 { found, at }
            );
            let method = VerifyingKey::from_verification_method(K256_METHOD, &text);
            assert_eq!(fault(method), PublicKeyFault::Base58 { found, at });
        }
    }
}

/// Decoding base58 takes time by the square of the length.
#[test]
fn megabytes_of_key_text_are_refused_before_they_are_decoded() {
    let text = "z".repeat(64 << 20);
    let found = text.len();
    assert_eq!(text_fault(&text), PublicKeyFault::TextLen { found });
    assert_eq!(text_fault(&format!("did:key:{text}")), PublicKeyFault::TextLen { found });
    for method in ["Multikey", P256_METHOD, K256_METHOD] {
        let outcome = VerifyingKey::from_verification_method(method, &text);
        assert_eq!(fault(outcome), PublicKeyFault::TextLen { found });
    }
    let longest = &text[..MAX_PUBLIC_KEY_TEXT_LEN];
    assert!(!matches!(text_fault(longest), PublicKeyFault::TextLen { .. }));
    let found = longest.len() + 1;
    assert_eq!(text_fault(&text[..found]), PublicKeyFault::TextLen { found });
}

#[test]
fn keys_of_other_codecs_are_refused() {
    let point = &keys(7)[0].0.public_key();
    let codecs: [(&[u8], u64); 8] = [
        (&[0xed, 0x01], 0xed),
        (&[0xec, 0x01], 0xec),
        (&[0xea, 0x01], 0xea),
        (&[0x81, 0x24], 0x1201),
        (&[0x82, 0x24], 0x1202),
        (&[0x86, 0x26], 0x1306),
        (&[0x12], 0x12),
        // The code without its encoding as a varint: e7 goes on.
        (&[0x67], 0x67),
    ];
    for (codec, found) in codecs {
        assert_eq!(text_fault(&multibase(&[codec, point])), PublicKeyFault::Codec { found });
    }
    // A bare point has none, and its first byte is taken for one.
    assert_eq!(text_fault(&multibase(&[&[2], &point[1..]])), PublicKeyFault::Codec { found: 2 });
    let padded: [&[u8]; 5] = [&[], &[0xe7], &[0xe7, 0x81, 0x00], &[0x80, 0xa4, 0x00], &[0xff; 33]];
    for codec in padded {
        let rest = if codec.len() < 2 { &[][..] } else { point };
        assert_eq!(text_fault(&multibase(&[codec, rest])), PublicKeyFault::NoCodec, "{codec:02x?}");
    }
}

#[test]
fn points_of_other_lengths_are_refused() {
    for (signing, curve, codec, method) in keys(7) {
        let point = signing.public_key();
        let long = signing.uncompressed_public_key();
        let trailing = [&point[..], &[0]].concat();
        for odd in [&[][..], &[0], &point[..32], &point[1..], &trailing, &long] {
            let expected = PublicKeyFault::PointLen { found: odd.len(), expected: COMPRESSED };
            assert_eq!(text_fault(&multibase(&[codec, odd])), expected);
        }
        let trailing = [&long[..], &[0]].concat();
        for odd in [&[][..], &[0], &point[..32], &long[..64], &long[1..], &trailing] {
            let expected = PublicKeyFault::PointLen { found: odd.len(), expected: EITHER };
            assert_eq!(fault(VerifyingKey::from_sec1_bytes(curve, odd)), expected);
            let outcome = VerifyingKey::from_verification_method(method, &multibase(&[odd]));
            assert_eq!(fault(outcome), expected);
        }
        // The text of a Multikey where the bare point is due.
        let outcome = VerifyingKey::from_verification_method(method, &multibase(&[codec, &point]));
        assert_eq!(fault(outcome), PublicKeyFault::PointLen { found: 35, expected: EITHER });
    }
}

/// SEC 1 libraries know compact points (05), and some know hybrid ones (06, 07).
#[test]
fn points_in_other_forms_are_refused() {
    for (signing, curve, codec, _) in keys(7) {
        let (mut short, mut long) = (signing.public_key(), signing.uncompressed_public_key());
        for found in (0..=255).filter(|found| ![2, 3].contains(found)) {
            short[0] = found;
            assert_eq!(
                fault(VerifyingKey::from_sec1_bytes(curve, &short)),
                PublicKeyFault::PointForm { found }
            );
            assert_eq!(
                text_fault(&multibase(&[codec, &short])),
                PublicKeyFault::PointForm { found }
            );
        }
        for found in (0..=255).filter(|&found| found != 4) {
            long[0] = found;
            assert_eq!(
                fault(VerifyingKey::from_sec1_bytes(curve, &long)),
                PublicKeyFault::PointForm { found }
            );
        }
    }
}

#[test]
fn points_that_are_not_on_the_curve_are_refused() {
    for (signing, curve, codec, method) in keys(7) {
        let no_point =
            PublicKeyFault::NoPoint { curve: if curve == Curve::P256 { "P-256" } else { "K-256" } };
        let mut refused = 0;
        for x in 0..32 {
            let mut point = [0; 33];
            (point[0], point[32]) = (2, x);
            let even = VerifyingKey::from_sec1_bytes(curve, &point);
            point[0] = 3;
            let odd = VerifyingKey::from_sec1_bytes(curve, &point);
            assert_eq!(even.is_ok(), odd.is_ok());
            if let Ok(key) = odd {
                assert_eq!(key.to_sec1_bytes(), point);
                continue;
            }
            refused += 1;
            assert_eq!(fault(even), no_point);
            assert_eq!(text_fault(&multibase(&[codec, &point])), no_point);
        }
        assert!((8..24).contains(&refused), "about half of all numbers are no x: {refused}");
        let mut long = signing.uncompressed_public_key();
        long[64] ^= 1;
        assert_eq!(fault(VerifyingKey::from_sec1_bytes(curve, &long)), no_point);
        let outcome = VerifyingKey::from_verification_method(method, &multibase(&[&long]));
        assert_eq!(fault(outcome), no_point);
        // x above the field's prime, which would be a second encoding of a small one.
        let beyond = [&[2][..], &[0xff; 32]].concat();
        assert_eq!(fault(VerifyingKey::from_sec1_bytes(curve, &beyond)), no_point);
    }
    let [(p256, ..), (k256, ..)] = keys(7);
    let outcome = VerifyingKey::from_sec1_bytes(Curve::K256, &p256.uncompressed_public_key());
    assert_eq!(fault(outcome), PublicKeyFault::NoPoint { curve: "K-256" });
    let outcome = VerifyingKey::from_sec1_bytes(Curve::P256, &k256.uncompressed_public_key());
    assert_eq!(fault(outcome), PublicKeyFault::NoPoint { curve: "P-256" });
}

#[test]
fn methods_of_other_types_are_refused() {
    for (signing, _, codec, _) in keys(7) {
        let text = multibase(&[codec, &signing.public_key()]);
        for odd in ["", "multikey", "Multikey ", "JsonWebKey2020", "Ed25519VerificationKey2020"] {
            let outcome = VerifyingKey::from_verification_method(odd, &text);
            assert_eq!(fault(outcome), PublicKeyFault::MethodType, "{odd}");
        }
    }
}

/// Whatever is read as a key is written as it was read: no key has two texts.
#[test]
fn changed_texts_are_refused_or_other_keys() {
    let mut rng = Rng::new(58);
    let (mut refused, mut read) = (0, 0);
    for (signing, ..) in keys(7) {
        let good = signing.did_key();
        for _ in 0..cases(500) {
            let mut text = good.clone().into_bytes();
            for _ in 0..rng.range(1, 4) {
                let at = rng.below(text.len());
                match rng.below(4) {
                    0 => text.insert(at, *rng.pick(good.as_bytes())),
                    1 => drop(text.remove(at)),
                    2 => text[at] = *rng.pick(good.as_bytes()),
                    _ => text[at] = rng.next_u64().to_le_bytes()[0] & 0x7f,
                }
            }
            let text = String::from_utf8(text).unwrap();
            match text.parse::<VerifyingKey>() {
                Ok(key) => {
                    assert!(key.to_string() == text || key.to_multikey() == text, "{text}");
                    assert_eq!(
                        key.to_string() == good,
                        text == good || format!("did:key:{text}") == good
                    );
                    read += 1;
                }
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::PublicKey(_)), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > cases(250) && read > cases(25), "{refused} {read}");
}

#[test]
fn messages_of_public_keys() {
    let faults: [(PublicKeyFault, &str); 10] = [
        (
            PublicKeyFault::DidMethod,
            "DID of another method than `key`: its public key is in its DID document",
        ),
        (
            PublicKeyFault::MethodType,
            "verification method of unknown type, expected `Multikey`, \
             `EcdsaSecp256k1VerificationKey2019` or `EcdsaSecp256r1VerificationKey2019`",
        ),
        (
            PublicKeyFault::TextLen { found: 129 },
            "public key text of 129 bytes, expected at most 128",
        ),
        (PublicKeyFault::Multibase, "public key text does not begin with `z` (base58btc)"),
        (
            PublicKeyFault::Base58 { found: b'0', at: 7 },
            "public key text with the byte 0x30 at position 7, which is not a base58btc digit",
        ),
        (PublicKeyFault::NoCodec, "public key does not begin with a multicodec"),
        (
            PublicKeyFault::Codec { found: 0xed },
            "public key of multicodec 0xed, expected 0xe7 (secp256k1-pub) or 0x1200 (p256-pub)",
        ),
        (
            PublicKeyFault::PointLen { found: 32, expected: "33 (compressed)" },
            "point of 32 bytes, expected 33 (compressed)",
        ),
        (
            PublicKeyFault::PointForm { found: 5 },
            "point with the first byte 0x05, expected 0x02 or 0x03 (33 bytes) or 0x04 (65 bytes)",
        ),
        (PublicKeyFault::NoPoint { curve: "P-256" }, "not a point on the curve P-256"),
    ];
    for (fault, message) in faults {
        assert_eq!(ErrorKind::PublicKey(fault).to_string(), message);
    }
}

#[test]
fn errors_repeat_the_text_that_is_no_key() {
    let text = |error: Error| error.to_string();
    let keys: [(&str, &str); 3] = [
        ("zabc0", "byte 0x30 at position 4, which is not a base58btc digit, text \"zabc0\""),
        ("did:web:example.com", ", text \"did:web:example.com\""),
        ("\u{1b}[2J", ", text \"\\x1b[2J\""),
    ];
    for (refused, end) in keys {
        let error = text(refused.parse::<VerifyingKey>().unwrap_err());
        assert!(error.ends_with(end), "{error}");
    }
    for (method, value, refused) in
        [("Multikey", "z0", "z0"), (K256_METHOD, "z0", "z0"), ("x", "z0", "x")]
    {
        let error = text(VerifyingKey::from_verification_method(method, value).unwrap_err());
        assert!(error.ends_with(&format!(", text \"{refused}\"")), "{error}");
    }
    // However long it is, not much of it.
    let error = "0".repeat(1 << 20).parse::<VerifyingKey>().unwrap_err();
    assert_eq!(error.key().unwrap().len(), 256);
}

#[test]
fn keys_are_found_again_in_sets_by_whatever_form_they_came() {
    let mut found = HashSet::new();
    for secret in 1..20 {
        for (signing, curve, ..) in keys(secret) {
            let key: VerifyingKey = signing.did_key().parse().unwrap();
            assert!(found.insert(key.clone()) && !found.insert(key.clone()));
            let other =
                VerifyingKey::from_sec1_bytes(curve, &signing.uncompressed_public_key()).unwrap();
            let hash = |key: &VerifyingKey| found.hasher().hash_one(key);
            assert!(found.contains(&other) && hash(&other) == hash(&key));
        }
    }
    assert_eq!(found.len(), 19 * 2);
}

#[test]
fn keys_are_padded_as_texts_are() {
    for (signing, ..) in keys(3) {
        let (text, key) = (signing.did_key(), signing.did_key().parse::<VerifyingKey>().unwrap());
        let width = text.len() + 5;
        assert_eq!(format!("{key:<width$}|"), format!("{text}     |"));
        assert_eq!(format!("{key:>width$}|"), format!("     {text}|"));
        assert_eq!(format!("{key:*^width$}"), format!("**{text}***"));
        assert_eq!(format!("{key:3}|{key:.8}"), format!("{text}|did:key:"));
    }
}
