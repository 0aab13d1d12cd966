//! Content identifiers in the one form that repositories use: `01 {55,71} 12 20` and a SHA-256
//! digest.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The codec byte of raw bytes.
pub const RAW: u8 = 0x55;
/// The codec byte of DAG-CBOR.
pub const DAG_CBOR: u8 = 0x71;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A CID of 36 bytes. Its order is that of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid([u8; 36]);

impl Cid {
    /// The CID of a DAG-CBOR block.
    pub fn dag_cbor(block: &[u8]) -> Self {
        Self::new(DAG_CBOR, sha256(block))
    }

    /// The CID of a block of raw bytes.
    pub fn raw(block: &[u8]) -> Self {
        Self::new(RAW, sha256(block))
    }

    /// Builds a CID from its codec byte and its digest.
    pub fn new(codec: u8, digest: [u8; 32]) -> Self {
        let mut bytes = [0; 36];
        bytes[..4].copy_from_slice(&[1, codec, 0x12, 0x20]);
        bytes[4..].copy_from_slice(&digest);
        Self(bytes)
    }

    /// Reads the binary form; `None` for any other form of CID.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 36] = bytes.try_into().ok()?;
        let fits =
            bytes[0] == 1 && matches!(bytes[1], RAW | DAG_CBOR) && bytes[2..4] == [0x12, 0x20];
        fits.then_some(Self(bytes))
    }

    /// The binary form.
    pub fn as_bytes(&self) -> &[u8; 36] {
        &self.0
    }

    /// The codec byte.
    pub fn codec(&self) -> u8 {
        self.0[1]
    }

    /// The SHA-256 digest.
    pub fn digest(&self) -> &[u8] {
        &self.0[4..]
    }

    /// Whether a block hashes to this CID.
    pub fn fits(&self, block: &[u8]) -> bool {
        sha256(block) == self.digest()
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("b")?;
        f.write_str(&base32(&self.0))
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

impl FromStr for Cid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = text.strip_prefix('b').and_then(unbase32);
        let cid = bytes.and_then(|bytes| Self::from_bytes(&bytes));
        // The remaining bits must be zero.
        cid.filter(|cid| cid.to_string() == text).ok_or_else(|| format!("not a CID: {text}"))
    }
}

/// The SHA-256 digest of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0_u32, 0);
    for &byte in bytes {
        buffer = buffer << 8 | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (5 - bits)) as usize & 31]));
    }
    text
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut bits) = (0_u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|&known| known == letter)?;
        buffer = buffer << 5 | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_empty_node() {
        let cid = Cid::dag_cbor(&[0xa2, 0x61, 0x65, 0x80, 0x61, 0x6c, 0xf6]);
        let text = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
        assert_eq!(cid.to_string(), text);
        assert_eq!(text.parse(), Ok(cid));
        assert!(text.replace("hpm", "hpn").parse::<Cid>().is_err());
    }

    #[test]
    fn other_forms_are_refused() {
        let cid = Cid::raw(b"x");
        assert_eq!(Cid::from_bytes(cid.as_bytes()), Some(cid));
        assert_eq!(Cid::from_bytes(&cid.as_bytes()[..35]), None);
        let mut other = *cid.as_bytes();
        other[1] = 0x70;
        assert_eq!(Cid::from_bytes(&other), None);
    }
}
