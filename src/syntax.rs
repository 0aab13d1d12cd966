//! Identifier syntax: DIDs, TIDs, NSIDs and record keys.
//!
//! Each function answers for the whole string and costs one pass over it.

const MAX_DID_LEN: usize = 2048;
const MAX_NSID_LEN: usize = 317;
const MAX_SEGMENT_LEN: usize = 63;
const MAX_RECORD_KEY_LEN: usize = 512;

/// True if `text` is a DID, see [the
/// specification](https://atproto.com/specs/did#at-protocol-did-identifier-syntax).
///
/// Percent signs need not begin a valid escape, and no method's own rules are applied.
///
/// ```
/// assert!(carwalk::syntax::is_did("did:plc:7iza6de2dwap2sbkpav7c6c6"));
/// assert!(!carwalk::syntax::is_did("did:plc:"));
/// ```
#[must_use]
pub fn is_did(text: &str) -> bool {
    let Some((method, id)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    text.len() <= MAX_DID_LEN
        && !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_lowercase())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte))
        && id.bytes().last().is_some_and(|byte| byte != b':' && byte != b'%')
}

/// True if `text` is a TID, see [the specification](https://atproto.com/specs/tid#tid-syntax): 13
/// sortable base32 characters whose top bit is zero.
///
/// ```
/// assert!(carwalk::syntax::is_tid("3jzfcijpj2z2a"));
/// assert!(!carwalk::syntax::is_tid("zzzzzzzzzzzzz"));
/// ```
#[must_use]
pub fn is_tid(text: &str) -> bool {
    let digit = |byte| matches!(byte, b'2'..=b'7' | b'a'..=b'z');
    text.len() == 13
        && text.bytes().all(digit)
        && text.bytes().next().is_some_and(|first| first <= b'j')
}

/// True if `text` is an NSID, see [the specification](https://atproto.com/specs/nsid#nsid-syntax).
///
/// The specification has a limit for the authority too, all segments but the last: 253 characters.
/// The interop tests do not, so it is not held to here; the limit of the whole, 317, is.
///
/// ```
/// assert!(carwalk::syntax::is_nsid("app.bsky.feed.post"));
/// assert!(!carwalk::syntax::is_nsid("example.com"));
/// ```
#[must_use]
pub fn is_nsid(text: &str) -> bool {
    let Some((authority, name)) = text.rsplit_once('.') else {
        return false;
    };
    text.len() <= MAX_NSID_LEN
        && authority.contains('.')
        && authority.split('.').all(is_domain_segment)
        && !authority.starts_with(|first: char| first.is_ascii_digit())
        && (1..=MAX_SEGMENT_LEN).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

fn is_domain_segment(segment: &str) -> bool {
    (1..=MAX_SEGMENT_LEN).contains(&segment.len())
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !segment.starts_with('-')
        && !segment.ends_with('-')
}

/// True if `text` is an NSID in normalized form: its authority, all but the last segment, is in
/// lower case.
///
/// ```
/// assert!(carwalk::syntax::is_normalized_nsid("app.bsky.feed.postGate"));
/// assert!(!carwalk::syntax::is_normalized_nsid("app.Bsky.feed.post"));
/// ```
#[must_use]
pub fn is_normalized_nsid(text: &str) -> bool {
    let authority = text.rsplit_once('.').map_or("", |(authority, _)| authority);
    is_nsid(text) && !authority.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// True if `text` is a record key, see [the
/// specification](https://atproto.com/specs/record-key#record-key-syntax).
///
/// ```
/// assert!(carwalk::syntax::is_record_key("3jui7kd54zh2y"));
/// assert!(!carwalk::syntax::is_record_key(".."));
/// ```
#[must_use]
pub fn is_record_key(text: &str) -> bool {
    (1..=MAX_RECORD_KEY_LEN).contains(&text.len())
        && text.bytes().all(is_record_key_byte)
        && text != "."
        && text != ".."
}

/// The characters of record keys, which are all that a repo path has besides its slash.
#[inline]
pub(crate) const fn is_record_key_byte(byte: u8) -> bool {
    // `b'-'..=b':'` but the slash, `b'_'` and `b'~'` are all that is no letter. No branches: this
    // is the hot one.
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_digit_or_mark = byte.wrapping_sub(b'-') <= b':'.wrapping_sub(b'-') && byte != b'/';
    is_letter | is_digit_or_mark | (byte == b'_') | (byte == b'~')
}
