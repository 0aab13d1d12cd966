//! Every message, and what else an error tells. A change here is one that users see.

use crate::common;
use carwalk::ErrorClass;
use std::error::Error as _;
use std::io;

use carwalk::cid::Codec;
use carwalk::error::{
    ArgumentFault, KeyInterval, LimitName, LookAlike, Malformed, NonCanonical, PathFault,
    RevisionFault, SpillFileFault, TreeRule,
};
use carwalk::{Cid, Error, ErrorKind, Limits, Loader, Repo, RepoPath, Result, Tree, peek_commit};
use carwalk_testkit::breakage;
use carwalk_testkit::readers::{FailsAt, OneByte};
use carwalk_testkit::repo::Order;

/// What is said of broken exports, whole.
const MESSAGES: &[(&str, &str)] = &[
    (
        "end_inside_varint",
        "section at byte 3065: the input ends inside it: 2 bytes expected, 1 available",
    ),
    (
        "end_inside_block",
        "section at byte 2958: the input ends inside it: 107 bytes expected, 51 available",
    ),
    (
        "header_length_cut",
        "CAR header at byte 0: the input ends inside it: 2 bytes expected, 1 available",
    ),
    ("file_empty", "CAR header at byte 0: the input is empty"),
    (
        "header_of_car_v2",
        "CAR header at byte 0: this is a CAR of version 2; repositories are exported as version 1",
    ),
    (
        "commit_is_node",
        "commit bafyreifjf6iiuamn5d2oebm4y5yzfb5363szlrhorhe7didlxf6reyxpxm at byte 59: this is a node of a tree, not a commit: the CAR holds a bare tree",
    ),
    ("section_length_10_bytes", "section at byte 1452: varint of more than 9 bytes"),
    (
        "section_empty",
        "section at byte 1452: section length 0 leaves no room for a CID of 36 bytes",
    ),
    ("header_empty_frame", "CAR header at byte 0: the header is empty"),
    (
        "header_version_2",
        "CAR header at byte 0: CAR version 2, expected 1, at byte 57 of the CAR header",
    ),
    ("header_roots_empty", "CAR header at byte 0: the header names no root"),
    (
        "left_cid_trailing",
        "node bafyreigaoaugn7ghd6lsmt54sik3fmhsmum5j2bxtmvewpmkmptsii2fum at byte 584: CID of 37 bytes, expected 36, at byte 85 of the node",
    ),
    (
        "value_cid_v0",
        "node bafyreieb5m5sa3ytwgrsdh3v2wjveb2w52awutioaf64ce475me3v27gbm at byte 2064: CID of version 0, expected version 1, at byte 97 of the node, key \"com.example.test/00000117\"",
    ),
    (
        "section_cid_version_2",
        "section at byte 1452: CID of version 2, expected 1, at byte 1 of the section",
    ),
    (
        "section_cid_codec",
        "section at byte 1452: CID of codec 0x70, expected 0x71 (dag-cbor) or 0x55 (raw), at byte 1 of the section",
    ),
    (
        "left_raw_codec",
        "node bafyreie33fe534uyryjsvupmg2qoiaz5s7gtlrwfjzbxwd62dh34555pqy at byte 285: CID of codec 0x55, expected 0x71 (dag-cbor), at byte 220 of the node",
    ),
    (
        "value_hash",
        "node bafyreie2g2ytr6dp7hfxn5edseaozdwhpab4mnjfxe4dmachnfqd3653t4 at byte 2064: CID of hash function 0x1e, expected 0x12 (sha2-256), at byte 97 of the node, key \"com.example.test/00000117\"",
    ),
    (
        "left_digest_cut",
        "node bafyreibsskbhkbbvachq4bka6sanm33hvvedujul3lzffsr6y2roaq6r6a at byte 584: CID with a digest of 31 bytes, expected 32, at byte 85 of the node",
    ),
    (
        "commit_null_did",
        "commit bafyreifegmlcwiqnlxh3r54dw62jugi4ywpiw7hhlrbiulpnhnfkgadaja at byte 59: CBOR item of initial byte 0xf6, expected a text, at byte 5 of the commit",
    ),
    (
        "entry_reserved_head",
        "node bafyreiehayxkuf43zrjokyycje3uaugolsdvxkonjjn52vfb36w7t7guvq at byte 2064: reserved CBOR initial byte 0x1c, at byte 90 of the node",
    ),
    (
        "commit_indefinite_map",
        "commit bafyreibu4n2qapxqhqal2frzfxdlebtuulvunnugsygnlqryjbb4fz4rry at byte 59: CBOR item of indefinite length (initial byte 0xbf), at byte 0 of the commit",
    ),
    (
        "node_break",
        "node bafyreid3ief6yqyxuifyxvlk3pj4664xr7ngllc4wezj6rrrfmh7kykaoe at byte 285: CBOR item of indefinite length (initial byte 0xff), at byte 220 of the node",
    ),
    (
        "commit_other_tag",
        "commit bafyreie36tlwx3qaesqgqzjudr5hds2xy4y6ymvwrfai47twasxrozdceq at byte 59: CBOR tag 43, expected 42 or none, at byte 132 of the commit",
    ),
    (
        "commit_unknown_undefined",
        "commit bafyreiesdqntdietggbiszt2huukvpbarmk56yxnmwprmdrznwpilkihku at byte 59: CBOR simple value of initial byte 0xf7, expected false, true or null, at byte 3 of the commit",
    ),
    (
        "commit_did_not_utf8",
        "commit bafyreibykvnqxun2eqrmwgpg34lhbzbm2gpd3lci7borlx4ad7i63pds3y at byte 59: text is not UTF-8, at byte 5 of the commit",
    ),
    (
        "node_trailing_byte",
        "node bafyreidvd7tbqb5mvfnlhc27aevpymr5wca3twvtrq643xrl6zdt74oanm at byte 285: 1 byte follows the end, at byte 261 of the node",
    ),
    (
        "entry_link_other_multibase",
        "node bafyreihruo63wg53ziip5fn5gbs53db4csztmumzpw7vaf5eplfbj464xy at byte 2064: link does not begin with the byte 0x00, at byte 97 of the node, key \"com.example.test/00000117\"",
    ),
    (
        "commit_without_sig",
        "commit bafyreialfgod5bdaetuuriivcejlfkh2sngutox2valj7at5jlwfbadayi at byte 59: field `sig` is missing",
    ),
    ("header_roots_missing", "CAR header at byte 0: field `roots` is missing"),
    (
        "node_unsorted",
        "node bafyreigcbxt63ti54krxmhjb464e2vkru63esgbpyy3czjq6ydeoxc23nu at byte 285: unexpected field, expected `e`, at byte 1 of the node",
    ),
    (
        "node_extra_field",
        "node bafyreib4e664w5bpo63eml6ehdzou74r3ue24aclf5bu6t7xzfzafmanyi at byte 2064: map of 3 fields, expected 2, at byte 0 of the node",
    ),
    (
        "commit_version_4",
        "commit bafyreibjvknsf4czrcxlw7bfqhylzuj45kr6jttuqjhmugsdgcnsaazqxy at byte 59: commit of version 4, expected 3, or 2 for a legacy commit, at byte 187 of the commit",
    ),
    (
        "commit_version_2",
        "commit bafyreicht7vfa3sbp56biblwkvnkspqy76b3eyn5ji2m4exbuobfzhbgmy at byte 59: legacy commit (version 2): accept legacy commits to read it",
    ),
    (
        "commit_without_prev",
        "commit bafyreiewqourawcz4xxfjr6deyiekmvny5audm4qbncxwgb53eeezeqliy at byte 59: legacy commit (version 3 without `prev`): accept legacy commits to read it",
    ),
    (
        "commit_did_empty",
        "commit bafyreifcc3ida27sink4jbamid7lbabvo5y4myfoeodjvqg4hx4rylhxoq at byte 59: `did` is not a DID, at byte 5 of the commit",
    ),
    (
        "commit_rev_upper",
        "commit bafyreibbccgpnr5jmfxh5wzbjhy64cqlsnoabmd7lzug2dk5uu3p4w4jxu at byte 59: `rev` is not a TID, at byte 43 of the commit",
    ),
    (
        "commit_sig_63",
        "commit bafyreihz5vbqm34jjqh5cjie4vihlz5uxtay7asl3l66uypiarn5cf632q at byte 59: `sig` of 63 bytes, expected 64, at byte 61 of the commit",
    ),
    ("section_length_padded", "section at byte 1452: varint is not in its shortest form"),
    (
        "commit_wide_version",
        "commit bafyreiethlhsu6ow3vj56sb2s3fnv46b5xkanmsetb6rob3yw6tcp73icy at byte 59: CBOR integer or length is not in its shortest form, at byte 187 of the commit",
    ),
    (
        "header_unsorted",
        "CAR header at byte 0: map keys are not in canonical order, at byte 10 of the CAR header",
    ),
    (
        "commit_did_twice",
        "commit bafyreie6uyzybiskgot6iys23e6ifrdb2aq24sghdd2extluiryhax4kzq at byte 59: the same key twice in one map, at byte 39 of the commit",
    ),
    (
        "header_half_float",
        "CAR header at byte 0: CBOR float is not canonical, expected 64 bits and no negative zero, at byte 6 of the CAR header",
    ),
    (
        "first_prefix_not_zero",
        "node bafyreidcwguulm4yzyeir2u6f4hesbflw5hry3lcfuuprcgx2qd6frfsae at byte 2064: entry 0 has a prefix of 1 byte, expected 0, at byte 4 of the node",
    ),
    (
        "prefix_longer_than_key",
        "node bafyreihfx63kqzhu3kpvnmqjpndcj6sw4yq6xjsvtvibyj4hn3i7hkupfu at byte 2064: entry 1 has a prefix of 26 bytes, but the key before it has 25, at byte 83 of the node",
    ),
    (
        "prefix_not_maximal",
        "node bafyreiap7pfco7gec4up3vjz636j4jodjoutmjwcmlkpotnvhuy2tmyc64 at byte 2064: entry 1 has a prefix of 23 bytes, but shares more with the key before it, at byte 83 of the node, key \"com.example.test/00000117\"",
    ),
    (
        "keys_unsorted",
        "node bafyreibdtasql3xbh3bj46t5zo3l52wopeuz7ae77lhonmztcpmykfn4ju at byte 952: entry 1 has a key below the key before it, at byte 83 of the node, key \"com.example.test/00000000\"",
    ),
    (
        "key_twice",
        "node bafyreibcdgihneyt65jsklgoehgsisbd5xvnzyqxzyr6zxu4gdvjawi65u at byte 2064: entry 2 repeats the key before it, at byte 138 of the node, key \"com.example.test/00000117\"",
    ),
    (
        "key_layer_too_low",
        "node bafyreibk6f4npcjbmhfasiuses7syydi6zh6z444zabbb65kar34nvaalq at byte 748: entry 1 has a key of layer 0, but its node is of layer 1, at byte 83 of the node, key \"com.example.test/00000002-00000002\"",
    ),
    (
        "subtree_key_below_bound",
        "node bafyreiah3rg3xmcn7dpewbmz2s7z3655wtehwdue5xmzggknulgduxlwvi at byte 1452: key is outside its subtree, expected keys between \"com.example.test/00000002\" and \"com.example.test/00000019\", at byte 4 of the node, key \"com.example.test/00000001-00000001\"",
    ),
    (
        "subtree_key_above_bound",
        "node bafyreicd5l5jkd4t32jfsdwpjyf2ire5dfvwlaqnxs3pbvkkdikgyulryi at byte 952: key is outside its subtree, expected keys below \"com.example.test/00000002\", key \"com.example.test/00000002-00000002\"",
    ),
    (
        "node_linked_twice",
        "node bafyreife3fivn63ouhaukyuass4yd2btmkanpcwduvmlp7g4no54astq7a at byte 952: key is outside its subtree, expected keys below \"com.example.test/00000002\", at byte 4 of the node, key \"com.example.test/00000003\"",
    ),
    (
        "empty_nodes_left_out",
        "node bafyreiee6olzfwjrizkbmp2dlno7xmynpf6clutznb2qpxnkiywcpi2tvm at byte 1896: node of layer 0, expected layer 2: one below its parent, at byte 4 of the node, key \"com.example.test/00000116\"",
    ),
    (
        "link_at_layer_0",
        "node bafyreibshoj6dld6r7h6vjw2zw6e64prr2gar2iyaizmnb5l55p7dqrfku at byte 1452: node of layer 0 links to a subtree",
    ),
    (
        "empty_leaf",
        "node bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm at byte 3106: node has neither entries nor subtree, and is not the root",
    ),
    (
        "root_passes_through",
        "node bafyreihczt6z2lt4pvdhwsyb5bwzcjkc6ot2jonwgkq5meprix4d2qs7xu at byte 285: root has a subtree but no entry",
    ),
    (
        "key_empty",
        "node bafyreigjlqewczz3k43jp7e4fowap3jgdz7dzc7t3m6ptqmloaokqc4ftm at byte 952: entry 0 has an empty key, at byte 4 of the node, key \"\"",
    ),
    (
        "path_with_space",
        "record bafyreigb4o42aay454vf2aeq3tw5s6xheerryy2aengdydhulhp4f4md6e at byte 3122: repo path with the byte 0x20 at position 18, expected one of `A-Z a-z 0-9 . - _ : ~ /`, key \"com.example.test/a b\"",
    ),
    (
        "path_of_three_parts",
        "record bafyreiesrnhyd4xof2rapfniuqg7yvxn6xduisufpvhkmibtmiyhbafrwa at byte 3121: repo path with 2 slashes, expected 1 (`collection/record-key`), key \"com.example.test/a/b\"",
    ),
    (
        "path_without_slash",
        "record bafyreicfiwoqstfgbt2ltg2m3wkbfkd5yifprttvq25fz5zqg26dqxg5ma at byte 1183: repo path with 0 slashes, expected 1 (`collection/record-key`), key \"com.example.test\"",
    ),
    (
        "path_without_collection",
        "record bafyreibn3zkyt5dsacvtgxgbevtwhs2wtobfu5h7l3ne7up76u6hnvsby4 at byte 1198: repo path without a collection, key \"/3l4zyhoqkbk2c\"",
    ),
    (
        "path_without_record_key",
        "record bafyreiepavs3w4cyaqvo4a6ebn6catg2qmr2m56nswqa7dczmdw62u5wri at byte 1183: repo path without a record key, key \"com.example.test/\"",
    ),
    (
        "path_not_utf8",
        "record bafyreidcvgu5qmg2qmvw3girl4b6zit23rhem6cpe7oqzk3mpcbtmbjwa4 at byte 3222: repo path with the byte 0xff at position 17, expected one of `A-Z a-z 0-9 . - _ : ~ /`, key \"com.example.test/\\xff\\xfe\"",
    ),
    (
        "path_with_nul",
        "record bafyreifmu2ve7aurfim5phecday4hr6xsvzvr3gyf7m4daerie6szdj22u at byte 3222: repo path with the byte 0x00 at position 18, expected one of `A-Z a-z 0-9 . - _ : ~ /`, key \"com.example.test/a\\x00\"",
    ),
    (
        "hash_of_record",
        "section bafyreibcop7ypm6fiwfs5hf2r44x43jkn3dzy7h6zuwigqsa4tndyxijxm at byte 2243: its bytes hash to bafyreiawmdqlp7b3lf5rii4nyireq3uof3fj45bctspjvg62zjdljufd3e instead",
    ),
    (
        "commit_absent",
        "commit bafyreicwerryc73pt2p54qxws6y6a7xndjvqbzkybd62gni5jcs3zqfxxm: its block is missing: not a repository, or only a part of one",
    ),
    (
        "root_absent",
        "node bafyreifjf6iiuamn5d2oebm4y5yzfb5363szlrhorhe7didlxf6reyxpxm: its block is missing, which hides all keys",
    ),
    (
        "leaf_absent",
        "node bafyreifr47jnkaal2xyjsuk6vwtehb3lel6sbgfokkzdcdxpfhhjm4p4mi: its block is missing, which hides keys below \"com.example.test/00000002\"",
    ),
    (
        "last_node_absent",
        "node bafyreihq4oxgwa5ssnm6wpjjo43k3i4fa6ofphmpkisdfnig4s47aczo54: its block is missing, which hides keys above \"com.example.test/00000173\"",
    ),
    (
        "empty_node_absent",
        "node bafyreiflhn7cmdwoctkbvybups7ujair2nygmjkdot7g5trcrbaq4lww4e: its block is missing, which hides keys between \"com.example.test/00000114\" and \"com.example.test/00000166\"",
    ),
    (
        "record_absent",
        "record bafyreidngmcpey4jwl7zub2e4kro4ht3heqmfrd5ck4yhjhhxdzassxnce: its block is missing, key \"com.example.test/00000114\"",
    ),
    (
        "header_over_limit",
        "CAR header at byte 0: header length of 1048644 exceeds the limit of 1048576",
    ),
    (
        "section_over_limit",
        "section at byte 1452: block length of 2097153 exceeds the limit of 2097152",
    ),
    (
        "key_of_1025_bytes",
        "node bafyreiaul6tpxrmemzbmzkfa7kpi3lns45a5dfgub55zpjfkvushctq7a4 at byte 3106: key length of 1025 exceeds the limit of 1024, at byte 4 of the node",
    ),
    (
        "commit_nested_deeply",
        "commit bafyreihqulohmmnih2xlnpsovux54vvunbz34zbl3ptd7lcqkslvxijiqm at byte 59: CBOR nesting of 33 exceeds the limit of 32, at byte 35 of the commit",
    ),
    (
        "node_cut",
        "node bafyreidi3es4tjmmbox465gek7kwobt27miysipa3cetwmkzo3gauyuwqm at byte 285: CBOR item extends beyond the end: 36 bytes expected, 35 available, at byte 225 of the node",
    ),
    (
        "node_counts_huge",
        "node bafyreicgvntkw4toyt5utm7x44ifjizzkq3ylynq2ja2cpax2v2hk52qse at byte 285: CBOR item extends beyond the end: 18446744073709551615 bytes expected, 257 available, at byte 3 of the node",
    ),
    (
        "commit_empty_block",
        "commit bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku at byte 59: CBOR item extends beyond the end: 1 byte expected, 0 available, at byte 0 of the commit",
    ),
    (
        "header_map_cut",
        "CAR header at byte 0: CBOR item extends beyond the end: 1 byte expected, 0 available, at byte 57 of the CAR header",
    ),
    (
        "value_identity",
        "node bafyreiasbyqdk5iojwxyyki43vkunwfbfie6wexjkpk6h5kw3af5xmsrai at byte 2064: CID of hash function 0x00, expected 0x12 (sha2-256), at byte 97 of the node, key \"com.example.test/00000117\"",
    ),
    ("header_root_raw_codec", "CAR header at byte 0: CID of codec 0x55, expected 0x71 (dag-cbor)"),
];

