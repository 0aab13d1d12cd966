//! Content identifiers in the one form that atproto has.
//!
//! ```text
//! 01       71 | 55        12 20        32 bytes
//! version  codec          sha2-256     digest
//!          dag-cbor|raw   of 32 bytes
//! ```
//!
//! Other forms are errors, see "CID Formats" in the
//! [data model](https://atproto.com/specs/data-model#link-and-cid-formats).

#[cfg(feature = "serde")]
mod serde;

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, Malformed, Result};
use crate::sha256::sha256;

/// Length of a CID's bytes.
pub const LEN: usize = 36;

/// Length of a CID's text: `b` and 58 characters of base32.
pub const TEXT_LEN: usize = 59;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The codec of a block, as its CID names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the data model closes the list")]
pub enum Codec {
    /// Opaque bytes, 0x55.
    Raw,
    /// DAG-CBOR, 0x71.
    DagCbor,
}

/// A CID of version 1 with a SHA-256 digest and codec raw or dag-cbor: 36 bytes, `Copy`.
///
/// Displays as text in base32 and parses from it. The order is that of the bytes.
///
/// With the feature `serde` it is serialized as a link: `{"$link": "b.."}` in human-readable
/// formats, tag 42 in DAG-CBOR, 36 bytes in other binary formats. CIDs stored as text, such as the
/// `cid` of a strong reference, deserialize into a `String`, which can be parsed.
///
/// ```
/// use carwalk::Cid;
///
/// let cid: Cid = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm".parse()?;
/// assert!(cid.verify(b"\xa2\x61\x65\x80\x61\x6c\xf6").is_ok());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid([u8; LEN]);

impl Cid {
    /// Parses the 36 bytes of a CID.
    ///
    /// # Errors
    ///
    /// `Malformed` for any other length, version, codec, hash function or digest length.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes(bytes).ok_or_else(|| Error::malformed(fault(bytes)))
    }

    /// Parses the 36 bytes without an error, which would be allocated.
    pub(crate) fn parse_or_fault(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_bytes(bytes).ok_or_else(|| fault(bytes))
    }

    #[inline]
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.first_chunk() {
            // Compared as one number: of four bytes, each would be copied alone.
            Some(prefix) if matches!(u32::from_be_bytes(*prefix), 0x0155_1220 | 0x0171_1220) => {
                <[u8; LEN]>::try_from(bytes).map(Cid).ok()
            }
            _ => None,
        }
    }

    /// The CID that `block` has under `codec`: one SHA-256 over the block.
    #[must_use]
    pub fn of(codec: Codec, block: &[u8]) -> Self {
        let codec = match codec {
            Codec::Raw => 0x55,
            Codec::DagCbor => 0x71,
        };
        Self::from_parts(codec, &sha256(block))
    }

    fn from_parts(codec: u8, digest: &[u8; 32]) -> Self {
        let mut bytes = [0; LEN];
        let (prefix, rest) = bytes.split_at_mut(4);
        prefix.copy_from_slice(&[0x01, codec, 0x12, 0x20]);
        rest.copy_from_slice(digest);
        Cid(bytes)
    }

    /// Checks that `block` hashes to this CID: one SHA-256 over the block.
    ///
    /// # Errors
    ///
    /// `HashMismatch`, with the CID that the block has.
    #[inline]
    pub fn verify(&self, block: &[u8]) -> Result<()> {
        self.verify_digest(&sha256(block))
    }

    /// Checks that a block with this digest hashes to this CID.
    #[inline]
    pub(crate) fn verify_digest(&self, digest: &[u8; 32]) -> Result<()> {
        if self.digest() == digest { Ok(()) } else { Err(self.mismatch(digest)) }
    }

    #[cold]
    fn mismatch(&self, digest: &[u8; 32]) -> Error {
        let found = Self::from_parts(self.codec_byte(), digest);
        Error::new(crate::ErrorKind::HashMismatch { found }).of_cid(*self)
    }

    /// The codec of the block.
    #[must_use]
    pub fn codec(&self) -> Codec {
        if self.codec_byte() == 0x55 { Codec::Raw } else { Codec::DagCbor }
    }

    fn codec_byte(&self) -> u8 {
        let [_, codec, ..] = self.0;
        codec
    }

    /// The SHA-256 digest of the block.
    #[must_use]
    #[inline]
    pub fn digest(&self) -> &[u8; 32] {
        let [_, _, _, _, digest @ ..] = &self.0;
        digest
    }

    /// The 36 bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// The text: `b` and 58 characters of base32. Allocates nothing.
    #[must_use]
    pub fn to_text(&self) -> CidText {
        let mut text = [b'b'; TEXT_LEN];
        let (_, digits) = text.split_at_mut(1);
        for (bytes, digits) in self.0.chunks(5).zip(digits.chunks_mut(8)) {
            // Five bytes are eight digits; the next one always stands in the upper bits.
            let mut word = [0; 8];
            word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            let mut bits = u64::from_be_bytes(word);
            for digit in digits {
                let [upper, ..] = bits.to_be_bytes();
                *digit = ALPHABET.get(usize::from(upper >> 3)).copied().unwrap_or(b'?');
                bits <<= 5;
            }
        }
        CidText(text)
    }

    /// This CID, if its codec is dag-cbor, as links to commits and nodes must be.
    pub(crate) fn into_dag_cbor(self) -> Result<Self> {
        match self.codec() {
            Codec::DagCbor => Ok(self),
            Codec::Raw => Err(Error::malformed(Malformed::CidCodec {
                found: 0x55,
                expected: "0x71 (dag-cbor)",
            })),
        }
    }
}

