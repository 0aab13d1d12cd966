//! Signatures, and the public keys that verify them (feature `signature`).
//!
//! A commit names neither its key nor the curve: both come from the account's DID document. The
//! caller fetches that document; carwalk parses the key in it and checks the commit's signature.
//!
//! ```text
//! Multikey   = 'z' base58btc( multicodec  point )    multicodec: e7 01 for K-256, 80 24 for P-256
//! did:key    = "did:key:" Multikey                   point: 02 or 03, then x; 33 bytes
//! signature  = r s                                   32 bytes each, big-endian
//! ```
//!
//! Each signature (r, s) has a twin (r, n - s), where n is the order of the curve. Anybody can
//! compute it, and it is valid for the same key and message. Only the one with the smaller s
//! ("low S") is accepted here, on both curves. See the [cryptography
//! specification](https://atproto.com/specs/cryptography), and
//! [did:key](https://w3c-ccg.github.io/did-key-spec/) and
//! [Multikey](https://www.w3.org/TR/cid-1.0/#Multikey) for the texts.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::elliptic_curve::scalar::IsHigh;
use k256::elliptic_curve::subtle::Choice;
use sha2::{Digest, Sha256};

use crate::error::{Error, PublicKeyFault, Result, SignatureFault};
use crate::limits::MAX_PUBLIC_KEY_TEXT_LEN;
use crate::varint;

/// Length of a compressed point of either curve, in bytes: its sign and x.
const COMPRESSED_LEN: usize = 33;

/// Length of an uncompressed point of either curve, in bytes: 04, x and y.
const UNCOMPRESSED_LEN: usize = 65;

/// Length of a signature, in bytes.
const SIGNATURE_LEN: usize = 64;

/// The prefix of a `did:key`.
const DID_KEY: &str = "did:key:";

/// The curves that accounts sign with. Displays as `P-256` or `K-256`.
///
/// # Examples
///
/// ```
/// use carwalk::signature::{Curve, VerifyingKey};
///
/// let key: VerifyingKey =
///     "did:key:zDnaeTiq1PdzvZXUaMdezchcMJQpBdH2VN4pgrrEhMCCbmwSb".parse()?;
/// assert_eq!(key.curve(), Curve::P256);
/// assert_eq!(key.curve().to_string(), "P-256");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// P-256, also called secp256r1. Browsers and secure hardware support it.
    #[doc(alias = "secp256r1")]
    P256,
    /// K-256, also called secp256k1. Most accounts use it.
    #[doc(alias = "secp256k1")]
    K256,
}

impl Curve {
    const fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::K256 => "K-256",
        }
    }

    /// Returns the multicodec that precedes a public key of this curve.
    const fn multicodec(self) -> u64 {
        match self {
            Curve::P256 => 0x1200,
            Curve::K256 => 0xe7,
        }
    }

    fn of_multicodec(codec: u64) -> Option<Self> {
        [Curve::P256, Curve::K256].into_iter().find(|curve| curve.multicodec() == codec)
    }
}

/// Writes `P-256` or `K-256`.
impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The public key of an account: a valid point on one of the two curves.
///
/// Parses from a `did:key`, or from the Multikey text that follows `did:key:`. Displays as a
/// `did:key`. Each key has exactly one `did:key`.
///
/// # Examples
///
/// ```
/// use carwalk::VerifyingKey;
///
/// let key: VerifyingKey = "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
/// assert_eq!(key.to_string(), "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey(Point);

// By hand because the keys of the curves' crates are not `Hash`.
impl Hash for VerifyingKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_sec1_bytes().hash(state);
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Point {
    P256(p256::ecdsa::VerifyingKey),
    K256(k256::ecdsa::VerifyingKey),
}

