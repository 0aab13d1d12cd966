//! The header of the CAR, and other data in place of the header.

use super::Fault::{Limit, Malformed, NonCanonical, Truncated};
use super::{Breakage, Case, breakage, car_case};
use crate::car::{header, header_value};
use crate::cbor::{Value, indefinite, wide, with_head};
use crate::cid::{Cid, RAW};
use crate::varint;

pub(super) const CASES: &[Breakage] = &[
    breakage(("H1", Malformed), "header_empty_frame", "the header has no bytes", || {
        body(|_| Vec::new())
    }),
    breakage(("H1", Malformed), "header_is_array", "an array of the two values", || {
        value(|_, header| {
            *header = Value::Array(header.pairs_mut().drain(..).map(|pair| pair.1).collect())
        })
    }),
    breakage(("H1", Malformed), "header_is_null", "null in place of the map", || {
        body(|_| vec![0xf6])
    }),
    breakage(("H2", Malformed), "header_version_0", "version 0", || set("version", Value::Uint(0))),
    breakage(("H2", Malformed), "header_version_2", "version 2 beside roots", || {
        set("version", Value::Uint(2))
    }),
    breakage(("H2", Malformed), "header_version_negative", "version -2", || {
        set("version", Value::Int(-2))
    }),
    breakage(("H2", Malformed), "header_version_text", "version as text", || {
        set("version", Value::text("1"))
    }),
    breakage(("H2", Malformed), "header_version_float", "version as a float", || {
        set("version", Value::F64(1.0))
    }),
    breakage(("H2", Malformed), "header_version_missing", "no version", || {
        value(|_, header| drop(header.remove("version")))
    }),
    breakage(("H2", Malformed), "header_of_car_v2", "the pragma of a CARv2 before the CAR", || {
        car_case(|_, car| {
            car.header_length.splice(..0, *b"\x0a\xa1\x67version\x02");
            Some(0)
        })
    }),
    breakage(("H3", Malformed), "header_roots_missing", "no roots", || {
        value(|_, header| drop(header.remove("roots")))
    }),
    breakage(("H3", Malformed), "header_roots_null", "roots null", || set("roots", Value::Null)),
    breakage(("H3", Malformed), "header_roots_a_link", "a link without its array", || {
        value(|root, header| *header.at_mut("roots") = Value::Link(root))
    }),
    breakage(("H3", Malformed), "header_root_text", "a root as text", || {
        roots(|root| vec![Value::text(root.to_string())])
    }),
    breakage(("H3", Malformed), "header_root_bytes", "a root as bytes without a tag", || {
        roots(|root| vec![Value::Bytes([&[0], &root.as_bytes()[..]].concat())])
    }),
    breakage(
        ("H3", Malformed),
        "header_second_root_not_a_link",
        "a number as the second root",
        || roots(|root| vec![Value::Link(root), Value::Uint(1)]),
    ),
    breakage(("H4", Malformed), "header_roots_empty", "no root", || roots(|_| Vec::new())),
    breakage(("X6", Malformed), "header_root_cid_v0", "a root in the form of CIDv0", || {
        roots(|root| vec![Value::link_bytes(&root.as_bytes()[2..])])
    }),
    breakage(("X6", Malformed), "header_root_codec", "a root with the codec dag-pb", || {
        root_byte(1, 0x70)
    }),
    breakage(("X6", Malformed), "header_root_hash", "a root with the code of another hash", || {
        root_byte(2, 0x1e)
    }),
    breakage(
        ("X6", Malformed),
        "header_root_digest_length",
        "a root with a digest of 31 bytes",
        || {
            roots(|root| {
                let mut cid = root.as_bytes()[..35].to_vec();
                cid[3] = 0x1f;
                vec![Value::link_bytes(&cid)]
            })
        },
    ),
    breakage(
        ("X5", Malformed),
        "header_root_without_zero",
        "a root without the zero before its CID",
        || roots(|root| vec![Value::Tag(42, Box::new(Value::Bytes(root.as_bytes().to_vec())))]),
    ),
    breakage(
        ("X5", Malformed),
        "header_root_empty_cid",
        "a root with no CID after the zero",
        || roots(|_| vec![Value::link_bytes(&[])]),
    ),
    breakage(("X4", Malformed), "header_root_tag", "a root with tag 43", || {
        roots(|root| vec![Value::Tag(43, Box::new(link_content(root)))])
    }),
    breakage(("X4", NonCanonical), "header_root_tag_wide", "tag 42 in two bytes", || {
        roots(|root| vec![wide(&Value::Link(root), 2)])
    }),
    breakage(
        ("H4", Malformed),
        "header_root_raw_codec",
        "root and commit under a CID of raw bytes",
        || {
            car_case(|repo, car| {
                let block = repo.commit_block();
                car.set_header(header(&[Cid::raw(&block)]));
                car.sections[0].cid[1] = RAW;
                Some(0)
            })
        },
    ),
    breakage(("X9", NonCanonical), "header_version_twice", "version twice", || twice("version")),
    breakage(("X9", NonCanonical), "header_roots_twice", "roots twice", || twice("roots")),
    breakage(("X8", NonCanonical), "header_unsorted", "version before roots", || {
        value(|_, header| header.pairs_mut().reverse())
    }),
    breakage(
        ("X8", NonCanonical),
        "header_unknown_key_unsorted",
        "a longer unknown key before the others",
        || value(|_, header| header.pairs_mut().insert(0, (Value::text("comments"), Value::Null))),
    ),
    breakage(("X1", NonCanonical), "header_wide_version", "version 1 in two bytes", || {
        set("version", wide(&Value::Uint(1), 1))
    }),
    breakage(("X1", NonCanonical), "header_wide_map", "the map's head in two bytes", || {
        value(|_, header| *header = wide(header, 1))
    }),
    breakage(("X1", NonCanonical), "header_wide_array", "the array's head in three bytes", || {
        value(|_, header| *header.at_mut("roots") = wide(header.at_mut("roots"), 2))
    }),
    breakage(("X1", NonCanonical), "header_wide_key", "a key's head in two bytes", || {
        value(|_, header| header.pairs_mut()[0].0 = wide(&Value::text("roots"), 1))
    }),
    breakage(
        ("X1", NonCanonical),
        "header_wide_link",
        "the link's bytes with a head of three bytes",
        || roots(|root| vec![Value::Tag(42, Box::new(wide(&link_content(root), 2)))]),
    ),
    breakage(("X2", NonCanonical), "header_indefinite_map", "the map without a length", || {
        value(|_, header| *header = indefinite(header))
    }),
    breakage(("X2", NonCanonical), "header_indefinite_array", "the roots without a length", || {
        value(|_, header| *header.at_mut("roots") = indefinite(header.at_mut("roots")))
    }),
    breakage(("X2", NonCanonical), "header_indefinite_key", "a key in chunks", || {
        value(|_, header| header.pairs_mut()[0].0 = indefinite(&Value::text("roots")))
    }),
    breakage(("X2", NonCanonical), "header_indefinite_link", "the link's bytes in chunks", || {
        roots(|root| vec![Value::Tag(42, Box::new(indefinite(&link_content(root))))])
    }),
    breakage(("X3", Malformed), "header_reserved_head", "a head of the reserved kind 28", || {
        unknown(Value::Raw(vec![0x1c]))
    }),
    breakage(("X2", Malformed), "header_unknown_break", "a break where a value is due", || {
        unknown(Value::Raw(vec![0xff]))
    }),
    breakage(
        ("X2", NonCanonical),
        "header_unknown_indefinite",
        "an unknown value without a length",
        || unknown(indefinite(&Value::Array(Vec::new()))),
    ),
    breakage(
        ("X1", NonCanonical),
        "header_unknown_wide",
        "an unknown number in too many bytes",
        || unknown(wide(&Value::Uint(5), 8)),
    ),
    breakage(("X4", Malformed), "header_unknown_tag", "an unknown value with tag 1", || {
        unknown(Value::Tag(1, Box::new(Value::Uint(0))))
    }),
    breakage(
        ("X6", Malformed),
        "header_unknown_link",
        "an unknown value that links to a CID of another form",
        || unknown(Value::link_bytes(&[1, 0x55, 0, 0])),
    ),
    breakage(("X7", Malformed), "header_key_not_text", "a key that is a number", || {
        value(|_, header| header.pairs_mut().insert(0, (Value::Uint(1), Value::Null)))
    }),
    breakage(
        ("X7", Malformed),
        "header_unknown_key_not_text",
        "a key that is a number, in an unknown map",
        || unknown(Value::Map(vec![(Value::Uint(1), Value::Null)])),
    ),
    breakage(
        ("X8", NonCanonical),
        "header_unknown_map_unsorted",
        "an unknown map out of order",
        || unknown(Value::map([("b", Value::Null), ("a", Value::Null)])),
    ),
    breakage(
        ("X9", NonCanonical),
        "header_unknown_map_twice",
        "a key twice in an unknown map",
        || unknown(Value::map([("a", Value::Null), ("a", Value::Null)])),
    ),
    breakage(("X10", Malformed), "header_key_not_utf8", "an unknown key that is not UTF-8", || {
        value(|_, header| header.pairs_mut().insert(0, (not_utf8(), Value::Null)))
    }),
    breakage(
        ("X10", Malformed),
        "header_text_not_utf8",
        "an unknown text that is not UTF-8",
        || unknown(not_utf8()),
    ),
    breakage(("X11", Malformed), "header_half_float", "an unknown float of 16 bits", || {
        unknown(Value::Raw(vec![0xf9, 0x3c, 0]))
    }),
    breakage(("X14", Malformed), "header_undefined", "an unknown value undefined", || {
        unknown(Value::Raw(vec![0xf7]))
    }),
    breakage(("X14", Malformed), "header_simple_value", "an unknown simple value", || {
        unknown(Value::Raw(vec![0xf8, 0xff]))
    }),
    breakage(
        ("X16", Malformed),
        "header_trailing_byte",
        "a byte after the map, inside the frame",
        || {
            body(|mut header| {
                header.push(0);
                header
            })
        },
    ),
    breakage(("X16", Malformed), "header_trailing_map", "the map twice, inside the frame", || {
        body(|header| header.repeat(2))
    }),
    breakage(("X17", Malformed), "header_map_cut", "the frame ends inside the map", || {
        body(|mut header| {
            header.pop();
            header
        })
    }),
    breakage(
        ("X17", Malformed),
        "header_map_counts_more",
        "the map counts a pair more than there is",
        || value(|_, header| *header = with_head(header, &[0xa3])),
    ),
    breakage(
        ("X18", Limit),
        "header_nested_deeply",
        "arrays nested 40 deep in an unknown key",
        || unknown(Value::Raw([vec![0x81; 40], vec![0]].concat())),
    ),
    breakage(
        ("X18", Limit),
        "header_nested_very_deeply",
        "arrays nested 100,000 deep in an unknown key",
        || unknown(Value::Raw([vec![0x81; 100_000], vec![0]].concat())),
    ),
    breakage(("H7", Limit), "header_over_limit", "a header of more than 1 MiB", || {
        unknown(Value::Bytes(vec![0; 1 << 20]))
    }),
    breakage(
        ("V2", NonCanonical),
        "header_length_padded",
        "the header's length with a byte too many",
        || length(|len| varint::padded(len, 2)),
    ),
    breakage(
        ("V3", Malformed),
        "header_length_10_bytes",
        "the header's length in ten bytes",
        || length(|len| varint::padded(len, 10)),
    ),
    breakage(
        ("B5", Truncated),
        "header_length_one_too_many",
        "the header and nothing after it, one byte short",
        || {
            car_case(|_, car| {
                car.sections.clear();
                car.header.pop();
                Some(0)
            })
        },
    ),
    breakage(
        ("H7", Limit),
        "header_length_huge",
        "the largest length that nine bytes can say",
        || length(|_| varint::encode(u64::MAX >> 1)),
    ),
    breakage(
        ("V5", Truncated),
        "header_length_cut",
        "the file ends inside the header's length",
        || {
            car_case(|_, car| {
                car.sections.clear();
                car.header.clear();
                car.header_length = vec![0xba];
                Some(0)
            })
        },
    ),
    breakage(("H1", Truncated), "file_empty", "no bytes at all", || {
        car_case(|_, car| {
            car.sections.clear();
            car.header.clear();
            car.header_length.clear();
            Some(0)
        })
    }),
];

