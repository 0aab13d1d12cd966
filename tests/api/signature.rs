//! Signatures of messages and commits: which hold, and which do not.

use carwalk::ErrorClass;
use carwalk::error::{SignatureFault, Structure};
use carwalk::signature::Curve;
use carwalk::{
    Cid, Commit, CommitRules, Error, ErrorKind, Lookup, Repo, Result, VerifyingKey,
    verify_record_proof,
};
use carwalk_testkit::cases;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::commit::{self, Commit as KitCommit, Field};
use carwalk_testkit::repo::{Order, Repo as KitRepo};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::sample;
use carwalk_testkit::signing::SigningKey;

const MESSAGE: &[u8] = b"a message of some length";

/// The orders of the curves.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const K256_ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

type Number = [u8; 32];

/// A key of each curve, with the curve's order.
fn keys() -> [(SigningKey, Number); 2] {
    [
        (SigningKey::p256(&[7; 32]), number(P256_ORDER)),
        (SigningKey::k256(&[7; 32]), number(K256_ORDER)),
    ]
}

fn verifying(key: &SigningKey) -> VerifyingKey {
    key.did_key().parse().unwrap()
}

fn number(hex: &str) -> Number {
    core::array::from_fn(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
}

fn small(value: u8) -> Number {
    let mut number = [0; 32];
    number[31] = value;
    number
}

fn minus(a: Number, b: Number) -> Number {
    let mut borrow = false;
    let mut difference = [0; 32];
    for index in (0..32).rev() {
        let (digit, first) = a[index].overflowing_sub(b[index]);
        let (digit, second) = digit.overflowing_sub(u8::from(borrow));
        (difference[index], borrow) = (digit, first | second);
    }
    assert!(!borrow);
    difference
}

/// Half of an odd number, rounded down.
fn half(number: Number) -> Number {
    core::array::from_fn(|index| {
        number[index] >> 1 | if index == 0 { 0 } else { number[index - 1] << 7 }
    })
}

fn signature(r: Number, s: Number) -> Vec<u8> {
    [r, s].concat()
}

fn split(signature: &[u8]) -> (Number, Number) {
    (signature[..32].try_into().unwrap(), signature[32..].try_into().unwrap())
}

fn fault(outcome: Result<()>) -> SignatureFault {
    match outcome.unwrap_err().kind() {
        ErrorKind::Signature(fault) => *fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn signatures_hold_for_their_key_and_message_alone() {
    for (key, _) in keys() {
        let signed = key.sign(MESSAGE);
        verifying(&key).verify([MESSAGE], &signed).unwrap();
        let twice = [MESSAGE, MESSAGE];
        assert_eq!(fault(verifying(&key).verify(twice, &signed)), SignatureFault::Mismatch);
        assert_eq!(fault(verifying(&key).verify([b""], &signed)), SignatureFault::Mismatch);
        for other in [SigningKey::p256(&[8; 32]), SigningKey::k256(&[8; 32])] {
            assert!(verifying(&other).verify([MESSAGE], &signed).is_err());
        }
    }
}

/// The same secret number is a key on both curves.
#[test]
fn signatures_of_one_curve_do_not_hold_on_the_other() {
    let [(p256, _), (k256, _)] = keys();
    assert!(verifying(&k256).verify([MESSAGE], &p256.sign(MESSAGE)).is_err());
    assert!(verifying(&p256).verify([MESSAGE], &k256.sign(MESSAGE)).is_err());
}

#[test]
fn messages_may_come_in_any_pieces() {
    for (key, _) in keys() {
        let signed = key.sign(MESSAGE);
        let key = verifying(&key);
        for at in [0, 1, 12, MESSAGE.len()] {
            let (before, after) = MESSAGE.split_at(at);
            key.verify([before, &[], after], &signed).unwrap();
            assert!(key.verify([after, before, &[]], &signed).is_err() || at % MESSAGE.len() == 0);
        }
        key.verify(MESSAGE.iter().map(core::slice::from_ref), &signed).unwrap();
        key.verify(Vec::<Vec<u8>>::new(), &signed).unwrap_err();
    }
}

#[test]
fn each_changed_byte_of_a_signature_is_refused() {
    for (key, _) in keys() {
        let signed = key.sign(MESSAGE);
        let key = verifying(&key);
        for index in 0..signed.len() {
            let mut changed = signed;
            changed[index] ^= 1 << (index % 8);
            assert_ne!(changed, signed);
            fault(key.verify([MESSAGE], &changed));
        }
    }
}

#[test]
fn random_signatures_are_refused() {
    let mut rng = Rng::new(64);
    for (key, _) in keys() {
        let key = verifying(&key);
        for _ in 0..cases(10) {
            fault(key.verify([MESSAGE], &rng.bytes(64)));
        }
    }
}

/// Whoever sees a signature can make its twin. On P-256 the arithmetic takes both.
#[test]
fn high_twins_of_good_signatures_are_refused() {
    for (key, order) in keys() {
        let (r, s) = split(&key.sign(MESSAGE));
        let twin = signature(r, minus(order, s));
        assert_eq!(fault(verifying(&key).verify([MESSAGE], &twin)), SignatureFault::HighS);
        assert_eq!(fault(verifying(&key).verify([b"other"], &twin)), SignatureFault::HighS);
    }
}

#[test]
fn half_of_the_order_is_the_last_low_s() {
    for (key, order) in keys() {
        let key = verifying(&key);
        let outcome = |s| fault(key.verify([MESSAGE], &signature(small(1), s)));
        let low = half(order);
        let high = minus(order, low);
        assert_eq!(minus(high, low), small(1));
        assert_eq!(outcome(low), SignatureFault::Mismatch);
        assert_eq!(outcome(high), SignatureFault::HighS);
        assert_eq!(outcome(minus(order, small(1))), SignatureFault::HighS);
    }
}

#[test]
fn r_and_s_out_of_range_are_refused() {
    for (key, order) in keys() {
        let (r, s) = split(&key.sign(MESSAGE));
        let key = verifying(&key);
        for odd in [small(0), order, [0xff; 32]] {
            assert_eq!(
                fault(key.verify([MESSAGE], &signature(odd, s))),
                SignatureFault::OutOfRange
            );
            assert_eq!(
                fault(key.verify([MESSAGE], &signature(r, odd))),
                SignatureFault::OutOfRange
            );
        }
        let greatest = minus(order, small(1));
        assert_eq!(fault(key.verify([MESSAGE], &signature(greatest, s))), SignatureFault::Mismatch);
        assert_eq!(fault(key.verify([MESSAGE], &[0; 64])), SignatureFault::OutOfRange);
    }
}

#[test]
fn signatures_of_other_lengths_are_refused() {
    for (key, _) in keys() {
        let mut long = key.sign(MESSAGE).to_vec();
        long.resize(200, 0);
        for len in (0..long.len()).filter(|&len| len != 64) {
            let found = fault(verifying(&key).verify([MESSAGE], &long[..len]));
            assert_eq!(found, SignatureFault::Len { found: len });
        }
    }
}

/// A commit with so many fields that carwalk does not know, signed, and its block.
fn commit_with(unknown: usize, key: &SigningKey) -> Vec<u8> {
    let fields = (0..unknown).map(|number| format!("x{number:03}"));
    let commit = fields.fold(KitCommit::default(), |commit, name| {
        let content = Value::text(format!("what {name} is"));
        commit.add(&name, Field::Value(content))
    });
    let root = KitCid::dag_cbor(b"the tree");
    commit.sorted().signed(&root, key).encode(&root)
}

fn parse(block: &[u8]) -> Result<Commit<'_>> {
    Commit::parse(Cid::of(carwalk::cid::Codec::DagCbor, block), block, CommitRules::Current)
}

/// What was signed has a head of one byte up to 23 fields, and of two bytes above.
#[test]
fn commits_verify_whatever_their_number_of_fields() {
    for (key, _) in keys() {
        for unknown in [0, 1, 16, 17, 18, 19, 40, 249] {
            let block = commit_with(unknown, &key);
            assert_eq!(block[0] == 0xb8, unknown + 6 >= 24);
            let commit = parse(&block).unwrap();
            commit.verify_signature(&verifying(&key)).unwrap();
            commit.into_owned().verify_signature(&verifying(&key)).unwrap();
        }
    }
}

#[test]
fn commits_with_any_changed_byte_do_not_verify() {
    for (key, _) in keys() {
        let block = commit_with(19, &key);
        let key = verifying(&key);
        let (mut unparsed, mut unverified) = (0, 0);
        for index in 0..block.len() {
            let mut changed = block.clone();
            changed[index] ^= 1;
            match parse(&changed) {
                Err(_) => unparsed += 1,
                Ok(commit) => {
                    fault(commit.verify_signature(&key));
                    unverified += 1;
                }
            }
        }
        assert_eq!(unparsed + unverified, block.len());
        // The texts of the unknown fields alone are that many; a commit has room for changes that
        // parse.
        assert!(unverified > 19 * 10 && unparsed > 6, "{unparsed} {unverified}");
    }
}

/// Unknown fields are covered by the signature like the others.
#[test]
fn commits_with_a_field_more_or_less_do_not_verify() {
    let root = KitCid::dag_cbor(b"the tree");
    for (key, _) in keys() {
        let signed =
            KitCommit::default().add("x", Field::Value(Value::Null)).sorted().signed(&root, &key);
        let less = signed.clone().remove("x").encode(&root);
        let more = signed.add("y", Field::Value(Value::Null)).sorted().encode(&root);
        for block in [less, more] {
            assert_eq!(
                fault(parse(&block).unwrap().verify_signature(&verifying(&key))),
                SignatureFault::Mismatch
            );
        }
    }
}

#[test]
fn legacy_commits_verify() {
    let root = KitCid::dag_cbor(b"the tree");
    for (key, _) in keys() {
        for commit in [KitCommit::version_2(root), KitCommit::default().remove("prev")] {
            let block = commit.signed(&root, &key).encode(&root);
            let cid = Cid::of(carwalk::cid::Codec::DagCbor, &block);
            let commit = Commit::parse(cid, &block, CommitRules::Legacy).unwrap();
            commit.verify_signature(&verifying(&key)).unwrap();
        }
    }
}

#[test]
fn commits_of_repositories_verify_wherever_they_come_from() {
    for (key, _) in keys() {
        let mut repo = KitRepo::sample(["com.example.test/one", "com.example.test/two"]);
        repo.sign(&key);
        let car = repo.to_bytes(Order::Pds);
        let key = verifying(&key);
        Repo::from_slice(&car).unwrap().commit().verify_signature(&key).unwrap();
        Repo::from_reader(&car[..]).unwrap().commit().verify_signature(&key).unwrap();
        carwalk::peek_commit(&car[..]).unwrap().verify_signature(&key).unwrap();
    }
}

#[test]
fn errors_name_the_commit() {
    let car = KitRepo::sample(["com.example.test/one"]).to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    for (key, _) in keys() {
        let error = repo.commit().verify_signature(&verifying(&key)).unwrap_err();
        assert_eq!(error.position().structure(), Structure::Commit);
        assert_eq!(error.cid(), Some(&repo.commit().cid()));
        assert_eq!(error.class(), ErrorClass::Invalid);
        let message = format!(
            "commit {}: the signature is not of this key and these bytes",
            repo.commit().cid()
        );
        assert_eq!(error.to_string(), message);
    }
}

/// The commits of the testkit verify with no key for want of a signature, not of a low s.
#[test]
fn made_up_signatures_are_of_the_right_form() {
    for (key, _) in keys() {
        let outcome = verifying(&key).verify([MESSAGE], &commit::signature());
        assert_eq!(fault(outcome), SignatureFault::Mismatch);
    }
}

#[test]
fn high_signatures_of_commits_are_refused() {
    let root = KitCid::dag_cbor(b"the tree");
    for (key, order) in keys() {
        let signed = KitCommit::default().signed(&root, &key);
        let block = signed.encode(&root);
        let (r, s) = split(parse(&block).unwrap().signature());
        let twin = signed.set("sig", Value::Bytes(signature(r, minus(order, s)))).encode(&root);
        let error: Error = parse(&twin).unwrap().verify_signature(&verifying(&key)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Signature(SignatureFault::HighS)), "{error}");
    }
}

#[test]
fn keys_tell_their_curve() {
    let curves = keys().map(|(key, _)| verifying(&key).curve());
    assert_eq!(curves, [Curve::P256, Curve::K256]);
    assert_eq!(curves.map(|curve| curve.to_string()), ["P-256", "K-256"]);
}

#[test]
fn messages_of_signatures() {
    let faults: [(SignatureFault, &str); 4] = [
        (SignatureFault::Len { found: 70 }, "signature of 70 bytes, expected 64"),
        (
            SignatureFault::OutOfRange,
            "signature with r or s out of range: expected 1 to the curve's order less 1",
        ),
        (
            SignatureFault::HighS,
            "signature with a high s, expected at most half of the curve's order",
        ),
        (SignatureFault::Mismatch, "the signature is not of this key and these bytes"),
    ];
    for (fault, message) in faults {
        assert_eq!(ErrorKind::Signature(fault).to_string(), message);
    }
}

#[test]
fn an_answer_without_a_node_on_the_way_proves_nothing_of_the_record_and_says_which() {
    let (repo, key) = (sample::repo(), verifying(&sample::signing_key()));
    let whole = repo.to_car(Order::Preorder);
    let (entries, root) = (repo.entries(), repo.root.cid());
    let mut unknown = 0;
    for (node, _) in repo.root.blocks() {
        let mut car = whole.clone();
        car.remove(&node);
        let car = car.to_bytes();
        for (path, cid) in &entries {
            let path = core::str::from_utf8(path).unwrap();
            match verify_record_proof(&car, commit::DID, &key, path).unwrap().lookup {
                Lookup::Present { cid: found, record } => {
                    assert!(node != root && found.as_bytes() == cid.as_bytes());
                    assert!(found.verify(record.unwrap()).is_ok());
                }
                Lookup::Absent => panic!("{path} is there"),
                Lookup::Unknown(gap) => {
                    assert_eq!(gap.cid.as_bytes(), node.as_bytes());
                    unknown += 1;
                }
            }
        }
    }
    assert!(unknown > entries.len());
}