impl VerifyingKey {
    /// Parses the key of a verification method in a DID document, from its `type` and its
    /// `publicKeyMultibase`.
    ///
    /// An account signs with the method whose `id` ends with `#atproto`. Its type is `Multikey`, or
    /// in old documents `EcdsaSecp256k1VerificationKey2019` or `EcdsaSecp256r1VerificationKey2019`,
    /// where the text is the bare point, compressed or not.
    ///
    /// # Errors
    ///
    /// `PublicKey`, with at most 256 bytes of the refused text in [`Error::key`]:
    ///
    /// - `MethodType`: another type than these three
    /// - `TextLen`, `Multibase`, `Base58`: the text is too long, or is not base58btc after a `z`
    /// - `NoCodec`, `Codec`: a Multikey of another curve or kind
    /// - `PointLen`, `PointForm`, `NoPoint`: not a point of the curve
    ///
    /// The class is [`Caller`](crate::ErrorClass::Caller).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::VerifyingKey;
    ///
    /// let key = VerifyingKey::from_verification_method(
    ///     "Multikey",
    ///     "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
    /// )?;
    /// let old = VerifyingKey::from_verification_method(
    ///     "EcdsaSecp256k1VerificationKey2019",
    ///     "z23o6Sau8NxxzXcgSc3PLcNxrzrZpbLeBn1izfv3jbKhuv",
    /// )?;
    /// assert_eq!(key, old);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_verification_method(method_type: &str, public_key_multibase: &str) -> Result<Self> {
        let text = public_key_multibase;
        let legacy = |curve| Self::from_sec1_bytes(curve, &multibase(text)?);
        let key = match method_type {
            "Multikey" => Self::from_multikey(text),
            "EcdsaSecp256r1VerificationKey2019" => legacy(Curve::P256),
            "EcdsaSecp256k1VerificationKey2019" => legacy(Curve::K256),
            _ => {
                let error = Error::public_key(PublicKeyFault::MethodType);
                return Err(error.of_text(method_type));
            }
        };
        key.map_err(|error| error.of_text(text))
    }

    /// Parses the key from a point in SEC 1 encoding: 33 bytes compressed, or 65 uncompressed.
    ///
    /// # Errors
    ///
    /// `PublicKey`:
    ///
    /// - `PointLen`: neither 33 nor 65 bytes
    /// - `PointForm`: the first byte does not match the length
    /// - `NoPoint`: not a point on the curve
    ///
    /// The class is [`Caller`](crate::ErrorClass::Caller).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::signature::{Curve, VerifyingKey};
    ///
    /// let key: VerifyingKey =
    ///     "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
    /// assert_eq!(VerifyingKey::from_sec1_bytes(Curve::K256, &key.to_sec1_bytes())?, key);
    /// assert!(VerifyingKey::from_sec1_bytes(Curve::K256, &[2; 32]).is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn from_sec1_bytes(curve: Curve, point: &[u8]) -> Result<Self> {
        // Checked here because the curves' crates accept more forms than these two.
        match (point.len(), point.first()) {
            (COMPRESSED_LEN, Some(2 | 3)) | (UNCOMPRESSED_LEN, Some(4)) => {}
            (COMPRESSED_LEN | UNCOMPRESSED_LEN, Some(&found)) => {
                return Err(Error::public_key(PublicKeyFault::PointForm { found }));
            }
            (found, _) => {
                let expected = "33 (compressed) or 65 (uncompressed)";
                return Err(Error::public_key(PublicKeyFault::PointLen { found, expected }));
            }
        }
        let point = match curve {
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Point::P256),
            Curve::K256 => k256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Point::K256),
        };
        let no_point = |_| Error::public_key(PublicKeyFault::NoPoint { curve: curve.name() });
        point.map(VerifyingKey).map_err(no_point)
    }

    fn from_multikey(text: &str) -> Result<Self> {
        let bytes = multibase(text)?;
        let Ok(Some((codec, len))) = varint::decode(&bytes) else {
            return Err(Error::public_key(PublicKeyFault::NoCodec));
        };
        let curve = Curve::of_multicodec(codec);
        let curve =
            curve.ok_or_else(|| Error::public_key(PublicKeyFault::Codec { found: codec }))?;
        let point = bytes.get(len..).unwrap_or_default();
        if point.len() != COMPRESSED_LEN {
            let fault =
                PublicKeyFault::PointLen { found: point.len(), expected: "33 (compressed)" };
            return Err(Error::public_key(fault));
        }
        Self::from_sec1_bytes(curve, point)
    }

    /// Returns the curve, which a commit does not name.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::signature::{Curve, VerifyingKey};
    ///
    /// let key: VerifyingKey = "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
    /// assert_eq!(key.curve(), Curve::K256);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn curve(&self) -> Curve {
        match self.0 {
            Point::P256(_) => Curve::P256,
            Point::K256(_) => Curve::K256,
        }
    }

    /// Returns the point in compressed SEC 1 encoding: 02 or 03, then x.
    ///
    /// # Examples
    ///
    /// ```
    /// # use carwalk::VerifyingKey;
    /// let key: VerifyingKey =
    ///     "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
    /// let hex: String = key.to_sec1_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    /// assert_eq!(hex, "03874c15c7fda20e539c6e5ba573c139884c351188799f5458b4b41f7924f235cd");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn to_sec1_bytes(&self) -> [u8; 33] {
        match &self.0 {
            Point::P256(key) => p256::CompressedPoint::from(key).into(),
            Point::K256(key) => k256::CompressedPoint::from(key).into(),
        }
    }

    /// Returns the Multikey text, which follows `did:key:`: `z`, then curve and point in base58btc.
    ///
    /// # Examples
    ///
    /// ```
    /// # use carwalk::VerifyingKey;
    /// let key: VerifyingKey =
    ///     "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
    /// // The form of `publicKeyMultibase` in a DID document.
    /// assert_eq!(key.to_multikey(), "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme");
    /// assert_eq!(format!("did:key:{}", key.to_multikey()), key.to_string());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn to_multikey(&self) -> String {
        let mut bytes = Vec::new();
        varint::encode(self.curve().multicodec(), &mut bytes);
        bytes.extend_from_slice(&self.to_sec1_bytes());
        format!("z{}", bs58::encode(bytes).into_string())
    }

    /// Checks that `signature` is this key's signature of `message`, which is given in pieces.
    /// Those of a commit are [`Commit::signed_bytes`](crate::Commit::signed_bytes).
    ///
    /// Costs one SHA-256 over the pieces, without copying them, and one verification on the curve.
    ///
    /// # Errors
    ///
    /// `Signature`:
    ///
    /// - `Len`: not 64 bytes. A signature in DER, mostly 70 or 71 bytes, must be converted first
    /// - `OutOfRange`: r or s is zero, or not below the order of the curve
    /// - `HighS`: s is above half of the order
    /// - `Mismatch`: made with another key, or over another message
    ///
    /// The class is [`Invalid`](crate::ErrorClass::Invalid), also for `Len`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::ErrorKind;
    /// use carwalk::error::SignatureFault;
    /// # use carwalk::VerifyingKey;
    ///
    /// let key: VerifyingKey =
    ///     "did:key:zQ3shXgWjVsCJsv9mBm6kVqFSjAnErMg3zG9CcyvmUCCaFRCr".parse()?;
    /// # let signature = *b"\
    /// #     \xe4\xa4\x34\x87\xda\x34\x4f\xdc\x7c\x5b\x3d\x9c\x1e\x9e\x59\xc4\x29\x74\x61\
    /// #     \xee\x2a\x8d\xda\x46\xea\x6c\xb8\x78\x76\x89\x00\xc6\x7c\x56\x0e\x42\x34\xf5\
    /// #     \x17\xd6\x64\x9d\x3e\x8e\xea\x98\xd7\x52\x57\xfd\xc3\xdf\xd8\x9f\xb8\xeb\x60\
    /// #     \x49\x6d\xa7\xbc\xdb\xcb\xc6";
    /// key.verify([b"one message"], &signature)?;
    /// key.verify(["one ", "message"], &signature)?;
    ///
    /// let error = key.verify([b"two message"], &signature).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Signature(SignatureFault::Mismatch)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn verify(
        &self,
        message: impl IntoIterator<Item = impl AsRef<[u8]>>,
        signature: &[u8],
    ) -> Result<()> {
        self.verify_or_fault(message, signature).map_err(Error::signature)
    }

    /// Checks a signature without allocating an error.
    fn verify_or_fault(
        &self,
        message: impl IntoIterator<Item = impl AsRef<[u8]>>,
        signature: &[u8],
    ) -> Result<(), SignatureFault> {
        if signature.len() != SIGNATURE_LEN {
            return Err(SignatureFault::Len { found: signature.len() });
        }
        let digest = message.into_iter().fold(Sha256::new(), Sha256::chain_update).finalize();
        match &self.0 {
            Point::P256(key) => {
                verify_digest(key, &digest, signature, |numbers: &p256::ecdsa::Signature| {
                    numbers.s().is_high()
                })
            }
            Point::K256(key) => {
                verify_digest(key, &digest, signature, |numbers: &k256::ecdsa::Signature| {
                    numbers.s().is_high()
                })
            }
        }
    }
}