fn refusal(car: &[u8]) -> Error {
    Repo::from_slice(car).and_then(|repo| common::rows(&repo)).unwrap_err()
}

#[test]
fn messages_of_broken_exports() {
    for (name, message) in MESSAGES {
        let error = refusal(&breakage::case(name).broken);
        assert_eq!(error.to_string(), *message, "{name}");
        if let Some(cid) = error.cid() {
            assert_eq!(message.matches(&cid.to_string()).count(), 1, "{name}");
        }
    }
}

#[test]
fn whatever_is_broken_in_a_car_is_the_fault_of_the_input() {
    for breakage in breakage::all() {
        let Err(error) =
            Repo::from_slice(&breakage.make().broken).and_then(|repo| common::rows(&repo))
        else {
            continue;
        };
        match error.class() {
            ErrorClass::Invalid
            | ErrorClass::Truncated
            | ErrorClass::Missing
            | ErrorClass::Limit => {}
            ErrorClass::Caller
            | ErrorClass::Environment
            | ErrorClass::Io
            | ErrorClass::Cancelled => panic!("{}: {error:?}", breakage.name),
        }
    }
}

#[test]
fn messages_of_look_alikes() {
    let files: [(&[u8], &str); 4] = [
        (b"", "CAR header at byte 0: the input is empty"),
        (
            b"{}",
            "CAR header at byte 0: this is JSON, not a CAR: a server's answer saved as a file?",
        ),
        (
            b"<html>",
            "CAR header at byte 0: this is HTML or XML, not a CAR: a server's answer saved as a file?",
        ),
        (b"\x1f\x8b\x08", "CAR header at byte 0: this is gzip data: decompress it first"),
    ];
    for (file, message) in files {
        assert_eq!(refusal(file).to_string(), message);
    }
}

