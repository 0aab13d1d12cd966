//! Seeds: small inputs from which the fuzzer starts, named after their content.
//!
//! `cargo run -p carwalk-fuzz-bodies --example make-seeds` writes them, and a test checks that the
//! files are up to date. Where bytes are choices, a new order of the choices changes their meaning,
//! and the name of a seed no longer describes it.

mod live;

use carwalk_testkit::breakage::{self, Breakage};
use carwalk_testkit::car::Car;
use carwalk_testkit::cbor::Value;
use carwalk_testkit::cid::Cid;
use carwalk_testkit::repo::Repo;
use carwalk_testkit::{legal, varint};

use crate::breaks::BREAKS;
use crate::broken::FRAMING;

/// A seed of a target.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Name of the target.
    pub target: &'static str,
    /// Name of the file, which describes the content.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All seeds.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    varints(&mut seeds);
    cids(&mut seeds);
    headers(&mut seeds);
    sections(&mut seeds);
    commits(&mut seeds);
    nodes(&mut seeds);
    paths(&mut seeds);
    values(&mut seeds);
    records(&mut seeds);
    cars(&mut seeds);
    repositories(&mut seeds);
    signatures(&mut seeds);
    live::messages(&mut seeds);
    seeds
}

fn add(seeds: &mut Vec<Seed>, target: &'static str, name: &str, bytes: impl AsRef<[u8]>) {
    seeds.push(Seed { target, name: name.to_owned(), bytes: bytes.as_ref().to_vec() });
}

fn varints(seeds: &mut Vec<Seed>) {
    for number in [0, 127, 128, 16_384, u64::MAX >> 1] {
        add(seeds, "varint", &format!("number_{number}"), varint::encode(number));
    }
    add(seeds, "varint", "padded", varint::padded(5, 3));
    add(seeds, "varint", "cut", [0xff; 8]);
    add(seeds, "varint", "ten_bytes", varint::padded(5, 10));
}

fn cids(seeds: &mut Vec<Seed>) {
    let cid = Cid::dag_cbor(b"");
    add(seeds, "cid", "dag_cbor", cid.as_bytes());
    add(seeds, "cid", "raw", Cid::raw(b"").as_bytes());
    add(seeds, "cid", "version_0", &cid.as_bytes()[2..]);
    add(seeds, "cid", "cut", &cid.as_bytes()[..35]);
    add(seeds, "cid", "text", cid.to_string());
    add(seeds, "cid", "text_of_raw", Cid::raw(b"").to_string());
    add(seeds, "cid", "text_in_upper_case", cid.to_string().to_uppercase());
    let mut padded = cid.as_bytes().to_vec();
    padded.splice(1..2, [0xf1, 0x00]);
    add(seeds, "cid", "padded_codec", padded);
}

/// Returns the breakages of the rules that begin with one of these letters.
fn breakages(rules: &str) -> impl Iterator<Item = &'static Breakage> {
    breakage::all().filter(move |breakage| breakage.rule.starts_with(|rule| rules.contains(rule)))
}

fn headers(seeds: &mut Vec<Seed>) {
    for oddity in legal::all() {
        let header = Car::parse(&oddity.make()).unwrap().header;
        if ["one_record", "two_roots", "thirty_roots", "header_unknown_keys", "header_nested"]
            .contains(&oddity.name)
        {
            add(seeds, "car_header", oddity.name, header);
        }
    }
    for breakage in breakages("HX").filter(|breakage| breakage.name.starts_with("header_")) {
        let broken = breakage.make().broken;
        if let Some(header) =
            Car::parse(&broken).ok().map(|car| car.header).filter(|header| header.len() < 500)
        {
            add(seeds, "car_header", breakage.name, header);
        }
    }
    add(
        seeds,
        "car_header",
        "json",
        b"{\"error\":\"RepoNotFound\",\"message\":\"Could not find repo for this DID\"}",
    );
    add(
        seeds,
        "car_header",
        "html",
        b"\n<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>",
    );
    add(seeds, "car_header", "gzip", [&[0x1f, 0x8b, 8][..], &[0; 40]].concat());
}

