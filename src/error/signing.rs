//! The details of errors of public keys and signatures.

use thiserror::Error;

use super::counted::Counted;
use crate::limits::MAX_PUBLIC_KEY_TEXT_LEN;

/// Why a text or point is not a public key that accounts sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublicKeyFault {
    /// A DID of another method than `key`: the key is in its DID document.
    #[error("DID of another method than `key`: its public key is in its DID document")]
    DidMethod,
    /// The verification method is of an unknown type.
    #[error(
        "verification method of unknown type, expected `Multikey`, \
         `EcdsaSecp256k1VerificationKey2019` or `EcdsaSecp256r1VerificationKey2019`"
    )]
    MethodType,
    /// The text is longer than [`MAX_PUBLIC_KEY_TEXT_LEN`].
    #[error("public key text of {found} bytes, expected at most {MAX_PUBLIC_KEY_TEXT_LEN}")]
    TextLen {
        /// Its length in bytes, without `did:key:`.
        found: usize,
    },
    /// The text is not in the multibase encoding base58btc.
    #[error("public key text does not begin with `z` (base58btc)")]
    Multibase,
    /// A character that base58btc does not have.
    #[error(
        "public key text with the byte {found:#04x} at position {at}, which is not a base58btc \
         digit"
    )]
    Base58 {
        /// The byte.
        found: u8,
        /// Its position in the text, counted from 0 at the `z`.
        at: usize,
    },
    /// The decoded text does not begin with a multicodec, the number of a kind of key.
    #[error("public key does not begin with a multicodec")]
    NoCodec,
    /// A key of another curve or kind than the two that accounts sign with.
    #[error(
        "public key of multicodec {found:#x}, expected 0xe7 (secp256k1-pub) or 0x1200 (p256-pub)"
    )]
    Codec {
        /// Its multicodec.
        found: u64,
    },
    /// A point of another length than expected.
    #[error("point of {}, expected {expected}", Counted(*found, "byte"))]
    PointLen {
        /// Its length, in bytes.
        found: usize,
        /// The allowed lengths.
        expected: &'static str,
    },
    /// A point whose first byte does not match its length.
    #[error(
        "point with the first byte {found:#04x}, expected 0x02 or 0x03 (33 bytes) or 0x04 (65 \
         bytes)"
    )]
    PointForm {
        /// Its first byte.
        found: u8,
    },
    /// The coordinates are not those of a point on the curve.
    #[error("not a point on the curve {curve}")]
    NoPoint {
        /// The curve's name.
        curve: &'static str,
    },
}

/// Why a signature is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The signature does not have 64 bytes. One in DER has 8 to 72, mostly 70 or 71.
    #[error("signature of {}, expected 64", Counted(*found, "byte"))]
    Len {
        /// Its length, in bytes.
        found: usize,
    },
    /// r or s is zero, or not below the curve's order.
    #[error("signature with r or s out of range: expected 1 to the curve's order less 1")]
    OutOfRange,
    /// s is above half of the curve's order; the equivalent signature with a low s is required.
    #[error("signature with a high s, expected at most half of the curve's order")]
    HighS,
    /// The signature was made with another key, or over other bytes.
    #[error("the signature is not of this key and these bytes")]
    Mismatch,
}