#[test]
fn messages_of_limits_that_were_set() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let input = OneByte(&car[..]);
    let error = Loader::new()
        .limits(Limits::default().max_stream_len(1000))
        .from_reader(input)
        .unwrap_err();
    let expected = "section at byte 952: stream length of 1001 exceeds the limit of 1000; raise it with `Limits::max_stream_len`";
    assert_eq!(error.to_string(), expected);
    let error = Loader::new()
        .limits(Limits::default().max_header_len(57))
        .from_reader(&car[..])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "CAR header at byte 0: header length of 58 exceeds the limit of 57"
    );
}

#[test]
fn messages_of_cids() {
    let message = |bytes: &[u8]| Cid::parse(bytes).unwrap_err().to_string();
    assert_eq!(message(&[0x12, 0x20]), "CID of version 0, expected version 1");
    assert_eq!(message(&[2]), "CID of version 2, expected 1");
    assert_eq!(message(&[1, 0x70]), "CID of codec 0x70, expected 0x71 (dag-cbor) or 0x55 (raw)");
    assert_eq!(message(&[1, 0x71, 0x1e]), "CID of hash function 0x1e, expected 0x12 (sha2-256)");
    assert_eq!(message(&[1, 0x71, 0x12, 31]), "CID with a digest of 31 bytes, expected 32");
    assert_eq!(message(&[1, 0x71, 0x12, 32]), "CID of 4 bytes, expected 36");
    let good = Cid::of(Codec::Raw, b"a").to_string();
    let odd = ["A", "0", "1", "8", "=", " ", "\u{1b}"]
        .map(|odd| format!("{}{odd}{}", &good[..20], &good[21..]));
    let last = format!("{}z", &good[..58]);
    for bad in odd.iter().chain([
        &"bafy".to_owned(),
        &good[1..].to_owned(),
        &last,
        &format!("z{}", &good[1..]),
    ]) {
        let text = bad.parse::<Cid>().unwrap_err().to_string();
        let expected = "not the text of a CID: expected `b` and 58 characters of lower-case base32";
        assert_eq!(text, format!("{expected}, text \"{}\"", bad.as_bytes().escape_ascii()));
    }
    let [a, b] = [b"a", b"b"].map(|bytes| Cid::of(Codec::Raw, bytes));
    let mismatch = a.verify(b"b").unwrap_err().to_string();
    assert_eq!(mismatch, format!("block {a}: its bytes hash to {b} instead"));
}

