//! Keys that sign commits (feature `signing`).

use k256::ecdsa::signature::Signer;

use crate::base58;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::repo::Repo;

/// A private key on one of the two curves of accounts.
#[derive(Clone, Debug)]
pub enum SigningKey {
    /// On P-256.
    P256(p256::ecdsa::SigningKey),
    /// On K-256.
    K256(k256::ecdsa::SigningKey),
}

impl SigningKey {
    /// The P-256 key of a secret number.
    ///
    /// # Panics
    ///
    /// Panics if the number is 0 or not below the curve's order.
    pub fn p256(secret: &[u8; 32]) -> Self {
        Self::P256(
            p256::ecdsa::SigningKey::from_slice(secret)
                .expect("a number from 1 to the order less 1"),
        )
    }

    /// The K-256 key of a secret number.
    ///
    /// # Panics
    ///
    /// Panics if the number is 0 or not below the curve's order.
    pub fn k256(secret: &[u8; 32]) -> Self {
        Self::K256(
            k256::ecdsa::SigningKey::from_slice(secret)
                .expect("a number from 1 to the order less 1"),
        )
    }

    /// The public key as a compressed point: 33 bytes.
    pub fn public_key(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.verifying_key().to_sec1_point(true).as_bytes().to_vec(),
            Self::K256(key) => key.verifying_key().to_sec1_point(true).as_bytes().to_vec(),
        }
    }

    /// The public key as an uncompressed point: 65 bytes.
    pub fn uncompressed_public_key(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::K256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
        }
    }

    /// The public key as a `did:key`.
    pub fn did_key(&self) -> String {
        let codec: &[u8] = match self {
            Self::P256(_) => &[0x80, 0x24],
            Self::K256(_) => &[0xe7, 0x01],
        };
        format!("did:key:z{}", base58::encode(&[codec, &self.public_key()].concat()))
    }

    /// The signature of a message in the form of the AT Protocol: r and s of 32 bytes each, s low.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().into()
            }
            Self::K256(key) => {
                let signature: k256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().into()
            }
        }
    }
}

impl Commit {
    /// The same commit with a valid signature, for a tree with this root. Any later change
    /// invalidates it.
    ///
    /// # Panics
    ///
    /// Panics if there is no field `sig`.
    #[must_use]
    pub fn signed(self, root: &Cid, key: &SigningKey) -> Self {
        let unsigned = self.clone().remove("sig").to_value(root).encode();
        self.set("sig", crate::cbor::Value::Bytes(key.sign(&unsigned).to_vec()))
    }
}

impl Repo {
    /// Signs the commit. Any later change of the tree or the commit invalidates the signature.
    pub fn sign(&mut self, key: &SigningKey) {
        self.commit = self.commit.clone().signed(&self.root.cid(), key);
    }
}
