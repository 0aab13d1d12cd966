//! Small types in serde: what they are in JSON.

use carwalk::error::KeyInterval;
use carwalk::mst::Layer;
use carwalk::store::CarStore;
use carwalk::{Lookup, Repo, RepoPath, RepoPathBuf};
use carwalk_testkit::car::Car;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use serde_json::json;

#[test]
fn paths_are_texts_whose_form_is_checked() {
    let path = RepoPath::parse(b"app.bsky.feed.post/3jui7kd54zh2y").unwrap();
    let text = serde_json::to_string(&path).unwrap();
    assert_eq!(text, "\"app.bsky.feed.post/3jui7kd54zh2y\"");
    let owned: RepoPathBuf = serde_json::from_str(&text).unwrap();
    assert_eq!(owned.as_path(), path);
    assert_eq!(serde_json::to_string(&owned).unwrap(), text);
    let bytes = serde_ipld_dagcbor::to_vec(&owned).unwrap();
    assert_eq!(carwalk::decode::<RepoPathBuf>(&bytes).unwrap(), owned);
    for odd in ["\"\"", "\"app.bsky.feed.post\"", "\"a/b/c\"", "\"a/b c\"", "\"/a\"", "1", "null"] {
        assert!(serde_json::from_str::<RepoPathBuf>(odd).is_err(), "{odd}");
    }
    let error = serde_json::from_str::<RepoPathBuf>("\"a\\u001b\"").unwrap_err().to_string();
    assert!(!error.contains('\u{1b}') && error.contains("repo path"), "{error}");
}

#[test]
fn counts_and_entries_are_maps_of_their_fields() {
    let key = b"com.example.test/self".to_vec();
    let record = Record::new(vec![0xa0]);
    let car = KitRepo::new([(key, record.clone())]).to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    let stats = serde_json::to_value(repo.store().stats()).unwrap();
    assert_eq!(stats, json!({"bytes": car.len(), "sections": 3, "distinct_blocks": 3}));
    let entry = repo.entries().next().unwrap().unwrap();
    assert_eq!(
        serde_json::to_value(&entry).unwrap(),
        json!({"path": "com.example.test/self", "cid": {"$link": record.cid.to_string()}})
    );
    let all = repo.walk().completeness().unwrap();
    assert_eq!(
        serde_json::to_value(&all).unwrap(),
        json!({"entries": 1, "missing_records": 0, "gaps": 0})
    );
    let keys = repo.walk().records(false).completeness().unwrap();
    assert_eq!(
        serde_json::to_value(&keys).unwrap(),
        json!({"entries": 1, "missing_records": null, "gaps": 0})
    );
    assert_eq!(serde_json::to_value(Layer::of(b"blue")).unwrap(), json!(1));
}

#[test]
fn a_gap_names_its_node_and_interval() {
    let repo = KitRepo::new([(b"com.example.test/self".to_vec(), Record::new(vec![0xa0]))]);
    let mut car = Car::parse(&repo.to_bytes(Order::Preorder)).unwrap();
    car.sections.truncate(1);
    let car = car.to_bytes();
    let repo = Repo::from_slice(&car).unwrap();
    let Lookup::Unknown(gap) = repo.get("com.example.test/self").unwrap() else {
        panic!("the root is missing");
    };
    assert_eq!(
        serde_json::to_value(&gap).unwrap(),
        json!({
            "cid": {"$link": gap.cid.to_string()},
            "interval": {"lower": null, "upper": null},
            "layer": null,
        })
    );
}

#[test]
fn keys_of_intervals_that_are_no_texts_are_escaped() {
    let interval = KeyInterval { lower: Some(&b"a/b"[..]), upper: Some(&b"\xff\"\\\x1b"[..]) };
    assert_eq!(
        serde_json::to_value(interval).unwrap(),
        json!({"lower": "a/b", "upper": "\\xff\\\"\\\\\\x1b"})
    );
}