fn sections(seeds: &mut Vec<Seed>) {
    let section = |block: &[u8]| {
        let mut car = Car::with_header(Vec::new());
        car.push(Cid::raw(block), block);
        car.to_bytes()[1..].to_vec()
    };
    let good = section(b"a block");
    let with = |limit: u8, sections: &[&[u8]]| [&[limit], &sections.concat()[..]].concat();
    add(seeds, "section", "none", [255]);
    add(seeds, "section", "one", with(255, &[&good]));
    add(seeds, "section", "empty_block", with(255, &[&section(b"")]));
    add(seeds, "section", "three", with(255, &[&good, &section(&[0; 100]), &good]));
    add(seeds, "section", "beyond_the_limit", with(6, &[&good]));
    add(seeds, "section", "at_the_limit", with(7, &[&good]));
    add(seeds, "section", "cut_in_length", with(255, &[&good, &section(&[0; 100])[..1]]));
    add(seeds, "section", "cut_in_cid", with(255, &[&good[..20]]));
    add(seeds, "section", "cut_in_block", with(255, &[&good[..40]]));
    add(seeds, "section", "zeros_after_it", with(255, &[&good, &[0; 9]]));
    add(seeds, "section", "length_padded", with(255, &[&varint::padded(43, 2), &good[1..]]));
    add(seeds, "section", "length_without_room", with(255, &[&[35], &good[1..]]));
    add(
        seeds,
        "section",
        "length_beyond_memory",
        with(255, &[&varint::encode(u64::MAX >> 1), &good[1..]]),
    );
}

fn commits(seeds: &mut Vec<Seed>) {
    for oddity in legal::all()
        .filter(|oddity| oddity.name == "one_record" || oddity.name.starts_with("commit_"))
    {
        let car = Car::parse(&oddity.make()).unwrap();
        add(seeds, "commit", oddity.name, &car.sections[0].data);
    }
    for breakage in breakages("CX").filter(|breakage| breakage.name.starts_with("commit_")) {
        if let Some(block) = broken_block(breakage) {
            add(seeds, "commit", breakage.name, block);
        }
    }
}

fn nodes(seeds: &mut Vec<Seed>) {
    for (number, (_, block)) in breakage::sample().root.blocks().into_iter().enumerate().step_by(2)
    {
        add(seeds, "node", &format!("node_{number}_of_the_sample"), block);
    }
    add(seeds, "node", "empty_repository", Repo::new([]).root.block());
    add(seeds, "node", "key_of_1024_bytes", Repo::sample([vec![b'a'; 1024]]).root.block());
    for breakage in breakages("XN").filter(|breakage| !breakage.name.starts_with("commit_")) {
        if let Some(block) = broken_block(breakage).filter(|block| block.starts_with(&[0xa2])) {
            add(seeds, "node", breakage.name, block);
        }
    }
}

/// Returns the block that breaks the rule, if it is short.
fn broken_block(breakage: &Breakage) -> Option<Vec<u8>> {
    let case = breakage.make();
    let car = Car::parse(&case.broken).ok()?;
    let block = car.sections[car.index_of(&case.cid?)].data.clone();
    (block.len() < 600).then_some(block)
}

fn paths(seeds: &mut Vec<Seed>) {
    let paths = [
        ("usual", "app.bsky.feed.post/3jui7kd54zh2y"),
        ("every_mark", "com.example.test/a:b~c._-"),
        ("not_an_nsid", "x/y"),
        ("upper_authority", "app.Bsky.feed.post/self"),
        ("hyphens", "com.ex-ample.test/a"),
        ("dot", "com.example.test/."),
        ("dots", "com.example.test/.."),
        ("no_slash", "com.example.test"),
        ("two_slashes", "a/b/c"),
        ("no_collection", "/a"),
        ("no_record_key", "a/"),
        ("not_ascii", "a/\u{e9}"),
    ];
    for (name, path) in paths {
        add(seeds, "path", name, path);
    }
}

