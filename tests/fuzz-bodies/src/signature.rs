use carwalk::error::SignatureFault;
use carwalk::signature::{Curve, VerifyingKey};
use carwalk::{ErrorKind, Result};
use carwalk_testkit::signing::SigningKey;

use crate::choices::Choices;

/// Half of each curve's order, rounded down. This is the largest low s.
const HALF_P256: [u8; 32] = *b"\x7f\xff\xff\xff\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff\
\xde\x73\x7d\x56\xd3\x8b\xcf\x42\x79\xdc\xe5\x61\x7e\x31\x92\xa8";
const HALF_K256: [u8; 32] = *b"\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
\x5d\x57\x6e\x73\x57\xa4\x50\x1d\xdf\xe9\x2f\x46\x68\x1b\x20\xa0";

/// A signature is valid for its key and its message, in any pieces, and for no others. A signature
/// with a high s or of another length is refused with that reason. Keys that parse are written
/// unchanged.
pub fn signature(data: &[u8]) {
    let mut choices = Choices::new(data);
    let signing = any_key(&mut choices);
    let key: VerifyingKey = signing.did_key().parse().unwrap();
    let len = choices.below(64);
    let message = choices.bytes(len);
    let signature = signing.sign(message);
    let (before, after) = message.split_at(choices.below(message.len() + 1));
    key.verify([before, after], &signature).unwrap();
    match choices.below(4) {
        0 => refused_unless_the_same(&key, message, &signature, &mut choices),
        1 => {
            let other: VerifyingKey = any_key(&mut choices).did_key().parse().unwrap();
            let is_same = other == key;
            assert_eq!(other.verify([message], &signature).is_ok(), is_same);
        }
        2 => {
            let mut other = message.to_vec();
            other.push(choices.byte());
            assert!(key.verify([&other], &signature).is_err());
        }
        _ => text(choices.rest()),
    }
}

fn any_key(choices: &mut Choices<'_>) -> SigningKey {
    let mut secret = [0; 32];
    secret[choices.below(32)] = choices.byte();
    secret[31] |= 1;
    // A secret that begins with 255 may exceed the order of the curve.
    secret[0] &= 0x7f;
    if choices.flag() { SigningKey::k256(&secret) } else { SigningKey::p256(&secret) }
}

/// Changes some bytes of the signature, or replaces it. Asserts that only the original is valid.
fn refused_unless_the_same(
    key: &VerifyingKey,
    message: &[u8],
    signature: &[u8; 64],
    choices: &mut Choices<'_>,
) {
    let mut other = signature.to_vec();
    if choices.flag() {
        for _ in 0..1 + choices.below(3) {
            let at = choices.below(64);
            other[at] = choices.byte();
        }
    } else {
        let len = choices.below(80);
        other = choices.bytes(len).to_vec();
    }
    let outcome = key.verify([message], &other);
    assert_eq!(outcome.is_ok(), other == signature, "{outcome:?}");
    let fault = fault(outcome);
    if other.len() != 64 {
        assert_eq!(fault, Some(SignatureFault::Len { found: other.len() }));
    } else if fault != Some(SignatureFault::OutOfRange) {
        let half = if key.curve() == Curve::P256 { HALF_P256 } else { HALF_K256 };
        assert_eq!(fault == Some(SignatureFault::HighS), other[32..] > half[..], "{fault:?}");
    }
}

fn fault(outcome: Result<()>) -> Option<SignatureFault> {
    let error = outcome.err()?;
    match error.kind() {
        ErrorKind::Signature(fault) => Some(*fault),
        _ => panic!("{error}"),
    }
}

/// Parses any bytes as a public key, in every format.
fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = text.parse::<VerifyingKey>() {
        assert!(key.to_string() == text || key.to_multikey() == text);
    }
    for method in
        ["Multikey", "EcdsaSecp256k1VerificationKey2019", "EcdsaSecp256r1VerificationKey2019"]
    {
        if let Ok(key) = VerifyingKey::from_verification_method(method, &text) {
            assert_eq!(
                VerifyingKey::from_sec1_bytes(key.curve(), &key.to_sec1_bytes()).unwrap(),
                key
            );
        }
    }
    for curve in [Curve::P256, Curve::K256] {
        if let Ok(key) = VerifyingKey::from_sec1_bytes(curve, bytes) {
            assert_eq!(key.to_sec1_bytes()[1..], bytes[1..33]);
        }
    }
}