fn body(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Case {
    car_case(|_, car| {
        let header = change(std::mem::take(&mut car.header));
        car.set_header(header);
        Some(0)
    })
}

fn value(change: impl FnOnce(Cid, &mut Value)) -> Case {
    car_case(|repo, car| {
        let root = repo.commit_cid();
        let mut header = header_value(&[root]);
        change(root, &mut header);
        car.set_header(header.encode());
        Some(0)
    })
}

fn set(key: &str, item: Value) -> Case {
    value(|_, header| *header.at_mut(key) = item)
}

fn roots(change: impl FnOnce(Cid) -> Vec<Value>) -> Case {
    value(|root, header| *header.at_mut("roots") = Value::Array(change(root)))
}

fn root_byte(index: usize, byte: u8) -> Case {
    roots(|root| {
        let mut cid = *root.as_bytes();
        cid[index] = byte;
        vec![Value::link_bytes(&cid)]
    })
}

fn twice(key: &str) -> Case {
    value(|_, header| {
        let pairs = header.pairs_mut();
        let index = usize::from(key == "version");
        pairs.insert(index, pairs[index].clone());
    })
}

/// Adds an unknown key at its canonical position.
fn unknown(item: Value) -> Case {
    value(|_, header| header.pairs_mut().insert(0, (Value::text("note"), item)))
}

fn length(change: impl FnOnce(u64) -> Vec<u8>) -> Case {
    car_case(|_, car| {
        car.header_length = change(car.header.len() as u64);
        Some(0)
    })
}

fn link_content(root: Cid) -> Value {
    Value::Bytes([&[0], &root.as_bytes()[..]].concat())
}

fn not_utf8() -> Value {
    Value::Raw(vec![0x62, 0xc3, 0x28])
}
