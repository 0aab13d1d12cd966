//! What a block probably is, judged by its first bytes. Only "not a node" is certain.

#[cfg(feature = "redb")]
use crate::cbor::Cursor;
use crate::cid::{Cid, Codec};

/// The first bytes of every tree node: a map of two fields, the first of which is `e`.
const NODE_START: &[u8; 3] = b"\xa2\x61e";

/// Returns whether a block begins like a tree node.
#[inline]
pub(crate) fn begins_like_node(block: &[u8]) -> bool {
    block.starts_with(NODE_START)
}

/// Returns whether a block can be a tree node. If not, no link to it can lead to a valid node.
#[inline]
pub(crate) fn may_be_node(cid: &Cid, block: &[u8]) -> bool {
    cid.codec() == Codec::DagCbor && begins_like_node(block)
}

/// Returns the collection that a block probably belongs to: the `$type` of a record, or the
/// collection in the first key of a node.
#[cfg(feature = "redb")]
pub(crate) fn collection(block: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(block);
    match cursor.map().ok()? {
        2 if cursor.accept(b"\x61e") => collection_of_node(cursor),
        fields => collection_of_record(cursor, fields),
    }
}

#[cfg(feature = "redb")]
fn collection_of_node(mut cursor: Cursor<'_>) -> Option<&[u8]> {
    let has_entries =
        cursor.array().ok()? > 0 && cursor.map().ok()? == 4 && cursor.accept(b"\x61k");
    let key = if has_entries { cursor.bytes().ok()? } else { return None };
    key.split(|&byte| byte == b'/').next()
}

/// The keys of a DAG-CBOR map ascend by length, so a key longer than `$type` ends the search.
#[cfg(feature = "redb")]
fn collection_of_record(mut cursor: Cursor<'_>, fields: usize) -> Option<&[u8]> {
    for _ in 0..fields {
        if cursor.accept(b"\x65$type") {
            return cursor.unchecked_text().ok();
        }
        if cursor.unchecked_text().ok()?.len() > "$type".len() {
            return None;
        }
        // Most values before `$type` are texts, which are cheaper to skip than an unknown item.
        let before = cursor;
        if cursor.unchecked_text().is_err() {
            cursor = before;
            cursor.skip().ok()?;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "redb")]
    fn a_record_tells_its_collection_by_its_type_and_a_node_by_its_first_key() {
        let record = b"\xa3\x64text\x82\x01\xa1\x65$type\x61x\x65$type\x63a.b\x66zzzzzz\x01";
        assert_eq!(collection(record), Some(&b"a.b"[..]));
        let node = b"\xa2\x61e\x81\xa4\x61k\x46a.b/cd\x61p\x00";
        assert_eq!(collection(node), Some(&b"a.b"[..]));
        let others: [&[u8]; 5] =
            [b"", b"\xa0", b"\xa2\x61e\x80\x61l\xf6", b"\xa1\x66a$type\x61x", b"\xa1\x65$type\x01"];
        for block in others {
            assert_eq!(collection(block), None, "{block:x?}");
        }
    }

    #[test]
    fn a_block_of_another_codec_is_no_node() {
        let block = b"\xa2\x61e\x80\x61l\xf6";
        assert!(begins_like_node(block) && !begins_like_node(&block[1..]));
        assert!(may_be_node(&Cid::of(Codec::DagCbor, block), block));
        assert!(!may_be_node(&Cid::of(Codec::Raw, block), block));
    }
}
