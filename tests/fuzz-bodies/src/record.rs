use std::collections::BTreeSet;

use carwalk::record::{self, Layout, Oddity};
use carwalk::{Cid, Error};
use ipld_core::ipld::Ipld;

use crate::common;
use crate::judge::{canonical, too_nested};

/// For any bytes as a record, links, blobs, oddities and JSON end with the same error or all
/// without one. The JSON is valid, equal in both layouts, and has no control characters. A record
/// without oddities is canonical. A record that another decoder accepts has the same links there.
pub fn record(data: &[u8]) {
    let json = record::to_json(data);
    let end = json.as_ref().err().map(common::details);
    let links = until_error(record::links(data), &end);
    let blobs = until_error(record::blobs(data), &end);
    let oddities = until_error(record::oddities(data), &end);
    assert!(oddities.len() <= 3 * data.len() + 1);
    for odd in &oddities {
        assert!(odd.within() <= data.len() && odd.path().len() < 2048);
        assert!(!odd.to_string().chars().any(char::is_control), "{odd}");
    }

    let mut indented = Vec::new();
    let written = record::write_json(data, &mut indented, Layout::Indented);
    assert_eq!(written.err().as_ref().map(common::details), end);
    let Ok(json) = json else {
        assert!(indented.is_empty());
        return;
    };
    assert!(!json.chars().any(char::is_control), "{json}");
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value, serde_json::from_slice::<serde_json::Value>(&indented).unwrap());

    if oddities.is_empty() {
        match canonical(data) {
            Ok(value) => assert_eq!(value.encode(), data),
            Err(error) => assert!(too_nested(&error), "{error}"),
        }
    }
    let links: BTreeSet<Cid> = links.into_iter().collect();
    for blob in blobs.iter().filter(|blob| !blob.is_legacy()) {
        assert!(links.contains(&blob.cid()));
    }
    if let Ok(item) = carwalk::decode::<Ipld>(data) {
        let mut expected = BTreeSet::new();
        add_links(&item, &mut expected);
        // The other decoder accepts links with bytes after their CID.
        let has_odd_link = oddities.iter().any(|odd| matches!(odd.oddity(), Oddity::LinkCid(_)));
        assert!(links == expected || has_odd_link && links.is_subset(&expected));
    }
}

/// Returns all items of an iterator. Asserts that it ends with the error `end`, or without one, and
/// stays ended.
fn until_error<T>(
    mut items: impl Iterator<Item = Result<T, Error>>,
    end: &Option<String>,
) -> Vec<T> {
    let (mut all, mut error) = (Vec::new(), None);
    for item in items.by_ref() {
        assert!(error.is_none(), "an item after an error");
        match item {
            Ok(item) => all.push(item),
            Err(found) => error = Some(common::details(&found)),
        }
    }
    assert_eq!(&error, end);
    assert!(items.next().is_none());
    all
}

fn add_links(item: &Ipld, links: &mut BTreeSet<Cid>) {
    match item {
        Ipld::Link(link) => links.extend(Cid::parse(&link.to_bytes())),
        Ipld::List(items) => items.iter().for_each(|item| add_links(item, links)),
        Ipld::Map(members) => members.values().for_each(|item| add_links(item, links)),
        _ => {}
    }
}