#[test]
fn messages_of_paths() {
    let message = |key: &[u8]| {
        RepoPath::parse(key).and_then(|path| path.check_syntax()).unwrap_err().to_string()
    };
    assert_eq!(
        message(b"a"),
        "repo path with 0 slashes, expected 1 (`collection/record-key`), key \"a\""
    );
    assert_eq!(message(b"a/"), "repo path without a record key, key \"a/\"");
    assert_eq!(message(b"/a"), "repo path without a collection, key \"/a\"");
    let expected = "expected one of `A-Z a-z 0-9 . - _ : ~ /`";
    assert_eq!(
        message(b"a/b!"),
        format!("repo path with the byte 0x21 at position 3, {expected}, key \"a/b!\"")
    );
    assert_eq!(message(b"a/b"), "collection is not a normalized NSID, key \"a/b\"");
    assert_eq!(
        message(b"a.b.c/."),
        "record key is not of the syntax of record keys, key \"a.b.c/.\""
    );
}

/// One of a thing is not named as several.
#[test]
fn messages_count_in_the_singular_and_plural() {
    let faults = [
        (Malformed::CidLen { found: 1 }, "CID of 1 byte, expected 36"),
        (Malformed::CidLen { found: 0 }, "CID of 0 bytes, expected 36"),
        (Malformed::CidDigestLen { found: 1 }, "CID with a digest of 1 byte, expected 32"),
        (
            Malformed::CborEnd { expected: 1, available: 0 },
            "CBOR item extends beyond the end: 1 byte expected, 0 available",
        ),
        (Malformed::Trailing { found: 1 }, "1 byte follows the end"),
        (Malformed::Trailing { found: 2 }, "2 bytes follow the end"),
        (Malformed::FieldCount { expected: 6, found: 1 }, "map of 1 field, expected 6"),
        (Malformed::SigLen { found: 1 }, "`sig` of 1 byte, expected 64"),
    ];
    for (fault, message) in faults {
        assert_eq!(fault.to_string(), message);
    }
    let rules = [
        (TreeRule::FirstPrefix { prefix_len: 1 }, "entry 0 has a prefix of 1 byte, expected 0"),
        (
            TreeRule::PrefixTooLong { entry: 1, prefix_len: 1, previous_len: 0 },
            "entry 1 has a prefix of 1 byte, but the key before it has 0",
        ),
        (
            TreeRule::PrefixNotMaximal { entry: 1, prefix_len: 1 },
            "entry 1 has a prefix of 1 byte, but shares more with the key before it",
        ),
    ];
    for (rule, message) in rules {
        assert_eq!(rule.to_string(), message);
    }
    let truncated = ErrorKind::Truncated { expected: 1, available: 0 };
    assert_eq!(truncated.to_string(), "the input ends inside it: 1 byte expected, 0 available");
}

