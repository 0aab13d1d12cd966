//! Signatures and the public keys that they verify with (feature `signature`).
//!
//! A commit names neither its key nor the curve: both come from the account's DID document. To get
//! that document is the caller's part; carwalk takes the key out of it and says whether the
//! commit's signature is that key's.
//!
//! ```text
//! Multikey   = 'z' base58btc( multicodec  point )    multicodec: e7 01 for K-256, 80 24 for P-256
//! did:key    = "did:key:" Multikey                   point: 02 or 03, then x; 33 bytes
//! signature  = r s                                   32 bytes each, big-endian
//! ```
//!
//! Each signature (r, s) has a twin (r, n - s) that anybody can make and that fits the same key and
//! message. Only the one with the smaller s ("low S") is valid here, on both curves. See the
//! [cryptography specification](https://atproto.com/specs/cryptography), and
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

/// Length of a point of either curve, in bytes: its sign and x.
const COMPRESSED_LEN: usize = 33;

/// Length of a point that is written with both x and y, in bytes.
const UNCOMPRESSED_LEN: usize = 65;

/// Length of a signature, in bytes.
const SIGNATURE_LEN: usize = 64;

/// What a `did:key` begins with.
const DID_KEY: &str = "did:key:";

/// The curves that accounts sign with.
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
    /// P-256, also called secp256r1: what browsers and secure hardware have.
    #[doc(alias = "secp256r1")]
    P256,
    /// K-256, also called secp256k1: what most accounts have.
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

    /// The number that stands before a public key of this curve.
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

/// The public key of an account: a point of one of two curves, checked to be one.
///
/// It parses from a `did:key` or the Multikey text that follows `did:key:`, and is written as a
/// `did:key`. There is one text for each key, so what was parsed is written as it was.
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

/// By the point: the curves' types compare so.
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
    /// The key of a verification method in a DID document, from its `type` and its
    /// `publicKeyMultibase`.
    ///
    /// Of an account's DID document it is the method whose `id` ends with `#atproto`. Its type is
    /// `Multikey`, or in old documents `EcdsaSecp256k1VerificationKey2019` or
    /// `EcdsaSecp256r1VerificationKey2019`, where the text is the bare point, compressed or not.
    ///
    /// # Errors
    ///
    /// `PublicKey` if the type is none of the three or the text is not a key of that type.
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

    /// The key of a point in SEC 1 encoding: 33 bytes, or 65 if it is uncompressed.
    ///
    /// # Errors
    ///
    /// `PublicKey` if the bytes are no point of the curve in one of these two forms.
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
        // The forms are told apart here, because the curves' crates know more of them than are
        // allowed.
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

    /// The curve.
    #[must_use]
    pub fn curve(&self) -> Curve {
        match self.0 {
            Point::P256(_) => Curve::P256,
            Point::K256(_) => Curve::K256,
        }
    }

    /// The point in SEC 1 encoding, compressed: 02 or 03, then x.
    ///
    /// ```
    /// # use carwalk::VerifyingKey;
    /// let key: VerifyingKey =
    ///     "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
    /// assert!(matches!(key.to_sec1_bytes()[0], 2 | 3));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn to_sec1_bytes(&self) -> [u8; 33] {
        match &self.0 {
            Point::P256(key) => p256::CompressedPoint::from(key).into(),
            Point::K256(key) => k256::CompressedPoint::from(key).into(),
        }
    }

    /// The Multikey text: `z`, then curve and point in base58btc. It is what follows `did:key:`.
    ///
    /// ```
    /// # use carwalk::VerifyingKey;
    /// let text = "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";
    /// assert_eq!(text.parse::<VerifyingKey>()?.to_multikey(), text);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn to_multikey(&self) -> String {
        let mut bytes = Vec::new();
        varint::encode(self.curve().multicodec(), &mut bytes);
        bytes.extend_from_slice(&self.to_sec1_bytes());
        format!("z{}", bs58::encode(bytes).into_string())
    }

    /// Checks that `signature` is this key's signature of `message`, which is given in pieces: of a
    /// commit they are [`Commit::signed_bytes`](crate::Commit::signed_bytes). `Ok` means that it
    /// is.
    ///
    /// The pieces are hashed where they lie. Besides hashing, one call takes 0.1 (K-256) to 0.3 ms
    /// (P-256).
    ///
    /// # Errors
    ///
    /// `Signature` if it is not 64 bytes, r or s is out of range, s is high, or it does not verify.
    /// DER has another length or another form, and is refused as such.
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
        self.judge(message, signature).map_err(Error::signature)
    }

    fn judge(
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
                judge(key, &digest, signature, |numbers: &p256::ecdsa::Signature| {
                    numbers.s().is_high()
                })
            }
            Point::K256(key) => {
                judge(key, &digest, signature, |numbers: &k256::ecdsa::Signature| {
                    numbers.s().is_high()
                })
            }
        }
    }
}

/// The crate of one curve refuses a high s by itself and that of the other takes it, so neither is
/// relied on.
fn judge<S: for<'a> TryFrom<&'a [u8]>>(
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
    /// `PublicKey` for anything but the Multikey of a key of one of the two curves.
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

/// The bytes of a multibase text in base58btc.
fn multibase(text: &str) -> Result<Vec<u8>> {
    // Decoding takes time that grows with the square of the length.
    if text.len() > MAX_PUBLIC_KEY_TEXT_LEN {
        return Err(Error::public_key(PublicKeyFault::TextLen { found: text.len() }));
    }
    let digits =
        text.strip_prefix('z').ok_or_else(|| Error::public_key(PublicKeyFault::Multibase))?;
    bs58::decode(digits).into_vec().map_err(|_| odd_digit(digits))
}

/// The first character that base58btc does not have.
#[cold]
fn odd_digit(digits: &str) -> Error {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() && !b"0OIl".contains(&byte);
    let odd = digits.bytes().zip(1..).find(|&(byte, _)| !is_digit(byte));
    let (found, at) = odd.unwrap_or_default();
    Error::public_key(PublicKeyFault::Base58 { found, at })
}
