//! The beginning of a CAR header: its length, the head of its map, and the first key. Tells damaged
//! and truncated CARs from files that are something else.

use std::ops::RangeInclusive;

use carwalk::varint;

/// The key `roots`, which every header has, with its CBOR head.
pub const ROOTS_KEY: &[u8] = b"eroots";

const VERSION_KEY: &[u8] = b"gversion";

/// Longest accepted prefix of the header's length, in bytes: with 4, the header would have 2 MiB or
/// more.
const MAX_PREFIX: usize = 3;

/// The heads of maps with 1 to 23 fields.
const MAPS: RangeInclusive<u8> = 0xa1..=0xb7;

/// Fewest bytes that identify a header: with a length of one byte, they have the whole first key.
const LEAST_LEN: usize = 8;

/// Returns whether bytes begin like a CAR. At least 8 bytes are needed.
///
/// # Examples
///
/// ```
/// use carwalk_batch::header::begins_like_car;
///
/// assert!(begins_like_car(b"\x3a\xa2eroots\x81"));
/// assert!(!begins_like_car(b"upstream connect error"));
/// ```
#[must_use]
pub fn begins_like_car(bytes: &[u8]) -> bool {
    bytes.len() >= LEAST_LEN && may_be_header(bytes)
}

/// Returns whether bytes are the beginning of a header, as far as they go.
///
/// # Examples
///
/// ```
/// use carwalk_batch::header::may_be_header;
///
/// assert!(may_be_header(b"\x3a\xa2er"));
/// assert!(!may_be_header(b"Not Found"));
/// ```
#[must_use]
pub fn may_be_header(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(prefix, map)| prefix <= MAX_PREFIX && has_known_key(map))
}

/// Returns whether bytes are the beginning of a header that is longer than accepted, as far as they
/// go. Its first key may be another one; if its length has a longer prefix, only a known one.
pub(crate) fn may_be_long_header(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(prefix, map)| {
        has_known_key(map) || (prefix <= MAX_PREFIX && has_text_key(map))
    })
}

/// Returns the length of the prefix, and what follows it.
fn split(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let prefix = varint::decode(bytes).ok()?.map_or(bytes.len(), |(_, prefix)| prefix);
    Some((prefix, bytes.get(prefix..)?))
}

fn has_known_key(map: &[u8]) -> bool {
    let begins = |map: &[u8], key: &[u8]| {
        let len = map.len().min(key.len());
        map.get(..len) == key.get(..len)
    };
    map.split_first().is_none_or(|(head, rest)| {
        MAPS.contains(head) && (begins(rest, ROOTS_KEY) || begins(rest, VERSION_KEY))
    })
}

fn has_text_key(map: &[u8]) -> bool {
    let is_text = |head: &u8| head >> 5 == 3;
    map.split_first()
        .is_none_or(|(head, rest)| MAPS.contains(head) && rest.first().is_none_or(is_text))
}

/// Returns the length of the header or section at the beginning of `bytes`, and the length of its
/// prefix, which is included.
///
/// # Examples
///
/// ```
/// use carwalk_batch::header::lengths;
///
/// assert_eq!(lengths(b"\x3a\xa2eroots"), Some((59, 1)));
/// ```
#[must_use]
pub fn lengths(bytes: &[u8]) -> Option<(u64, usize)> {
    let (len, prefix) = varint::decode(bytes).ok()??;
    Some((len.checked_add(prefix as u64)?, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_known_by_their_first_bytes() {
        for prefix in [&b"\x3a"[..], b"\x88\x01", b"\x80\x80\x40"] {
            for map in [&b"\xa2eroots\x80gversion\x01"[..], b"\xa2gversion\x01eroots\x80"] {
                let bytes = [prefix, map].concat();
                assert!(begins_like_car(&bytes) && begins_like_car(&bytes[..LEAST_LEN]));
                assert!((0..bytes.len()).all(|len| may_be_header(&bytes[..len])));
                assert!(!begins_like_car(&bytes[..LEAST_LEN - 1]));
            }
        }
        for other in [&b"\xa2eroots\x80"[..], b"\x3a\x82eroots\x80", b"\x80\x80\x80\x01\xa2eroots"]
        {
            assert!(!begins_like_car(other), "{other:x?}");
        }
        assert!(may_be_long_header(b"\x80\x80\x80\x01\xa2eroots"));
        assert!(may_be_long_header(b"\xff\xff\x7f\xa2aa"));
        for other in [&b"\x80\x80\x80\x01\x82eroots"[..], b"\xff\xff\x7f\xa2\x01", &[0x80; 12]] {
            assert!(!may_be_long_header(other), "{other:x?}");
        }
    }

    #[test]
    fn lengths_are_read_with_their_prefix() {
        assert_eq!(lengths(b"\x3a\xa2"), Some((59, 1)));
        assert_eq!(lengths(b"\x80\x01"), Some((130, 2)));
        assert_eq!(lengths(b""), None);
        assert_eq!(lengths(&[0x80; 20]), None);
    }
}