/// The kinds that no small input comes to, or that say the same wherever they come from.
#[test]
fn messages_of_kinds() {
    let kinds: [(ErrorKind, &str); 22] = [
        (ErrorKind::Io(io::ErrorKind::NotFound.into()), "reading failed"),
        (ErrorKind::Output(io::ErrorKind::StorageFull.into()), "writing failed"),
        (ErrorKind::Store("gone".into()), "the block store failed"),
        (
            ErrorKind::OtherAccount {
                expected: "did:web:a.example".into(),
                found: "did:web:b.example".into(),
            },
            "the commit is by did:web:b.example, expected did:web:a.example",
        ),
        (
            ErrorKind::Revision(RevisionFault::Older {
                first: "3l4z".into(),
                found: "3l4y\n".into(),
            }),
            "the commit has revision \"3l4y\\n\", before \"3l4z\" of the first CAR",
        ),
        (ErrorKind::Argument(ArgumentFault::NoCar), "there is no CAR to open"),
        (ErrorKind::Decode("odd".into()), "the record does not decode into this type"),
        (ErrorKind::Encode("odd".into()), "the processed value cannot be encoded"),
        (ErrorKind::LookAlike(LookAlike::Gzip), "this is gzip data: decompress it first"),
        (
            ErrorKind::LookAlike(LookAlike::SpillFile),
            "this is a spill file, not a CAR: it has to be opened as one",
        ),
        (ErrorKind::InvalidSpillFile(SpillFileFault::NotOurs), "this is not a carwalk spill file"),
        (
            ErrorKind::InvalidSpillFile(SpillFileFault::Version { found: 2 }),
            "spill file of version 2, expected 1",
        ),
        (
            ErrorKind::InvalidSpillFile(SpillFileFault::Incomplete),
            "the spill file was not written to its end",
        ),
        (
            ErrorKind::InvalidSpillFile(SpillFileFault::Damaged("cut".into())),
            "the spill file is damaged: cut",
        ),
        (
            ErrorKind::InvalidSpillFile(SpillFileFault::NotHashed),
            "the spill file holds processed values of records that were never hashed, accepted \
             only without verification",
        ),
        (
            ErrorKind::InvalidSpillFile(SpillFileFault::Processed),
            "processed values are stored instead of records: only their process function reads \
             them",
        ),
        (
            ErrorKind::Malformed(Malformed::CborFloat),
            "CBOR float is NaN or infinite, expected a finite number",
        ),
        (
            ErrorKind::NonCanonical(NonCanonical::Float),
            "CBOR float is not canonical, expected 64 bits and no negative zero",
        ),
        (ErrorKind::Tree(TreeRule::LinkBelowLayer0), "node of layer 0 links to a subtree"),
        (ErrorKind::Path(PathFault::NoCollection), "repo path without a collection"),
        (ErrorKind::Missing { interval: None }, "its block is missing"),
        (ErrorKind::MissingCommit, "its block is missing: not a repository, or only a part of one"),
    ];
    for (kind, message) in kinds {
        assert_eq!(kind.to_string(), message);
    }
    let names: [(LimitName, &str); 10] = [
        (LimitName::HeaderLen, "header length"),
        (LimitName::BlockLen, "block length"),
        (LimitName::StreamLen, "stream length"),
        (LimitName::CarLen, "CAR length"),
        (LimitName::KeyLen, "key length"),
        (LimitName::Nesting, "CBOR nesting"),
        (LimitName::CommitFields, "commit field count"),
        (LimitName::Stored, "stored size"),
        (LimitName::Segments, "segment count"),
        (LimitName::WalkMemory, "walk memory"),
    ];
    for (name, message) in names {
        assert_eq!(name.to_string(), message);
    }
}

