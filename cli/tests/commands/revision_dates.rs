//! The date of a revision in `carwalk inspect`.

use crate::harness::each_way;
use carwalk_testkit::breakage::sample;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::commit::{Commit, REV};
use carwalk_testkit::repo::Order;
use serde_json::{Value as Json, json};

fn inspect(commit: Commit, args: &[&str]) -> (String, Json) {
    let mut repo = sample();
    repo.commit = commit;
    let car = repo.to_bytes(Order::Pds);
    let text = each_way(&[&["inspect"], args].concat(), &car).quiet_success();
    (text, each_way(&[&["inspect", "--json"], args].concat(), &car).json().remove(0))
}

#[test]
fn revisions_have_dates() {
    let (text, object) = inspect(Commit::default().set("rev", Value::text(REV)), &[]);
    assert!(text.contains("\nRevision Date: 2024-09-26T06:11:17.669104Z\n"), "{text}");
    assert_eq!(object["rev_date"], json!("2024-09-26T06:11:17.669104Z"));
    assert_eq!(object.get("rev_in_future"), None);
}

#[test]
fn revisions_in_the_future_are_noted() {
    let (text, object) = inspect(Commit::default().set("rev", Value::text("jzzzzzzzzzzzz")), &[]);
    let line = "\nRevision Date: 2540-11-07T23:35:09.481983Z (in the future)\n";
    assert!(text.contains(line), "{text}");
    assert_eq!(object["rev_in_future"], json!(true));
}

#[test]
fn commits_without_a_revision_have_no_date() {
    let commit = Commit::version_2(Cid::dag_cbor(b"the commit before"));
    let (text, object) = inspect(commit, &["--legacy"]);
    assert!(!text.contains("Revision Date"), "{text}");
    assert_eq!((&object["rev"], &object["rev_date"]), (&json!(""), &json!(null)));
}
