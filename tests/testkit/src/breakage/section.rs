//! Sections of the CAR: their framing, their CIDs, their hashes, and missing blocks.

use super::Fault::{Limit, Malformed, Mismatch, Missing, NonCanonical, Truncated};
use super::{Breakage, Case, breakage, car_case};
use crate::car::{Car, Section, section};
use crate::cid::Cid;
use crate::oracle::BLOCK_LIMIT;
use crate::varint;

/// The section that most cases change: a node in the middle of the CAR.
const CHANGED: usize = 8;

pub(super) const CASES: &[Breakage] = &[
    breakage(
        ("V2", NonCanonical),
        "section_length_padded",
        "a section's length with a byte too many",
        || {
            at(CHANGED, |section| {
                section.length = varint::padded(payload(section), section.length.len() + 1)
            })
        },
    ),
    breakage(
        ("V2", NonCanonical),
        "section_length_9_bytes",
        "a section's length in nine bytes",
        || at(CHANGED, |section| section.length = varint::padded(payload(section), 9)),
    ),
    breakage(
        ("V3", Malformed),
        "section_length_10_bytes",
        "a section's length in ten bytes",
        || at(CHANGED, |section| section.length = varint::padded(payload(section), 10)),
    ),
    breakage(("V3", Malformed), "section_length_64_bits", "a section's length of 64 bits", || {
        at(CHANGED, |section| section.length = varint::encode(u64::MAX))
    }),
    breakage(
        ("V4", Malformed),
        "section_empty",
        "a section of length 0 between two others",
        || raw(&[0]),
    ),
    breakage(
        ("V4", Malformed),
        "section_empty_last",
        "a length of 0 at the end of the file",
        || trailing(&[0]),
    ),
    breakage(
        ("V4", Malformed),
        "sections_empty_padding",
        "512 zeros at the end of the file",
        || trailing(&[0; 512]),
    ),
    breakage(("B3", Malformed), "section_of_1_byte", "a section of length 1", || raw(&[1, 1])),
    breakage(
        ("B3", Malformed),
        "section_of_35_bytes",
        "a CID without its last byte and nothing more",
        || raw(&section(&Cid::raw(b"").as_bytes()[..35], b"")),
    ),
    breakage(
        ("B3", Malformed),
        "section_length_below_cid",
        "a length that ends inside the CID",
        || at(CHANGED, |section| section.length = varint::encode(20)),
    ),
    breakage(("B3", Limit), "section_over_limit", "an unreached block of more than 2 MiB", || {
        let block = vec![0; BLOCK_LIMIT + 1];
        raw(&section(Cid::raw(&block).as_bytes(), &block))
    }),
    breakage(
        ("B3", Limit),
        "section_length_huge",
        "the largest length that nine bytes can say",
        || at(CHANGED, |section| section.length = varint::encode(u64::MAX >> 1)),
    ),
    breakage(("B1", Malformed), "section_cid_v0", "an unreached block under a CIDv0", || {
        stray(|cid| cid[2..].to_vec())
    }),
    breakage(("B1", Malformed), "section_cid_version_2", "a CID of version 2", || stray_byte(0, 2)),
    breakage(("B1", Malformed), "section_cid_codec", "the codec dag-pb", || stray_byte(1, 0x70)),
    breakage(("B1", Malformed), "section_cid_hash", "the code of BLAKE3", || stray_byte(2, 0x1e)),
    breakage(("B1", Malformed), "section_cid_digest_length", "a digest of 20 bytes", || {
        stray(|cid| {
            let mut cid = cid[..24].to_vec();
            cid[3] = 20;
            cid
        })
    }),
    breakage(("B2", Malformed), "section_cid_identity", "a CID that is the block itself", || {
        car_case(|_, car| insert(car, &section(&[1, 0x55, 0, 32], &[7; 32])))
    }),
    breakage(
        ("B1", Malformed),
        "section_cid_padded",
        "a CID whose version is a padded varint",
        || stray(|cid| [&[0x81, 0][..], &cid[1..]].concat()),
    ),
    breakage(
        ("V5", Truncated),
        "end_inside_varint",
        "the file ends inside a section's length",
        || trailing(&[0x80]),
    ),
    breakage(("B5", Truncated), "end_inside_cid", "the file ends inside a CID", || cut(20)),
    breakage(
        ("B5", Truncated),
        "end_after_length",
        "the file ends after a section's length",
        || cut(0),
    ),
    breakage(("B5", Truncated), "end_after_cid", "the file ends between CID and block", || cut(36)),
    breakage(("B5", Truncated), "end_inside_block", "the file ends inside a block", || cut(50)),
    breakage(("B5", Truncated), "end_one_byte_early", "the last byte is absent", || {
        car_case(|_, car| {
            let last = car.sections.len() - 1;
            car.sections[last].data.pop();
            Some(car.offsets()[last])
        })
    }),
    breakage(
        ("B9", Missing),
        "end_between_sections",
        "the file ends after a whole section",
        || {
            car_case(|_, car| {
                car.sections.truncate(CHANGED);
                None
            })
        },
    ),
    breakage(("B9", Missing), "end_after_header", "no sections", || {
        car_case(|_, car| {
            car.sections.clear();
            None
        })
    }),
    breakage(("B4", Mismatch), "hash_of_commit", "a bit flipped in the commit's signature", || {
        at(0, |section| section.data[70] ^= 1)
    }),
    breakage(("B4", Mismatch), "hash_of_root", "a bit flipped in the root node", || {
        at(1, |section| section.data[10] ^= 1)
    }),
    breakage(("B4", Mismatch), "hash_of_node", "a bit flipped in a node", || {
        at(CHANGED, |section| section.data[3] ^= 1)
    }),
    breakage(("B4", Mismatch), "hash_of_record", "a bit flipped in a record", || {
        car_case(|repo, car| {
            let index = car.index_of(&repo.entries()[6].1);
            car.sections[index].data[9] ^= 0x20;
            Some(car.offsets()[index])
        })
    }),
    breakage(
        ("B4", Mismatch),
        "hash_of_stray",
        "a block that nothing reaches and that does not fit its CID",
        || raw(&section(Cid::raw(b"one").as_bytes(), b"two")),
    ),
    breakage(("B4", Mismatch), "hash_of_second_copy", "a node again, with other bytes", || {
        car_case(|_, car| {
            let mut copy = car.sections[CHANGED].clone();
            copy.data[3] ^= 1;
            car.sections.push(copy);
            car.offsets().last().copied()
        })
    }),
    breakage(("B4", Mismatch), "hashes_swapped", "the CIDs of two records exchanged", || {
        car_case(|repo, car| {
            let records = [2, 4].map(|entry| car.index_of(&repo.entries()[entry].1));
            let cid = std::mem::take(&mut car.sections[records[0]].cid);
            car.sections[records[0]].cid =
                std::mem::replace(&mut car.sections[records[1]].cid, cid);
            let first = records[0].min(records[1]);
            Some(car.offsets()[first])
        })
    }),
    breakage(
        ("B11", Malformed),
        "trailing_garbage",
        "text after the last section, whose first byte says a length below that of a CID",
        || trailing(b"\n-- end --\n"),
    ),
    breakage(
        ("B11", Malformed),
        "trailing_garbage_long",
        "much text after the last section",
        || trailing(&b"garbage ".repeat(64)),
    ),
    breakage(("B11", Malformed), "trailing_second_car", "the whole CAR twice", || {
        let car = super::sample().to_bytes(crate::repo::Order::Preorder);
        trailing(&car)
    }),
    breakage(("H8", Missing), "commit_absent", "no block of the commit", || {
        absent(|repo| repo.commit_cid())
    }),
    breakage(("B9", Missing), "root_absent", "no block of the root node", || {
        absent(|repo| repo.root.cid())
    }),
    breakage(("B9", Missing), "node_absent", "no block of an inner node", || {
        absent(|repo| repo.root.blocks()[1].0)
    }),
    breakage(("B9", Missing), "empty_node_absent", "no block of a node without entries", || {
        absent(|repo| repo.root.blocks()[5].0)
    }),
    breakage(("B9", Missing), "leaf_absent", "no block of a node at the bottom", || {
        absent(|repo| repo.root.blocks()[3].0)
    }),
    breakage(("B9", Missing), "last_node_absent", "no block of the last node", || {
        absent(|repo| repo.root.blocks()[9].0)
    }),
    breakage(("B9", Missing), "record_absent", "no block of a record", || {
        absent(|repo| repo.entries()[5].1)
    }),
    breakage(("B9", Missing), "first_record_absent", "no block of the first record", || {
        absent(|repo| repo.entries()[0].1)
    }),
    breakage(("B9", Missing), "last_record_absent", "no block of the last record", || {
        absent(|repo| repo.entries()[10].1)
    }),
];

