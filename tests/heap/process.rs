//! A load with a process function holds only the processed values, and their memory grows with the
//! bytes of the input, not with declared lengths.

use crate::heap::{Before, KIB, MIB, peak_of};
use carwalk::process::{Cbor, Value};
use carwalk::{Loaded, Loader};
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::{breakage, key};

tests![
    nothing_of_10_mb_is_held_but_places_and_nodes,
    a_limit_holds_with_a_process_function_too,
    a_long_value_is_held_once,
    hostile_values_cost_little_more_than_their_bytes,
];

/// 10 MB of records of a few kB.
fn large() -> Vec<u8> {
    let records = key::at_layer(0).take(5000).map(|key| {
        let bytes =
            [b"\x82\x59\x07\xd0".as_slice(), &[7; 2000], b"\x48", &key[key.len() - 8..]].concat();
        (key, Record::new(bytes))
    });
    let car = KitRepo::new(records).to_bytes(Order::Pds);
    assert!(car.len() > 10_000_000);
    car
}

fn nothing_of_10_mb_is_held_but_places_and_nodes() {
    let car = large();
    let plain = peak_of(|| Loader::new().from_reader(&car[..]).unwrap());
    assert!(plain > car.len());
    let peak = peak_of(|| Loader::new().process(|_: &[u8]| ()).from_reader(&car[..]).unwrap());
    assert!(peak < 2 * MIB, "{peak} for {}", car.len());
    let repo =
        Loader::new().process(|record: &[u8]| record.len() as u32).from_reader(&car[..]).unwrap();
    assert_eq!(repo.records().map(|record| record.unwrap().into_value()).sum::<u32>(), 5000 * 2013);
}

fn a_limit_holds_with_a_process_function_too() {
    let car = large();
    let before = Before::now();
    let mut limit = 100 * KIB;
    let loader = || Loader::new().process(|record: &[u8]| record[..40].to_vec());
    let mut loaded = before.within("loading", limit + 8 * KIB, || {
        loader().memory_limit(limit as u64).from_reader(&car[..]).unwrap()
    });
    let mut stops = 0;
    while let Loaded::Suspended(load) = loaded {
        assert!(load.bytes_held() <= limit as u64);
        stops += 1;
        limit += 150 * KIB;
        loaded = before.within("resuming", limit + 8 * KIB, || load.resume(limit as u64).unwrap());
    }
    assert!(stops > 2, "{stops}");
}

fn a_long_value_is_held_once() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    car.push(Cid::raw(b"long"), b"long");
    let car = car.to_bytes();
    let long = |record: &[u8]| vec![0u8; if record == b"long" { 8 << 20 } else { 0 }];
    let load = || Loader::new().process(long).from_reader(&car[..]).unwrap();
    let peak = peak_of(load);
    // The value, its encoded bytes, and the chunk that stores them.
    assert!(peak < 34 * MIB, "{peak}");
    let before = Before::now();
    let repo = load();
    let held = before.held();
    assert!(held < 17 * MIB, "{held}");
    drop(repo);
}

fn hostile_values_cost_little_more_than_their_bytes() {
    fn check<T: Value>(bytes: &[u8]) {
        let peak = peak_of(|| T::decode(&mut &bytes[..]).is_some());
        assert!(
            peak <= 128 * KIB,
            "{}: {peak} for {} bytes",
            std::any::type_name::<T>(),
            bytes.len()
        );
    }
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let some = [0x80, 0x80, 0x80, 0x04];
    let most = [0x80, 0x80, 0x04];
    let cbor = [0x9b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00];
    let text = [0x7b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00];
    for length in [&huge[..], &some, &most, &cbor, &text] {
        let bytes = [length, &[0; 60]].concat();
        check::<String>(&bytes);
        check::<Vec<u8>>(&bytes);
        check::<Vec<u128>>(&bytes);
        check::<Vec<String>>(&bytes);
        check::<Vec<[u64; 64]>>(&bytes);
        check::<Vec<Vec<Vec<u8>>>>(&bytes);
        check::<Vec<()>>(&bytes);
        check::<Vec<[(); 1000]>>(&bytes);
        check::<Cbor<Vec<u8>>>(&bytes);
        check::<Cbor<Vec<[u64; 64]>>>(&bytes);
        check::<Cbor<String>>(&bytes);
    }
}