#[test]
fn messages_of_intervals() {
    let interval = |lower: Option<&'static str>, upper| KeyInterval { lower, upper }.to_string();
    assert_eq!(interval(None, None), "all keys");
    assert_eq!(interval(Some("a\n"), None), "keys above \"a\\n\"");
    assert_eq!(interval(None, Some("b\"\x7f")), "keys below \"b\\\"\\x7f\"");
    assert_eq!(interval(Some("a"), Some("b\u{e9}")), "keys between \"a\" and \"b\\xc3\\xa9\"");
}

/// A place inside a structure is where the byte is that the message is about.
#[test]
fn the_place_inside_is_that_of_the_byte_at_fault() {
    let car = breakage::case("header_version_2");
    let error = refusal(&car.broken);
    let within = usize::try_from(error.position().within().unwrap()).unwrap();
    // The length prefix has one byte.
    assert_eq!((car.valid[1 + within], car.broken[1 + within]), (1, 2));
    assert!(matches!(error.into_kind(), ErrorKind::Malformed(Malformed::CarVersion { found: 2 })));
    assert_eq!(refusal(&breakage::case("file_empty").broken).position().within(), None);
}

/// A key is whatever the maker of an export likes: it must not move the cursor of whoever reads the
/// message.
#[test]
fn control_characters_of_keys_are_escaped() {
    let keys: [&[u8]; 4] =
        [b"a/\x1b[2J", b"a/\r\nerror: all is well", b"a/\0\x7f\x9b", b"\xff\xfe/\xe2\x80\xae"];
    for key in keys {
        let repo = carwalk_testkit::repo::Repo::sample([key]);
        let mut car = repo.to_car(Order::Preorder);
        let complete = refusal(&car.to_bytes());
        assert_eq!(complete.key(), Some(key));
        car.remove(&repo.entries().remove(0).1);
        let missing = refusal(&car.to_bytes());
        assert_eq!(missing.class(), ErrorClass::Missing);
        for error in [complete, missing] {
            let texts =
                [error.to_string(), format!("{error:?}"), format!("{error:#?}").replace('\n', "")];
            for text in texts {
                assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
            }
        }
    }
}