fn values(seeds: &mut Vec<Seed>) {
    let of = |kind: u8, bytes: &[u8]| [&[kind][..], bytes].concat();
    add(seeds, "processable", "numbers", of(0, &[7; 40]));
    add(
        seeds,
        "processable",
        "bool_char_and_sizes",
        of(1, &[&[1, b'a', 0, 0, 0][..], &[3; 16]].concat()),
    );
    add(seeds, "processable", "string", of(2, b"\x05hello"));
    add(seeds, "processable", "cid", of(3, Cid::raw(b"").as_bytes()));
    add(seeds, "processable", "bytes", of(4, &[3, 1, 2, 3]));
    add(seeds, "processable", "lists_in_a_list", of(5, &[2, 1, 1, 0, 2, 1, 0, 2, 0]));
    add(seeds, "processable", "256_times_nothing", of(6, &[0x80, 2]));
    add(seeds, "processable", "some_array", of(7, &[1, 1, 2, 3, 4, 5]));
    add(seeds, "processable", "ok_with_texts", of(8, b"\x01\x01a\x02\x01b\x01c"));
    add(seeds, "processable", "error", of(8, &[0, 1, 2, 3, 4]));
    add(seeds, "processable", "options_of_results", of(9, &[2, 1, 1, 1, 0]));
    add(seeds, "processable", "cbor", of(10, b"\x83\x01\x61a\x82\x01\x20"));
    add(seeds, "processable", "cbor_null", of(11, &[0xf6]));
}

fn records(seeds: &mut Vec<Seed>) {
    let cid = Cid::raw(b"");
    let blob = Value::map([
        ("ref", Value::Link(cid)),
        ("size", Value::Uint(1)),
        ("$type", Value::text("blob")),
        ("mimeType", Value::text("image/png")),
    ]);
    let legacy =
        Value::map([("cid", Value::text(cid.to_string())), ("mimeType", Value::text("image/png"))]);
    let in_map = |value: &Value| Value::map([("v", value.clone())]).encode();
    let mut blake3 = cid.as_bytes().to_vec();
    blake3[2] = 0x1e;
    let twice = Value::map([("a", Value::Null), ("b", Value::Null), ("a", Value::Null)]);
    let odd_key = Value::Map(vec![(Value::Array(vec![Value::Null]), Value::Uint(1))]);
    let items = [
        ("blob", blob),
        ("legacy_blob", legacy),
        ("link_of_another_form", Value::link_bytes(&blake3)),
        ("bytes", Value::Bytes(vec![0xfb, 0xff])),
        ("float", Value::F64(1.5)),
        ("half_float", Value::Raw(vec![0xf9, 0x3e, 0])),
        ("undefined", Value::Raw(vec![0xf7])),
        ("wide_simple", Value::Raw(vec![0xf8, 20])),
        ("not_utf8", Value::Raw(vec![0x61, 0xff])),
        ("tag", Value::Tag(1, Box::new(Value::Array(vec![Value::Null])))),
        ("largest_integer", Value::Uint(u64::MAX)),
        ("key_twice", twice),
        ("key_of_another_type", odd_key),
        ("key_reserved", Value::map([("$link", Value::text(cid.to_string()))])),
        ("chunks", Value::Raw(b"\x7f\x61a\x61b\xff".to_vec())),
        ("indefinite", Value::Raw(b"\xbf\x61a\x9f\x01\xff\xff".to_vec())),
        ("padded", Value::Raw(vec![0x1b, 0, 0, 0, 0, 0, 0, 0, 7])),
    ];
    for (name, item) in &items {
        add(seeds, "record", name, in_map(item));
    }
    add(seeds, "record", "trailing", [in_map(&Value::Null), vec![0, 0]].concat());
    add(seeds, "record", "cut_in_a_link", &in_map(&Value::Link(cid))[..30]);
    add(seeds, "record", "break_without_a_beginning", in_map(&Value::Raw(vec![0xff])));
    add(seeds, "record", "nested_100", [vec![0x81; 100], vec![0xf6]].concat());
    add(seeds, "record", "nested_101", [vec![0x81; 101], vec![0xf6]].concat());
    add(seeds, "record", "length_beyond_memory", in_map(&Value::Raw(vec![0x9b; 9])));
    add(seeds, "record", "of_the_sample", carwalk_testkit::repo::Record::sample(b"a.b.c/d").bytes);
}