fn payload(section: &Section) -> u64 {
    (section.cid.len() + section.data.len()) as u64
}

fn at(index: usize, change: impl FnOnce(&mut Section)) -> Case {
    car_case(|_, car| {
        change(&mut car.sections[index]);
        Some(car.offsets()[index])
    })
}

/// Replaces a section by bytes.
fn raw(bytes: &[u8]) -> Case {
    car_case(|_, car| insert(car, bytes))
}

fn insert(car: &mut Car, bytes: &[u8]) -> Option<usize> {
    let section = Section { length: Vec::new(), cid: Vec::new(), data: bytes.to_vec() };
    car.sections.insert(CHANGED, section);
    Some(car.offsets()[CHANGED])
}

fn stray(change: impl FnOnce(&[u8; 36]) -> Vec<u8>) -> Case {
    let block = b"a block that nothing reaches, and longer than any CID";
    raw(&section(&change(Cid::raw(block).as_bytes()), block))
}

fn stray_byte(index: usize, byte: u8) -> Case {
    stray(|cid| {
        let mut cid = *cid;
        cid[index] = byte;
        cid.to_vec()
    })
}

fn trailing(bytes: &[u8]) -> Case {
    car_case(|_, car| {
        let end = car.to_bytes().len();
        car.trailing = bytes.to_vec();
        Some(end)
    })
}

/// Ends the file some bytes after the length of the last section.
fn cut(len: usize) -> Case {
    car_case(|_, car| {
        let last = car.sections.last_mut().expect("the sample has sections");
        last.data.truncate(len.saturating_sub(36));
        last.cid.truncate(len);
        car.offsets().last().copied()
    })
}

fn absent(block: impl FnOnce(&crate::repo::Repo) -> Cid) -> Case {
    let mut cid = None;
    let case = car_case(|repo, car| {
        let absent = block(repo);
        car.remove(&absent);
        cid = Some(absent);
        None
    });
    Case { cid, ..case }
}