/// A stream that fails after some bytes.
fn failing(bytes: &[u8], kind: io::ErrorKind) -> FailsAt<&[u8]> {
    FailsAt::after(bytes, io::Error::new(kind, "the cable is out"))
}

#[test]
fn an_io_error_is_the_source_and_comes_back_out() {
    for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock]
    {
        for error in [
            Repo::from_reader(failing(b"", kind)).unwrap_err(),
            peek_commit(failing(b"", kind)).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "CAR header at byte 0: reading failed");
            assert_eq!(error.source().unwrap().to_string(), "the cable is out");
            assert_eq!(error.class(), ErrorClass::Io);
            let error = io::Error::from(error);
            assert_eq!(error.kind(), kind);
            assert_eq!(error.to_string(), "CAR header at byte 0: reading failed");
        }
    }
}

/// Takes so many bytes, then fails.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.0);
        self.0 -= len;
        if len == 0 {
            Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"))
        } else {
            Ok(len)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_error_is_the_source_and_comes_back_out() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let repo = Repo::from_slice(&car).unwrap();
    for len in [0, 100, car.len() - 1] {
        let error = repo.prove().range(..).write(Full(len)).unwrap_err();
        assert_eq!(error.to_string(), "writing failed");
        assert_eq!(error.class(), ErrorClass::Environment);
        assert_eq!(error.io_kind(), Some(io::ErrorKind::StorageFull));
        assert_eq!(error.source().unwrap().to_string(), "the disk is full");
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(error.to_string(), "writing failed");
    }
    repo.prove().range(..).write(Full(car.len())).unwrap();
}

