//! Links, blobs and JSON of records beside a decode by another library: those of the sample, and
//! random ones.

use carwalk::{Cid, Repo, record};
use carwalk_testkit::cases;
use carwalk_testkit::rng::Rng;
use data_encoding::BASE64_NOPAD;
use ipld_core::ipld::Ipld;
use serde_json::{Value as Json, json};

use crate::random_record::map;

/// A blob: its CID, media type, size, and whether it is of the legacy form.
type Row = (Cid, String, Option<u64>, bool);

fn cid(link: &ipld_core::cid::Cid) -> Option<Cid> {
    Cid::parse(&link.to_bytes()).ok()
}

/// Calls a function with each item of a record.
fn each(item: &Ipld, visit: &mut impl FnMut(&Ipld)) {
    visit(item);
    match item {
        Ipld::List(items) => items.iter().for_each(|item| each(item, visit)),
        Ipld::Map(members) => members.values().for_each(|item| each(item, visit)),
        _ => {}
    }
}

fn links(item: &Ipld) -> Vec<Cid> {
    let mut links = Vec::new();
    each(item, &mut |item| {
        if let Ipld::Link(link) = item {
            links.extend(cid(link));
        }
    });
    links.sort();
    links
}

fn blob(item: &Ipld) -> Option<Row> {
    let Ipld::Map(members) = item else { return None };
    let Ipld::String(mime_type) = members.get("mimeType")? else { return None };
    if members.get("$type") == Some(&Ipld::String("blob".to_owned())) {
        let Ipld::Link(link) = members.get("ref")? else { return None };
        let size = match members.get("size") {
            Some(Ipld::Integer(size)) => u64::try_from(*size).ok(),
            _ => None,
        };
        return Some((cid(link)?, mime_type.clone(), size, false));
    }
    match members.get("cid")? {
        Ipld::String(text) if members.len() == 2 => {
            Some((text.parse().ok()?, mime_type.clone(), None, true))
        }
        _ => None,
    }
}

fn blobs(item: &Ipld) -> Vec<Row> {
    let mut blobs = Vec::new();
    each(item, &mut |item| blobs.extend(blob(item)));
    blobs.sort();
    blobs
}

/// The JSON of a record of which all items have some.
fn to_json(item: &Ipld) -> Json {
    match item {
        Ipld::Null => Json::Null,
        Ipld::Bool(value) => json!(value),
        Ipld::Integer(value) => json!(i64::try_from(*value).unwrap()),
        Ipld::Float(value) => json!(value),
        Ipld::String(text) => json!(text),
        Ipld::Bytes(bytes) => json!({"$bytes": BASE64_NOPAD.encode(bytes)}),
        Ipld::Link(link) => json!({"$link": link.to_string()}),
        Ipld::List(items) => items.iter().map(to_json).collect(),
        Ipld::Map(members) => {
            members.iter().map(|(key, item)| (key.clone(), to_json(item))).collect()
        }
    }
}

/// Compares what is found in a record. Returns the number of links and blobs, and whether the JSON
/// was compared.
fn compare(record: &[u8], expected: &Ipld) -> (usize, usize, bool) {
    let mut found_links = record::links(record).collect::<Result<Vec<_>, _>>().unwrap();
    found_links.sort();
    assert_eq!(found_links, links(expected), "{record:02x?}");
    let mut found_blobs: Vec<Row> = record::blobs(record)
        .map(|blob| {
            let blob = blob.unwrap();
            (blob.cid(), blob.mime_type().to_owned(), blob.size(), blob.is_legacy())
        })
        .collect();
    found_blobs.sort();
    assert_eq!(found_blobs, blobs(expected), "{record:02x?}");
    let is_sound = record::oddities(record).next().is_none();
    if is_sound {
        let json: Json = serde_json::from_str(&record::to_json(record).unwrap()).unwrap();
        assert_eq!(json, to_json(expected));
    }
    (found_links.len(), found_blobs.len(), is_sound)
}

#[test]
fn another_decoder_finds_the_same_in_the_sample() {
    let sample: &[u8] = include_bytes!("../../samples/repo.car");
    let repo = Repo::from_slice(sample).unwrap();
    let mut records = 0;
    for record in repo.records() {
        let record = record.unwrap();
        let expected: Ipld = record.decode_borrowed().unwrap();
        assert_eq!(compare(record.bytes(), &expected), (0, 0, true));
        let json: Json = serde_json::from_str(&record.to_json().unwrap()).unwrap();
        assert_eq!(json["$type"], record.path().collection());
        records += 1;
    }
    assert!(records > 30, "{records}");
}

#[test]
fn another_decoder_finds_the_same_in_random_records() {
    let (mut decoded, mut sound, mut all_links, mut all_blobs) = (0, 0, 0, 0);
    for seed in 0..cases(6_000) {
        let mut random = Rng::for_item(3, seed);
        let record = map(&mut random, 4).encode();
        let Ok(expected) = carwalk::decode::<Ipld>(&record) else {
            continue;
        };
        let (links, blobs, is_sound) = compare(&record, &expected);
        decoded += 1;
        sound += u64::from(is_sound);
        all_links += links;
        all_blobs += blobs;
    }
    assert!(sound > cases(2_000) && decoded > sound, "{sound} of {decoded} are sound");
    assert!(all_links > 1_000 && all_blobs > 300, "{all_links} links, {all_blobs} blobs");
}