/// Checks a signature of a message by its digest. One curve's crate refuses a high s and the
/// other's accepts it, so it is checked here for both.
fn verify_digest<S: for<'a> TryFrom<&'a [u8]>>(
    key: &impl PrehashVerifier<S>,
    digest: &[u8],
    signature: &[u8],
    is_high: impl Fn(&S) -> Choice,
) -> Result<(), SignatureFault> {
    let numbers = S::try_from(signature).map_err(|_| SignatureFault::OutOfRange)?;
    if is_high(&numbers).into() {
        return Err(SignatureFault::HighS);
    }
    key.verify_prehash(digest, &numbers).map_err(|_| SignatureFault::Mismatch)
}

impl FromStr for VerifyingKey {
    type Err = Error;

    /// Parses `did:key:z...` or `z...`.
    ///
    /// # Errors
    ///
    /// `PublicKey`, with at most 256 bytes of the text in [`Error::key`]:
    ///
    /// - `DidMethod`: a DID of another method than `key`
    /// - `TextLen`, `Multibase`, `Base58`: the text is too long, or is not base58btc after a `z`
    /// - `NoCodec`, `Codec`: a key of another curve or kind
    /// - `PointLen`, `PointForm`, `NoPoint`: not a compressed point of the curve
    ///
    /// The class is [`Caller`](crate::ErrorClass::Caller).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::error::PublicKeyFault;
    /// use carwalk::{ErrorKind, VerifyingKey};
    ///
    /// let did_key = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";
    /// let multikey = "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";
    /// assert_eq!(did_key.parse::<VerifyingKey>()?, multikey.parse()?);
    /// // The DID of an account is not its key: the key is in the account's DID document.
    /// let error = "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse::<VerifyingKey>().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::PublicKey(PublicKeyFault::DidMethod)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self> {
        let key = match text.strip_prefix(DID_KEY) {
            Some(multikey) => Self::from_multikey(multikey),
            None if text.starts_with("did:") => Err(Error::public_key(PublicKeyFault::DidMethod)),
            None => Self::from_multikey(text),
        };
        key.map_err(|error| error.of_text(text))
    }
}

/// Writes `did:key:z...`.
impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{DID_KEY}{}", self.to_multikey()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

/// Decodes a multibase text in base58btc.
fn multibase(text: &str) -> Result<Vec<u8>> {
    // The time of decoding grows with the square of the length.
    if text.len() > MAX_PUBLIC_KEY_TEXT_LEN {
        return Err(Error::public_key(PublicKeyFault::TextLen { found: text.len() }));
    }
    let digits =
        text.strip_prefix('z').ok_or_else(|| Error::public_key(PublicKeyFault::Multibase))?;
    bs58::decode(digits).into_vec().map_err(|_| odd_digit(digits))
}

/// Returns the error of the first character that base58btc does not have.
#[cold]
fn odd_digit(digits: &str) -> Error {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() && !b"0OIl".contains(&byte);
    let odd = digits.bytes().zip(1..).find(|&(byte, _)| !is_digit(byte));
    let (found, at) = odd.unwrap_or_default();
    Error::public_key(PublicKeyFault::Base58 { found, at })
}