/// Targets that read bytes as a CAR.
fn cars(seeds: &mut Vec<Seed>) {
    let legal_ones = [
        "empty_repository",
        "one_record",
        "order_pds",
        "shared_record",
        "only_left",
        "two_roots",
        "strays",
    ];
    let broken_ones = [
        "prefix_not_maximal",
        "keys_unsorted",
        "subtrees_exchanged",
        "empty_leaf",
        "key_layer_too_high",
    ];
    for target in ["car", "car_rehashed", "chunk_independence"] {
        // The choices before the CAR: `ReachedBlocks`, salvage, default limits, some pieces, and
        // bytes as the CAR.
        let before: &[u8] = if target == "chunk_independence" {
            &[1, 1, 1, 7, 0, 255, 1, 201, 30, 2, 90, 0, 10, 20, 40, 1]
        } else {
            &[]
        };
        for name in legal_ones {
            add(seeds, target, name, [before, &legal::case(name)].concat());
        }
        for name in broken_ones {
            add(seeds, target, name, [before, &breakage::case(name).broken].concat());
        }
        let mut car = legal::case("one_record");
        car.pop();
        add(seeds, target, "cut", [before, &car].concat());
    }
    for name in ["header_of_car_v2", "file_empty"] {
        add(seeds, "car", name, breakage::case(name).broken);
    }
    let mut damaged = Car::parse(&legal::case("one_record")).unwrap();
    damaged.sections[2].data[3] ^= 1;
    add(seeds, "car", "record_damaged", damaged.to_bytes());
    add(
        seeds,
        "car",
        "commit_of_array",
        Car::new(&[Cid::dag_cbor(&Value::Array(vec![]).encode())]).to_bytes(),
    );
}

/// Returns the choices that build an export: its block order, and for each record the number of its
/// key in the pool, and its kind.
fn export(order: u8, records: &[(u8, u8)]) -> Vec<u8> {
    let records = records.iter().flat_map(|&(key, kind)| [2, key, kind, key % 4]);
    [order, (records.clone().count() / 4) as u8].into_iter().chain(records).collect()
}

/// The kind of record that the testkit makes for a key.
const TEXT: u8 = 7;

