//! Messages with false facts are never valid.

use carwalk::sync::{Message, Verdict};
use carwalk_testkit::message::{Batch, Truth, all_nodes, falsify};
use carwalk_testkit::rng::Rng;
use carwalk_testkit::{cases, step};

use super::{Judged, judge_by, signing_key, state_before, verifier};

#[test]
fn a_message_with_one_false_fact_is_never_valid() {
    let verifier = verifier();
    let mut facts = std::collections::BTreeMap::new();
    let (mut invalid, mut unverifiable) = (0, 0);
    for seed in 0..cases(2_000) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let mut message = batch.message();
        let fact = falsify(&mut message, &batch, &mut |bound| rng.below(bound));
        *facts.entry(fact).or_insert(0) += 1;
        let truth = Truth::of(&batch).judge(&message);
        assert!(truth.is_err(), "seed {seed}: {fact}");
        let before = state_before(&batch);
        let state = rng.chance(1, 2).then_some(&before);
        let judged = judge_by(&verifier, &message.frame(), None, state);
        match judged.verdict {
            "invalid" => invalid += 1,
            "unverifiable" => unverifiable += 1,
            _ => panic!("seed {seed}: {fact}: {judged:?}, but {truth:?}"),
        }
    }
    assert_eq!(facts.len(), 13, "{facts:?}");
    assert!(facts.values().all(|&count| count > 30), "{facts:?}");
    assert!(invalid > unverifiable && unverifiable > 20, "{invalid} {unverifiable}");
}

/// With the whole new tree in the message, nothing is unverifiable but what it leaves out itself.
#[test]
fn a_message_with_all_nodes_is_judged_as_by_full_knowledge() {
    let verifier = verifier();
    for seed in 0..cases(600) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let commit = carwalk_testkit::commit::Commit::default();
        let mut message = batch.message_of(&commit, &all_nodes(&batch));
        let mut facts = Vec::new();
        for _ in 0..rng.below(4) {
            facts.push(falsify(&mut message, &batch, &mut |bound| rng.below(bound)));
        }
        let truth = Truth::of(&batch).judge(&message);
        let judged = judge_by(&verifier, &message.frame(), None, None);
        let is_valid = judged.verdict == "valid";
        assert_eq!(is_valid, truth.is_ok(), "seed {seed}: {facts:?}: {judged:?}, but {truth:?}");
    }
}

/// The same with some nodes missing: then a true message may be unverifiable, and nothing else.
#[test]
fn a_message_without_some_nodes_is_valid_only_if_it_is_true() {
    let verifier = verifier();
    let mut decided = 0;
    for seed in 0..cases(600) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let mut message = batch.message();
        for _ in 0..rng.below(3) {
            falsify(&mut message, &batch, &mut |bound| rng.below(bound));
        }
        let nodes = all_nodes(&batch);
        for _ in 0..rng.below(4) {
            message.blocks.remove(&rng.pick(&nodes).0);
        }
        let truth = Truth::of(&batch).judge(&message);
        let judged = judge_by(&verifier, &message.frame(), None, None);
        match (judged.verdict, truth) {
            ("valid", Ok(())) => decided += 1,
            ("unverifiable", _) | ("invalid", Err(_)) => {}
            (_, truth) => panic!("seed {seed}: {judged:?}, but {truth:?}"),
        }
    }
    assert!(decided > 50, "{decided}");
}

#[test]
fn a_message_with_another_key_is_never_valid() {
    let verifier = verifier();
    for seed in 0..cases(60) {
        let mut rng = Rng::new(seed);
        let batch = Batch::random(&mut rng);
        let number = rng.below(100) as u8;
        let (signing, key) = signing_key(number + 1);
        let (_, other) = signing_key(number + 2 + rng.below(100) as u8);
        let bytes = batch.signed_message(&signing).frame();
        let by = |key| verifier.examine(Message::parse(&bytes).unwrap(), Some(key)).against(None);
        assert!(matches!(by(&key), Verdict::Valid(_)), "seed {seed}");
        let judged = Judged::of(&by(&other));
        assert_eq!(judged.rule, Some(carwalk::sync::Rule::Signature), "seed {seed}");
    }
}

/// One bit of a frame is another. If the message is still valid, the bit was in a field that is
/// ignored, or in the name of one that may be absent.
#[test]
fn a_message_with_any_bit_changed_is_valid_only_if_the_bit_is_ignored() {
    let bytes = super::batch().message().frame();
    let start =
        |field: &[u8]| bytes.windows(field.len()).position(|window| window == field).unwrap();
    // The fields with a fixed length, and the name of `cid` in a delete, where it is null.
    let ignored = [
        (&b"dtime"[..], 31),
        (b"eblobs", 7),
        (b"frebase", 8),
        (b"ftooBig", 8),
        (b"cseq", 5),
        (b"esince", 20),
        (b"ccid\xf6", 4),
    ];
    let ignored = ignored.map(|(field, len)| start(field)..start(field) + len);
    for at in (0..bytes.len()).step_by(step(5)) {
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            let is_ignored = ignored.iter().any(|range| range.contains(&at));
            let judged = super::judge(&other);
            assert!(
                judged.verdict != "valid" || is_ignored,
                "byte {at} bit {bit}: {}",
                bytes[at.saturating_sub(9)..at + 9].escape_ascii()
            );
        }
    }
}
