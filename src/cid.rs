//! Content identifiers (CIDs) in the one form that the AT Protocol has.
//!
//! ```text
//! 01       71 | 55        12 20        32 bytes
//! version  codec          sha2-256     digest
//!          dag-cbor|raw   of 32 bytes
//! ```
//!
//! Other forms are errors: see "Link and CID Formats" in the [data
//! model](https://atproto.com/specs/data-model#link-and-cid-formats).

#[cfg(feature = "serde")]
mod serde;

use core::fmt;
use core::str::FromStr;

use crate::error::{Error, Malformed, Result};
use crate::sha256::sha256;

/// Length of a CID, in bytes.
pub const LEN: usize = 36;

/// Length of a CID's text, in bytes: `b` and 58 characters of base32.
pub const TEXT_LEN: usize = 59;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The codec of a block, which its CID names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the data model closes the list")]
pub enum Codec {
    /// Opaque bytes: 0x55, the codec of blobs.
    Raw,
    /// DAG-CBOR: 0x71, the codec of commits, nodes and records.
    DagCbor,
}

/// A CID of version 1 with a SHA-256 digest and codec raw or dag-cbor: 36 bytes, `Copy`.
///
/// Displays as text in base32 and parses from it. Ordered by its bytes.
///
/// With the feature `serde` it is serialized as a link: `{"$link": "b.."}` in human-readable
/// formats, tag 42 in DAG-CBOR, 36 bytes in other binary formats. CIDs stored as text, such as the
/// `cid` of a strong reference, deserialize into a `String`, which can be parsed.
///
/// # Examples
///
/// ```
/// use carwalk::Cid;
/// use carwalk::cid::Codec;
///
/// let cid: Cid = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm".parse()?;
/// assert_eq!(cid.codec(), Codec::DagCbor);
/// // {"e": [], "l": null}, the only node of an empty repository.
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
    /// `Malformed`, with the first deviation:
    ///
    /// - `CidVersion0`, `CidVersion`: another version than 1
    /// - `CidCodec`: another codec than raw or dag-cbor
    /// - `CidHash`: another hash function than SHA-256
    /// - `CidDigestLen`: another digest length than 32
    /// - `CidLen`: fewer or more than 36 bytes
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Cid;
    /// use carwalk::cid::Codec;
    ///
    /// let bytes = [&[0x01, 0x55, 0x12, 0x20][..], &[0; 32]].concat();
    /// assert_eq!(Cid::parse(&bytes)?.codec(), Codec::Raw);
    ///
    /// let error = Cid::parse(&bytes[..35]).unwrap_err();
    /// assert_eq!(error.to_string(), "CID of 35 bytes, expected 36");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes(bytes).ok_or_else(|| Error::malformed(fault(bytes)))
    }

    /// Parses the 36 bytes without allocating an error.
    pub(crate) fn parse_or_fault(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_bytes(bytes).ok_or_else(|| fault(bytes))
    }

    #[inline]
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.first_chunk() {
            // As one number, because four bytes would be copied one by one.
            Some(prefix) if matches!(u32::from_be_bytes(*prefix), 0x0155_1220 | 0x0171_1220) => {
                <[u8; LEN]>::try_from(bytes).map(Cid).ok()
            }
            _ => None,
        }
    }

    /// Returns the CID of `block` with `codec`. Costs one SHA-256 over the block.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let cid = Cid::of(Codec::Raw, b"hello");
    /// let text = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq";
    /// assert_eq!(cid.to_string(), text);
    /// ```
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

    /// Checks that `block` hashes to this CID. Costs one SHA-256 over the block.
    ///
    /// # Errors
    ///
    /// `HashMismatch`, with the CID of the block, if it does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let cid = Cid::of(Codec::Raw, b"hello");
    /// cid.verify(b"hello")?;
    /// assert_eq!(cid.verify(b"Hello").unwrap_err().cid(), Some(&cid));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[inline]
    pub fn verify(&self, block: &[u8]) -> Result<()> {
        self.verify_digest(&sha256(block))
    }

    /// Checks that this CID has the digest of a block.
    #[inline]
    pub(crate) fn verify_digest(&self, digest: &[u8; 32]) -> Result<()> {
        if self.digest() == digest { Ok(()) } else { Err(self.mismatch(digest)) }
    }

    #[cold]
    fn mismatch(&self, digest: &[u8; 32]) -> Error {
        let found = Self::from_parts(self.codec_byte(), digest);
        Error::new(crate::ErrorKind::HashMismatch { found }).of_cid(*self)
    }

    /// Returns the codec of the block.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::Codec;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// assert_eq!(repo.commit().data().codec(), Codec::DagCbor);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn codec(&self) -> Codec {
        if self.codec_byte() == 0x55 { Codec::Raw } else { Codec::DagCbor }
    }

    fn codec_byte(&self) -> u8 {
        let [_, codec, ..] = self.0;
        codec
    }

    /// Returns the SHA-256 digest of the block: the last 32 bytes of the CID.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// // The SHA-256 of nothing.
    /// let cid = Cid::of(Codec::Raw, b"");
    /// assert!(cid.digest().starts_with(&[0xe3, 0xb0, 0xc4, 0x42]));
    /// ```
    #[must_use]
    #[inline]
    pub fn digest(&self) -> &[u8; 32] {
        let [_, _, _, _, digest @ ..] = &self.0;
        digest
    }

    /// Returns the 36 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let cid = Cid::of(Codec::DagCbor, b"\xa0");
    /// assert!(cid.as_bytes().starts_with(&[0x01, 0x71, 0x12, 0x20]));
    /// ```
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// Returns the text: `b` and 58 characters of base32. Does not allocate.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let text = Cid::of(Codec::DagCbor, b"\xa0").to_text();
    /// assert!(text.as_str().starts_with("bafyrei"));
    /// assert_eq!(text.as_bytes().len(), 59);
    /// ```
    #[must_use]
    pub fn to_text(&self) -> CidText {
        let mut text = [b'b'; TEXT_LEN];
        let (_, digits) = text.split_at_mut(1);
        for (bytes, digits) in self.0.chunks(5).zip(digits.chunks_mut(8)) {
            // Five bytes are eight digits. The next digit is always in the upper five bits.
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

    /// Returns this CID if its codec is dag-cbor, which links to commits and nodes require.
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

/// The text of a [`Cid`], returned by [`Cid::to_text`].
///
/// Ordered as text, which differs from the order of the bytes: digits come before letters.
///
/// # Examples
///
/// ```
/// use carwalk::cid::{Cid, Codec};
///
/// let cid = Cid::of(Codec::Raw, b"hello");
/// // Without an allocation.
/// assert!(cid.to_text().as_str().ends_with("c4yeq"));
/// assert_eq!(cid.to_text().as_bytes()[0], b'b');
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CidText([u8; TEXT_LEN]);

impl CidText {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the text as ASCII bytes.
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

/// Returns the first deviation of `bytes` from the one form of a CID.
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

    /// Parses the 36 bytes of a CID, as [`Cid::parse`] does.
    ///
    /// # Errors
    ///
    /// `Malformed` for another length, version, codec, hash function or digest length.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let cid = Cid::of(Codec::Raw, b"hello");
    /// let bytes: &[u8] = cid.as_ref();
    /// assert_eq!(Cid::try_from(bytes)?, cid);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn try_from(bytes: &[u8]) -> Result<Self> {
        Cid::parse(bytes)
    }
}

/// Borrows the 36 bytes.
impl AsRef<[u8]> for Cid {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Cid {
    type Err = Error;

    /// Parses the text of a CID: `b` and 58 characters of lower-case base32.
    ///
    /// # Errors
    ///
    /// `Malformed`, with at most 256 bytes of the text in [`Error::key`]:
    ///
    /// - `CidText`: another length or alphabet, or an unused bit that is not zero
    /// - the details of [`Cid::parse`]: another version, codec, hash function or digest length
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Cid;
    ///
    /// let text = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
    /// assert_eq!(text.parse::<Cid>()?.to_string(), text);
    /// assert!(text.to_uppercase().parse::<Cid>().is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
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

/// Converts into the type of the crate `cid`, version 0.11.
///
/// # Examples
///
/// ```
/// let text = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
/// let ours: carwalk::Cid = text.parse()?;
/// let theirs = cid::Cid::from(ours);
/// assert_eq!(theirs.to_string(), text);
/// # Ok::<(), carwalk::Error>(())
/// ```
impl From<Cid> for cid::Cid {
    fn from(cid: Cid) -> Self {
        cid::Cid::new_v1(u64::from(cid.codec_byte()), cid.into())
    }
}

/// Converts from the type of the crate `cid`, version 0.11.
///
/// # Examples
///
/// ```
/// let ours = carwalk::Cid::of(carwalk::cid::Codec::Raw, b"hello");
/// let theirs = cid::Cid::from(ours);
/// assert_eq!(carwalk::Cid::try_from(&theirs)?, ours);
///
/// // The same digest with the codec dag-pb.
/// let other = cid::Cid::new_v1(0x70, *theirs.hash());
/// assert!(carwalk::Cid::try_from(&other).is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
impl TryFrom<&cid::Cid> for Cid {
    type Error = Error;

    /// Converts a CID of the one form.
    ///
    /// # Errors
    ///
    /// `Malformed` for another length, version, codec, hash function or digest length.
    fn try_from(cid: &cid::Cid) -> Result<Self> {
        let mut bytes = [0; 4 * LEN];
        let mut rest = &mut bytes[..];
        let len = cid
            .write_bytes(&mut rest)
            .map_err(|_| Error::malformed(Malformed::CidLen { found: cid.encoded_len() }))?;
        Self::parse(bytes.get(..len).unwrap_or_default())
    }
}

/// Converts from the type of the crate `cid`, version 0.11.
impl TryFrom<cid::Cid> for Cid {
    type Error = Error;

    /// Converts a CID of the one form.
    ///
    /// # Errors
    ///
    /// `Malformed` for another length, version, codec, hash function or digest length.
    fn try_from(cid: cid::Cid) -> Result<Self> {
        Cid::try_from(&cid)
    }
}

/// Converts into the multihash of the block, of the crate `multihash`, version 0.19.
///
/// # Examples
///
/// ```
/// let cid = carwalk::Cid::of(carwalk::cid::Codec::Raw, b"hello");
/// let hash = multihash::Multihash::<64>::from(cid);
/// // 0x12 is SHA-256.
/// assert_eq!((hash.code(), hash.digest()), (0x12, &cid.digest()[..]));
/// ```
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