/// Exports with their names.
fn exports() -> [(&'static str, Vec<u8>); 6] {
    let three = [
        (3, TEXT),
        (125, TEXT),
        (9, TEXT),
        (10, TEXT),
        (190, TEXT),
        (30, TEXT),
        (140, TEXT),
        (44, TEXT),
    ];
    let odd = [(1, 0), (2, 3), (130, 3), (4, 5), (181, 0), (12, 3), (50, 5)];
    [
        ("empty", export(0, &[])),
        ("one_record", export(0, &[(5, TEXT)])),
        ("three_layers", export(3, &three)),
        ("three_layers_shuffled", { [&[7, 77], &export(0, &three)[1..]].concat() }),
        ("seven_layers", export(2, &[(60, TEXT), (255, TEXT), (119, TEXT), (10, TEXT)])),
        ("odd_records", export(1, &odd)),
    ]
}

/// Targets whose bytes are choices.
fn repositories(seeds: &mut Vec<Seed>) {
    for (name, export) in exports() {
        let with = |before: &[u8], after: &[u8]| [before, &export, after].concat();
        add(seeds, "walk_oracle", name, &export);
        add(
            seeds,
            "walk_oracle",
            &format!("{name}_link_edited"),
            with(&[], &[1, 2, 0, 2, 9, 0, 1, 4, 3]),
        );
        add(
            seeds,
            "walk_oracle",
            &format!("{name}_entry_edited"),
            with(&[], &[1, 2, 0, 2, 9, 1, 0, 6, 0, 3]),
        );
        add(
            seeds,
            "walk_oracle",
            &format!("{name}_bytes_edited"),
            with(&[], &[1, 2, 0, 2, 9, 0, 0, 1, 12, 2, 0x41]),
        );
        add(seeds, "builder", name, with(&[], &[1, 2, 3, 4, 7, 3, 9, 1, 0, 2, 5, 1]));
        add(seeds, "diff", name, with(&[], &[1, 2, 3, 4, 1, 7, 3, 0, 9, 1, 0, 2, 5, 1, 2, 3]));
        add(seeds, "partial_trees", name, with(&[], &[2, 1, 4, 3, 1, 1, 3, 0, 3, 1, 9, 1, 5]));
        add(
            seeds,
            "partial_trees",
            &format!("{name}_without_a_root"),
            with(&[], &[1, 0, 4, 0, 0, 1, 3, 1, 2]),
        );
        add(seeds, "proofs", name, with(&[], &[3, 1, 2, 1, 0, 1, 3, 2, 0, 1, 1, 1, 2, 0, 0, 1]));
        add(
            seeds,
            "proofs",
            &format!("{name}_without_records"),
            with(&[], &[0, 2, 0, 1, 1, 3, 1, 2, 1, 0, 0]),
        );
        for (way, start) in
            [("pre_order", [0, 200, 1]), ("not_kept", [2, 9, 1]), ("one_byte", [1, 0, 0])]
        {
            add(seeds, "one_pass", &format!("{name}_{way}"), with(&start, &[0, 0, 0, 9]));
        }
        add(seeds, "one_pass", &format!("{name}_damaged"), with(&[0, 9, 1], &[1, 0, 2, 4, 3, 5]));
        // Undamaged: `EveryBlock`, some cache, small segments and a suspension. Damaged:
        // `ReachedBlocks` without these.
        for (kind, way) in ["spilled", "kept", "indexed"].into_iter().enumerate() {
            let plan = |before: &[u8]| [before, &[kind as u8, 1, 2, 1, 3]].concat();
            add(
                seeds,
                "store_independence",
                &format!("{name}_{way}"),
                with(&plan(&[0, 0]), &[0, 0, 9]),
            );
            add(seeds, "process", &format!("{name}_{way}"), with(&plan(&[0, 0]), &[0, 9]));
            let (plan, damage) = ([1, 0, kind as u8, 0, 1, 0], [0, 2, 1, 2, 3, 1, 1, 2, 3]);
            add(
                seeds,
                "store_independence",
                &format!("{name}_damaged_{way}"),
                with(&plan, &damage),
            );
        }
        add(
            seeds,
            "process",
            &format!("{name}_damaged"),
            with(&[1, 1, 0, 0, 1, 0], &[2, 1, 2, 3, 1, 1, 2, 3]),
        );
        let pieces = [0, 0, 1, 9, 8, 7, 1, 1, 1, 1, 1, 1, 2, 3, 4, 0];
        add(seeds, "chunk_independence", &format!("choices_{name}"), with(&pieces, &[1, 2, 1, 0]));
    }
    long_repositories(seeds);
    let names = BREAKS.iter().map(|rule| rule.name).chain(FRAMING.iter().map(|rule| rule.name));
    for (number, name) in names.enumerate() {
        let [.., (_, export), _, _, _] = exports();
        add(seeds, "broken_rule", name, [&[number as u8][..], &export, &[2, 1, 1, 1]].concat());
    }
    let spill = [
        ("description_overwritten", [0, 1, 0, 0, 1, 0, 0, 5, 30, 3, 1, 2, 3, 4]),
        ("index_page_lost", [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("segment_replaced", [0, 1, 1, 0, 0, 2, 3, 1, 9, 9, 9, 9, 9, 9]),
        ("segment_copied_to_another", [0, 0, 1, 0, 0, 2, 3, 4, 7, 0, 0, 0, 0, 0]),
        ("processed_segment_overwritten", [1, 1, 0, 0, 0, 2, 4, 6, 50, 2, 7, 7, 7, 0]),
        ("bytes_of_the_beginning_changed", [0, 1, 0, 1, 1, 1, 0, 40, 4, 1, 2, 3, 4, 5]),
        ("file_cut", [0, 0, 0, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (name, choices) in spill {
        add(seeds, "spill_file", name, choices);
    }
}

/// CARs that are longer than one buffer. The load is suspended after some sections, and continues
/// in a file.
fn long_repositories(seeds: &mut Vec<Seed>) {
    let [_, _, _, (_, export), ..] = exports();
    // Four long unreached blocks: byte, length and place of each.
    let strays = [6, 1, 0, 3, 2, 1, 9, 3, 3, 10, 4, 2, 16];
    for (kind, way) in ["spilled", "kept", "indexed"].into_iter().enumerate() {
        let whole = [0, 0, kind as u8, 1, 2, 1, 90];
        add(
            seeds,
            "store_independence",
            &format!("long_{way}"),
            [&whole[..], &export, &strays, &[0, 9]].concat(),
        );
        // The same with threads and without long blocks, undamaged and damaged.
        let after: [(&str, &[u8]); 2] = [("", &[0, 0, 9, 6]), ("_damaged", &[0, 1, 1, 2, 3, 9, 7])];
        for (name, after) in after {
            add(
                seeds,
                "store_independence",
                &format!("threads{name}_{way}"),
                [&whole[..], &export, after].concat(),
            );
        }
        let damaged = [1, 0, kind as u8, 0, 1, 2, 90, 50];
        // Changed copies of a block: one before it, and one after the suspension.
        let damage = [2, 1, 0, 3, 1, 1, 2, 17, 3, 1, 1, 9];
        add(
            seeds,
            "store_independence",
            &format!("long_damaged_{way}"),
            [&damaged[..], &export, &strays, &damage].concat(),
        );
    }
}

fn signatures(seeds: &mut Vec<Seed>) {
    for (curve, name) in ["p256", "k256"].into_iter().enumerate() {
        let with = |after: &[u8]| [&[3, 7, curve as u8, 5], &b"hello"[..], &[2], after].concat();
        add(seeds, "signature", &format!("{name}_changed_in_r"), with(&[0, 1, 0, 3, 9]));
        add(seeds, "signature", &format!("{name}_with_another_s"), with(&[0, 1, 0, 32, 0xff]));
        add(
            seeds,
            "signature",
            &format!("{name}_of_other_bytes"),
            with(&[[0, 0, 64].as_slice(), &[0x11; 64]].concat()),
        );
        add(
            seeds,
            "signature",
            &format!("{name}_cut"),
            with(&[[0, 0, 63].as_slice(), &[0x11; 63]].concat()),
        );
        add(seeds, "signature", &format!("{name}_of_another_key"), with(&[1, 4, 8, 1]));
        add(seeds, "signature", &format!("{name}_of_another_message"), with(&[2, 1]));
    }
    for text in [
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        "zDnaeTiq1PdzvZXUaMdezchcMJQpBdH2VN4pgrrEhMCCbmwSb",
        "z23o6Sau8NxxzXcgSc3PLcNxrzrZpbLeBn1izfv3jbKhuv",
        "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
    ] {
        let name = format!("text_of_{}", text.get(..12).unwrap_or(text).replace(':', "_"));
        add(seeds, "signature", &name, [&[3, 7, 0, 0, 0, 3], text.as_bytes()].concat());
    }
}
