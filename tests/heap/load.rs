//! Memory grows with the bytes of the input, not with the lengths that they declare.

use crate::common::end;
use crate::heap::{Before, MIB, peak_of, within};
use carwalk::store::Union;
use carwalk::{Limits, Loader, Repo, peek_commit};
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::{Order, Record, Repo as KitRepo};
use carwalk_testkit::{breakage, key, varint};

tests![
    declared_lengths_cost_nothing,
    broken_exports_cost_little_more_than_their_length,
    a_stream_is_held_once,
    sections_that_leave_much_of_each_buffer_unfilled_cost_a_sixteenth,
    peeking_takes_one_buffer,
    keys_are_not_all_expanded,
    a_written_car_takes_a_window_of_its_records,
    both_ends_take_a_walk_each,
];

fn declared_lengths_cost_nothing() {
    let limits = || {
        Limits::default().max_block_len(u32::MAX).max_header_len(u32::MAX).max_stream_len(u64::MAX)
    };
    let mut car = Car::new(&[Cid::dag_cbor(b"")]);
    car.trailing =
        [varint::encode(2 << 30), Cid::raw(b"").as_bytes().to_vec(), vec![0; 4]].concat();
    let block_of_2_gib = car.to_bytes();
    assert!(block_of_2_gib.len() < 110);
    let header_of_2_gib = [varint::encode(2 << 30), vec![0xa2; 90]].concat();
    // Headers that declare many roots, many fields, or a key of 2^60 bytes, and have none of them.
    let roots = b"\x12\xa2\x65roots\x9b\x00\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00".to_vec();
    let fields = b"\x0a\xbb\x00\xff\xff\xff\xff\xff\xff\xff\x00".to_vec();
    let key = b"\x0b\xa2\x7b\x0f\xff\xff\xff\xff\xff\xff\xff\x00".to_vec();
    for input in [block_of_2_gib, header_of_2_gib, roots, fields, key] {
        let by_reader =
            peak_of(|| Loader::new().limits(limits()).from_reader(&input[..]).unwrap_err());
        assert!(by_reader < MIB, "{by_reader}");
        let by_slice = peak_of(|| Loader::new().limits(limits()).from_slice(&input).unwrap_err());
        assert!(by_slice < MIB, "{by_slice}");
        let by_peek = peak_of(|| peek_commit(&input[..]).unwrap_err());
        assert!(by_peek < MIB, "{by_peek}");
    }
}

fn broken_exports_cost_little_more_than_their_length() {
    for breakage in breakage::each_rule() {
        let broken = breakage.make().broken;
        let walk = |repo: Repo<_>| repo.records().filter(Result::is_err).count();
        let by_slice = peak_of(|| Repo::from_slice(&broken[..]).map(walk));
        assert!(by_slice < MIB, "{}: {by_slice}", breakage.name);
        let by_reader =
            peak_of(|| Repo::from_reader(&broken[..]).map(|repo| repo.records().count()));
        assert!(by_reader < 3 * broken.len() + MIB, "{}: {by_reader}", breakage.name);
    }
}

fn a_stream_is_held_once() {
    let records = (0..40_000).map(|number| {
        let path = format!("com.example.test/{number:08}").into_bytes();
        (path.clone(), Record::new(path.repeat(20)))
    });
    let car = KitRepo::new(records).to_bytes(Order::Preorder);
    assert!(car.len() > 20 * MIB);
    for threads in [0, 3] {
        let loader = || Loader::new().threads(threads);
        let peak = peak_of(|| loader().from_reader(&car[..]).unwrap());
        assert!(
            peak > car.len() && peak < car.len() + car.len() / 10 + 2 * MIB,
            "{peak} for {}",
            car.len()
        );
        let peak = peak_of(|| loader().from_slice(&car[..]).unwrap());
        assert!(peak < 3 * MIB, "{peak}");
    }
}

/// With these lengths, a buffer of 1 MiB has slightly too little room for another section.
fn sections_that_leave_much_of_each_buffer_unfilled_cost_a_sixteenth() {
    let mut most = 0;
    for len in [65_500, 2 << 20, 65_480, 1 << 20, 1_966_000].into_iter().take(cases(2) as usize) {
        let mut car = breakage::sample().to_car(Order::Preorder);
        let blocks = 20 * MIB / len;
        for number in 0..blocks {
            let block = [&number.to_be_bytes()[..], &vec![0; len - 8]].concat();
            car.push(Cid::raw(&block), &block);
        }
        let car = car.to_bytes();
        let peak = peak_of(|| Repo::from_reader(&car[..]).unwrap());
        let expected = car.len() + car.len() / 16 + 20 * (blocks + 30) + 2 * len.max(MIB);
        assert!(peak <= expected, "blocks of {len}: {peak}, expected {expected} at most");
        most = most.max(peak * 100 / car.len());
    }
    assert!(most > 105, "{most} %");
}

