//! Messages that carwalk makes are valid for carwalk and shrike.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::SystemTime;

use carwalk::sync::{Message, Verifier};
use carwalk_compare::traffic::Traffic;
use shrike::sync::{check_op_cids, decode_commit_car, invert_commit, raw};

const MESSAGES: usize = 60;

#[test]
fn shrike_undoes_the_operations_of_messages_that_carwalk_makes() {
    let traffic = Traffic::new(MESSAGES, 2).unwrap();
    let verifier = Verifier::new(SystemTime::now);
    let mut ops = 0;
    for sent in &traffic.sent {
        let message = Message::parse(&sent.frame).unwrap();
        let verdict = verifier.examine(message, Some(&traffic.key)).against(None);
        assert_eq!(verdict.name(), "valid", "{verdict}");

        let event = raw::parse_raw_sync_frame(&sent.frame).unwrap();
        let message = event.into_commit().unwrap();
        assert_eq!(&invert_commit(&message).unwrap().to_bytes(), sent.before.as_bytes());
        let decoded = decode_commit_car(&message).unwrap();
        check_op_cids(&message, decoded.inner.data, &decoded.store).unwrap();
        ops += sent.ops;
    }
    assert!(ops > MESSAGES, "{ops} operations");
}