/// The text of a [`Cid`]. Its order is that of the text, which is not that of the bytes: digits
/// come before letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CidText([u8; TEXT_LEN]);

impl CidText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text as bytes, all of them ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; TEXT_LEN] {
        &self.0
    }
}

impl fmt::Display for CidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for CidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What keeps `bytes` from being a CID of the one form.
#[cold]
fn fault(bytes: &[u8]) -> Malformed {
    match *bytes {
        [0x12, 0x20, ..] => Malformed::CidVersion0,
        [0x01, 0x55 | 0x71, 0x12, 0x20, ..] => Malformed::CidLen { found: bytes.len() },
        [0x01, 0x55 | 0x71, 0x12, found, ..] => Malformed::CidDigestLen { found },
        [0x01, 0x55 | 0x71, found, ..] => Malformed::CidHash { found },
        [0x01, found, ..] if found != 0x55 && found != 0x71 => {
            Malformed::CidCodec { found, expected: "0x71 (dag-cbor) or 0x55 (raw)" }
        }
        [found, ..] if found != 0x01 => Malformed::CidVersion { found },
        _ => Malformed::CidLen { found: bytes.len() },
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_text().as_str())
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

impl TryFrom<&[u8]> for Cid {
    type Error = Error;

    /// Parses the 36 bytes of a CID: see [`Cid::parse`].
    fn try_from(bytes: &[u8]) -> Result<Self> {
        Cid::parse(bytes)
    }
}

impl AsRef<[u8]> for Cid {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Cid {
    type Err = Error;

    /// Parses the text in lower-case base32.
    ///
    /// # Errors
    ///
    /// `Malformed` if the text has another length or alphabet, if bits that mean nothing are set,
    /// or if the bytes are not those of a CID of the one form. The error repeats the text, at most
    /// 256 bytes of it.
    fn from_str(text: &str) -> Result<Self> {
        Cid::parse_text(text).map_err(|error| error.of_text(text))
    }
}

impl Cid {
    fn parse_text(text: &str) -> Result<Self> {
        let cid_text = || Error::malformed(Malformed::CidText);
        let digits =
            text.strip_prefix('b').filter(|_| text.len() == TEXT_LEN).ok_or_else(cid_text)?;
        let mut bytes = [0; LEN];
        let mut places = bytes.iter_mut();
        let (mut bits, mut held) = (0u16, 0u32);
        for digit in digits.bytes() {
            let value = match digit {
                b'a'..=b'z' => digit.wrapping_sub(b'a'),
                b'2'..=b'7' => digit.wrapping_sub(b'2').wrapping_add(26),
                _ => return Err(cid_text()),
            };
            bits = bits << 5 | u16::from(value);
            held = held.saturating_add(5);
            if held >= 8 {
                held = held.saturating_sub(8);
                let [_, byte] = (bits >> held).to_be_bytes();
                if let Some(place) = places.next() {
                    *place = byte;
                }
            }
        }
        if bits & 0b11 != 0 {
            return Err(cid_text());
        }
        Self::parse(&bytes)
    }
}

impl From<Cid> for cid::Cid {
    fn from(cid: Cid) -> Self {
        cid::Cid::new_v1(u64::from(cid.codec_byte()), cid.into())
    }
}

impl TryFrom<&cid::Cid> for Cid {
    type Error = Error;

    fn try_from(cid: &cid::Cid) -> Result<Self> {
        let mut bytes = [0; 4 * LEN];
        let mut rest = &mut bytes[..];
        let len = cid
            .write_bytes(&mut rest)
            .map_err(|_| Error::malformed(Malformed::CidLen { found: cid.encoded_len() }))?;
        Self::parse(bytes.get(..len).unwrap_or_default())
    }
}

impl TryFrom<cid::Cid> for Cid {
    type Error = Error;

    fn try_from(cid: cid::Cid) -> Result<Self> {
        Cid::try_from(&cid)
    }
}

impl From<Cid> for multihash::Multihash<64> {
    fn from(cid: Cid) -> Self {
        // A digest of 32 bytes always fits into 64.
        multihash::Multihash::wrap(0x12, cid.digest()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const EMPTY_NODE: &[u8] = b"\xa2\x61\x65\x80\x61\x6c\xf6";
    const TEXT: &str = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";

    fn reason(bytes: &[u8]) -> Malformed {
        match Cid::parse(bytes).unwrap_err().kind() {
            ErrorKind::Malformed(reason) => *reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_and_bytes_agree() {
        let cid = Cid::of(Codec::DagCbor, EMPTY_NODE);
        assert_eq!(cid.to_string(), TEXT);
        assert_eq!(TEXT.parse::<Cid>().unwrap(), cid);
        assert_eq!(Cid::parse(cid.as_bytes()).unwrap(), cid);
        assert!(Cid::of(Codec::Raw, b"").to_string().starts_with("bafkrei"));
    }

    #[test]
    fn errors_repeat_the_text_that_is_no_cid() {
        let text = |text: &str| text.parse::<Cid>().unwrap_err().to_string();
        assert!(text("bafy\n").ends_with(r#", text "bafy\n""#), "{}", text("bafy\n"));
        let almost = TEXT.replace("hpm", "hpn");
        assert!(text(&almost).ends_with(&format!(r#", text "{almost}""#)), "{}", text(&almost));
        let long = "b".repeat(1 << 20).parse::<Cid>().unwrap_err();
        assert_eq!(long.key().unwrap().len(), 256);
    }

    #[test]
    fn texts_with_stray_bits_or_letters_are_refused() {
        let stray = TEXT.replace("hpm", "hpn");
        for text in [
            "",
            "b",
            TEXT.trim_start_matches('b'),
            &TEXT.to_uppercase(),
            &stray,
            &format!("{TEXT}a"),
        ] {
            assert!(text.parse::<Cid>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_changed_block_is_a_mismatch_that_names_both() {
        let cid = Cid::of(Codec::Raw, b"a");
        assert!(cid.verify(b"a").is_ok());
        let error = cid.verify(b"b").unwrap_err();
        assert_eq!(error.cid(), Some(&cid));
        assert!(
            matches!(error.kind(), ErrorKind::HashMismatch { found } if *found == Cid::of(Codec::Raw, b"b"))
        );
    }

    #[test]
    fn each_other_form_has_its_reason() {
        let good = *Cid::of(Codec::DagCbor, b"").as_bytes();
        let with = |at: usize, byte: u8| {
            let mut bytes = good;
            bytes[at] = byte;
            bytes
        };
        assert_eq!(reason(&with(0, 2)), Malformed::CidVersion { found: 2 });
        assert!(matches!(reason(&with(1, 0x70)), Malformed::CidCodec { found: 0x70, .. }));
        assert_eq!(reason(&with(2, 0x1e)), Malformed::CidHash { found: 0x1e });
        assert_eq!(reason(&with(3, 0x14)), Malformed::CidDigestLen { found: 0x14 });
        assert_eq!(reason(&good[2..]), Malformed::CidVersion0);
        assert_eq!(reason(&good[..35]), Malformed::CidLen { found: 35 });
        assert_eq!(reason(&[]), Malformed::CidLen { found: 0 });
    }

    #[test]
    fn the_cid_crate_agrees() {
        let ours = Cid::of(Codec::DagCbor, EMPTY_NODE);
        let theirs = cid::Cid::from(ours);
        assert_eq!(Cid::try_from(&theirs).unwrap(), ours);
        let foreign = cid::Cid::new_v1(0x70, *theirs.hash());
        assert!(Cid::try_from(&foreign).is_err());
    }
}