fn peeking_takes_one_buffer() {
    let mut car = breakage::sample().to_car(Order::Preorder);
    let commit = car.sections.remove(0);
    for number in 0..200u32 {
        let block = [&number.to_be_bytes()[..], &[0; 50_000]].concat();
        car.push(Cid::raw(&block), &block);
    }
    car.sections.push(commit);
    let car = car.to_bytes();
    let peak = peak_of(|| peek_commit(&car[..]).unwrap());
    assert!(peak < MIB, "{peak}");
}

/// A node of 2 MiB whose keys would take 20 MB.
fn keys_are_not_all_expanded() {
    let prefix = [key::PREFIX.as_bytes(), &[b'a'; 950]].concat();
    let keys = (0..).map(|number| [&prefix[..], format!("{number:08}").as_bytes()].concat());
    let keys: Vec<_> = keys.filter(|key| key::layer(key) == 0).take(20_000).collect();
    let record = Record::new(vec![0xa0]);
    let expanded: usize = keys.iter().map(Vec::len).sum();
    let repo = KitRepo::new(keys.into_iter().map(|key| (key, record.clone())));
    assert!(repo.root.block().len() > MIB && expanded > 18 * MIB);
    let car = repo.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let peak = peak_of(|| {
        assert_eq!(end(repo.walk()).unwrap(), 20_000);
    });
    assert!(peak < MIB, "{peak}");
}

/// What is written is not held. The offsets of the last records are, or their CIDs.
fn a_written_car_takes_a_window_of_its_records() {
    for count in [3_000, 100_000, 200_000] {
        let entries = (0..count).map(|number: u32| {
            let path = format!("com.example.test/{number:08}").into_bytes();
            (path, Record::raw(number.to_le_bytes().to_vec()))
        });
        let car = KitRepo::new(entries).to_bytes(Order::Preorder);
        let repo = Repo::from_slice(&car[..]).unwrap();
        let window = usize::try_from(count.min(1 << 16)).unwrap();
        // An offset or a CID, and two slots of eight bytes, with half as much again while the lists
        // grow. The rest is for slots of a table that has just grown, and for the walk.
        let write = || assert!(repo.write(std::io::sink()).unwrap().sections > count.into());
        within("offsets", window * (8 + 16) * 3 / 2 + (64 << 10), write);
        let both =
            Repo::from_store(Union::new(vec![repo.store(), repo.store()]), repo.commit().cid());
        let both = both.unwrap();
        let write = || assert!(both.write(std::io::sink()).unwrap().sections > count.into());
        within("CIDs", window * (36 + 16) * 3 / 2 + (512 << 10), write);
        within("all records", 64 << 10, || {
            repo.writer().repeats(true).write(std::io::sink()).unwrap()
        });
    }
    // One node with many entries: the table of its entries counts too.
    let records = key::at_layer(0).take(10_000).map(|key| (key.clone(), Record::new(key)));
    let car = KitRepo::new(records).to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car[..]).unwrap();
    within("one node", 10_000 * (3 * 20 + 36), || {
        repo.prove().range(..).write(std::io::sink()).unwrap()
    });
}

fn both_ends_take_a_walk_each() {
    let record = Record::new(vec![0xa0]);
    // Room for 32,768 entries, of 16 bytes and of 20.
    let repo = KitRepo::new(key::at_layer(0).take(20_000).map(|key| (key, record.clone())));
    let car = repo.to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car[..]).unwrap();
    let (mut entries, before) = (repo.entries(), Before::now());
    assert!(entries.next().unwrap().is_ok());
    let one = before.held();
    let other = peak_of(|| assert!(repo.entries().next_back().unwrap().is_ok()));
    assert!(one > 16 * 32_768 && other > 20 * 32_768, "{one}, {other}");
    before.forget_peak();
    assert!(entries.next_back().unwrap().is_ok());
    let both = before.peak();
    assert!(both.abs_diff(one + other) < one / 16, "{one}, {other}, {both}");
}