/// A reader that failed and a writer that failed are told apart.
#[test]
fn an_io_error_by_the_question_mark_is_that_of_a_reader() {
    let error = Error::from(io::Error::from(io::ErrorKind::StorageFull));
    assert!(matches!(error.kind(), ErrorKind::Io(_)));
}

#[test]
fn an_io_error_in_mid_stream_has_the_offset_of_the_section() {
    let car = breakage::sample().to_bytes(Order::Preorder);
    let input = failing(&car[..300], io::ErrorKind::BrokenPipe);
    let error = Repo::from_reader(input).unwrap_err();
    assert_eq!(error.to_string(), "section at byte 285: reading failed");
    assert!(error.class() != ErrorClass::Truncated);
}

#[test]
fn the_sources_are_those_of_kinds_that_have_one() {
    let error = Error::store(io::Error::other("the disk is gone"));
    assert_eq!(error.to_string(), "the block store failed");
    let source = error.source().unwrap();
    assert_eq!(source.to_string(), "the disk is gone");
    assert!(source.downcast_ref::<io::Error>().is_some());
    assert!(source.source().is_none());
    for (name, _) in MESSAGES {
        assert!(refusal(&breakage::case(name).broken).source().is_none(), "{name}");
    }
}

#[test]
fn errors_become_io_errors_of_the_kind_that_fits() {
    let converted = |name: &str| io::Error::from(refusal(&breakage::case(name).broken));
    let cases = [
        ("end_inside_block", io::ErrorKind::UnexpectedEof),
        ("header_length_cut", io::ErrorKind::UnexpectedEof),
        ("section_empty", io::ErrorKind::InvalidData),
        ("section_length_padded", io::ErrorKind::InvalidData),
        ("hash_of_record", io::ErrorKind::InvalidData),
        ("key_twice", io::ErrorKind::InvalidData),
        ("path_with_space", io::ErrorKind::InvalidData),
        ("leaf_absent", io::ErrorKind::InvalidData),
        ("section_over_limit", io::ErrorKind::InvalidData),
    ];
    for (name, kind) in cases {
        assert_eq!(converted(name).kind(), kind, "{name}");
    }
    assert_eq!(io::Error::from(Error::store("gone")).kind(), io::ErrorKind::Other);
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    assert_eq!(io::Error::from(Error::store(full())).kind(), io::ErrorKind::StorageFull);
    let below = Error::store(io::Error::other(Error::store(full())));
    assert_eq!(
        io::Error::from(below).kind(),
        io::ErrorKind::Other,
        "the first that knows one decides"
    );
    let back = converted("hash_of_record").into_inner().unwrap().downcast::<Error>().unwrap();
    assert!(matches!(back.kind(), ErrorKind::HashMismatch { .. }));
}

/// What is empty ended too soon.
#[test]
fn an_empty_stream_becomes_an_unexpected_end() {
    let error = refusal(b"");
    assert_eq!(error.class(), ErrorClass::Truncated);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn the_question_mark_converts_both_ways() {
    fn to_carwalk() -> Result<()> {
        Err(io::Error::from(io::ErrorKind::NotFound))?
    }
    fn to_io() -> io::Result<()> {
        to_carwalk()?;
        Ok(())
    }
    assert_eq!(to_io().unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn an_error_of_a_missing_node_names_its_interval() {
    let case = breakage::case("leaf_absent");
    let tree = Tree::new(
        common::MapStore::new(&case.broken),
        Repo::from_slice(&case.broken).unwrap().commit().data(),
    );
    let error = tree.records().find_map(Result::err).unwrap();
    let ErrorKind::Missing { interval: Some(interval) } = error.kind() else { panic!("{error}") };
    let keys = breakage::sample_keys();
    assert_eq!(*interval, KeyInterval { lower: None, upper: Some(keys[2].as_slice().into()) });
}
