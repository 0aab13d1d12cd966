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

mod interop;
#[cfg(feature = "serde")]
mod serde;
mod text;

pub use self::text::{CidText, TEXT_LEN};
use crate::error::{Error, ErrorKind, Malformed, Result};
use crate::sha256::sha256;

/// Length of a CID, in bytes.
pub const LEN: usize = 36;

/// The codec of a block, which its CID names.
///
/// # Examples
///
/// ```
/// use carwalk::cid::{Cid, Codec};
///
/// // The codec is part of the CID, so the same bytes have two.
/// let (raw, record) = (Cid::of(Codec::Raw, b"\xa0"), Cid::of(Codec::DagCbor, b"\xa0"));
/// assert_eq!(raw.digest(), record.digest());
/// assert!(raw.to_string().starts_with("bafkrei"));
/// assert!(record.to_string().starts_with("bafyrei"));
/// ```
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
// Aligned so that a copy, alone or in an enum, consists of whole words.
#[repr(align(4))]
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
    /// The class is [`Caller`](crate::ErrorClass::Caller).
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
    /// `HashMismatch`, with the CID of the block, if it does not. The class is
    /// [`Invalid`](crate::ErrorClass::Invalid).
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
        Error::new(ErrorKind::HashMismatch { found }).of_cid(*self)
    }

    /// Returns the codec of the block.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// // The avatar of a profile, for example.
    /// let cid: Cid = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq".parse()?;
    /// match cid.codec() {
    ///     Codec::Raw => println!("a blob, which is not in the repository"),
    ///     Codec::DagCbor => panic!("a commit, node or record"),
    /// }
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

impl TryFrom<&[u8]> for Cid {
    type Error = Error;

    /// Parses the 36 bytes of a CID, as [`Cid::parse`] does.
    ///
    /// # Errors
    ///
    /// `Malformed` for another length, version, codec, hash function or digest length. The class is
    /// [`Caller`](crate::ErrorClass::Caller).
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(bytes: &[u8]) -> Malformed {
        match Cid::parse(bytes).unwrap_err().kind() {
            ErrorKind::Malformed(reason) => *reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_changed_block_is_a_mismatch_that_names_both() {
        let cid = Cid::of(Codec::Raw, b"a");
        assert!(cid.verify(b"a").is_ok());
        let error = cid.verify(b"b").unwrap_err();
        assert_eq!(error.cid(), Some(&cid));
        let other = Cid::of(Codec::Raw, b"b");
        assert!(matches!(error.kind(), ErrorKind::HashMismatch { found } if *found == other));
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
}
