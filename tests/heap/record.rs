//! Functions that scan records: links and blobs allocate nothing for each one, and every function
//! takes at most a small multiple of the record's length.

#[cfg(feature = "json")]
use crate::heap::peak_of;
use crate::heap::{KIB, within};
use carwalk::record;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;

tests![
    links_and_blobs_allocate_nothing_for_each,
    nesting_takes_no_more_than_its_limit,
    #[cfg(feature = "json")]
    hostile_records_take_some_times_their_length,
];

fn links_and_blobs_allocate_nothing_for_each() {
    let blob = Value::map([
        ("ref", Value::Link(Cid::raw(b""))),
        ("size", Value::Uint(1)),
        ("$type", Value::text("blob")),
        ("mimeType", Value::text("image/png")),
    ]);
    let record = Value::Array(vec![blob; 20_000]).encode();
    let links =
        within("links", 4 * KIB, || record::links(&record).filter(|link| link.is_ok()).count());
    assert_eq!(links, 20_000);
    let blobs =
        within("blobs", 4 * KIB, || record::blobs(&record).filter(|blob| blob.is_ok()).count());
    assert_eq!(blobs, 20_000);
    // Links with another form of CID: they are skipped without an error.
    let odd = Value::Array(vec![Value::link_bytes(&[1, 0x71, 0x1e, 0x20]); 20_000]).encode();
    let links = within("odd links", 4 * KIB, || record::links(&odd).count());
    assert_eq!(links, 0);
}

fn nesting_takes_no_more_than_its_limit() {
    for around in [&b"\x81"[..], b"\x9f", b"\xa1\x60", b"\xbf\x60", b"\xc1"] {
        let record = around.repeat(1 << 20);
        within("links", 8 * KIB, || assert!(record::links(&record).next().unwrap().is_err()));
        within("blobs", 32 * KIB, || assert!(record::blobs(&record).next().unwrap().is_err()));
        let last = within("oddities", 64 * KIB, || record::oddities(&record).last());
        assert!(last.unwrap().is_err());
    }
    // Declared lengths without content.
    for major in [0x5b, 0x7b, 0x9b, 0xbb] {
        let record = [&[major][..], &[0xff; 8]].concat();
        within("lengths", 8 * KIB, || {
            assert!(record::links(&record).next().unwrap().is_err());
            assert!(record::oddities(&record).last().unwrap().is_err());
        });
    }
}

/// The shortest items of each kind that the functions remember.
#[cfg(feature = "json")]
fn hostile_records_take_some_times_their_length() {
    let array = |item: &[u8]| [&[0x9f][..], &item.repeat((1 << 20) / item.len()), &[0xff]].concat();
    let map = |pair: &[u8]| [&[0xbf][..], &pair.repeat((1 << 20) / pair.len()), &[0xff]].concat();
    let records = [
        array(&[0xf7]),
        array(&[0x61, 0xff]),
        array(&[0xa1, 0, 0]),
        map(&[0x60, 0xf6]),
        map(&[0x60, 0xf7]),
        map(&[0, 0]),
        map(b"\x61b\xf6\x60\xf6"),
    ];
    for record in records {
        for (what, peak) in [
            ("oddities", peak_of(|| record::oddities(&record).count())),
            ("JSON", peak_of(|| record::to_json(&record).map(drop))),
        ] {
            assert!(peak <= 64 * record.len(), "{what}: {peak} bytes for {}", record.len());
        }
    }
}
