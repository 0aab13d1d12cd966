//! Identifier syntax: DIDs, TIDs, NSIDs and record keys.
//!
//! Each function checks a whole string in time linear in its length, and allocates nothing.

const MAX_DID_LEN: usize = 2048;
const MAX_NSID_LEN: usize = 317;
const MAX_SEGMENT_LEN: usize = 63;
const MAX_RECORD_KEY_LEN: usize = 512;

/// Returns whether `text` is a DID of at most 2,048 bytes: see [the
/// specification](https://atproto.com/specs/did#at-protocol-did-identifier-syntax).
///
/// Percent-encoding and the rules of the DID's method are not checked.
///
/// # Examples
///
/// ```
/// assert!(carwalk::syntax::is_did("did:plc:7iza6de2dwap2sbkpav7c6c6"));
/// assert!(!carwalk::syntax::is_did("did:plc:"));
/// assert!(!carwalk::syntax::is_did("DID:plc:7iza6de2dwap2sbkpav7c6c6"));
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

/// Returns whether `text` is a TID: 13 characters of `2-7` and `a-z`, of which the first is at most
/// `j`. See [the specification](https://atproto.com/specs/tid#tid-syntax).
///
/// # Examples
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

/// Returns the time in a TID, in microseconds since 1970, or `None` if `text` is not a TID. At most
/// 2^54 - 1, in the year 2540.
///
/// See [the specification](https://atproto.com/specs/tid#tid-layout). The author of the TID chose
/// the time, and nothing proves it.
///
/// # Examples
///
/// ```
/// use carwalk::syntax::tid_micros;
///
/// // 2024-09-21T08:00:00Z
/// assert_eq!(tid_micros("3l4nm7hmk2222"), Some(1_726_905_600_000_000));
/// assert_eq!(tid_micros("self"), None);
/// ```
#[must_use]
pub fn tid_micros(text: &str) -> Option<u64> {
    if !is_tid(text) {
        return None;
    }
    let number = text.bytes().fold(0, |number: u64, digit| number << 5 | tid_digit(digit));
    // The lower 10 bits are the number of the clock.
    Some(number >> 10)
}

/// Returns the value of a digit of a TID.
fn tid_digit(digit: u8) -> u64 {
    debug_assert!(matches!(digit, b'2'..=b'7' | b'a'..=b'z'), "not a digit of a TID");
    // `2` to `7` are 0 to 5, then come the letters.
    u64::from(if digit < b'a' { digit.wrapping_sub(b'2') } else { digit.wrapping_sub(b'a' - 6) })
}

/// Returns whether `text` is an NSID: see [the
/// specification](https://atproto.com/specs/nsid#nsid-syntax).
///
/// The NSID has at most 317 characters, and each segment at most 63. The specification also limits
/// the authority, all segments but the last, to 253 characters. That is not checked, because the
/// protocol's interoperability tests accept longer ones.
///
/// # Examples
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

/// Returns whether `text` is an NSID in normalized form: one whose authority, all segments but the
/// last, is in lower case.
///
/// # Examples
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

/// Returns whether `text` is a record key: 1 to 512 characters of `A-Z a-z 0-9 . - _ : ~`, but not
/// `.` or `..`. See [the specification](https://atproto.com/specs/record-key#record-key-syntax).
///
/// # Examples
///
/// ```
/// assert!(carwalk::syntax::is_record_key("3jui7kd54zh2y"));
/// assert!(!carwalk::syntax::is_record_key(".."));
/// ```
#[must_use]
pub fn is_record_key(text: &str) -> bool {
    (1..=MAX_RECORD_KEY_LEN).contains(&text.len())
        && text.bytes().fold(true, |is_key, byte| is_key & is_record_key_byte(byte))
        && text != "."
        && text != ".."
}

/// Returns whether record keys may have a byte. A repo path has only these bytes and its slash.
#[inline]
pub(crate) const fn is_record_key_byte(byte: u8) -> bool {
    // Letters, `b'-'..=b':'` without the slash, `b'_'` and `b'~'`. Without branches, because every
    // byte of every record's path is checked.
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_digit_or_mark = byte.wrapping_sub(b'-') <= b':'.wrapping_sub(b'-') && byte != b'/';
    is_letter | is_digit_or_mark | (byte == b'_') | (byte == b'~')
}
