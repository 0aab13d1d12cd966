//! The account that a repository must be of, and the keys that may have signed its commit.

use std::path::PathBuf;
use std::sync::OnceLock;

use carwalk::error::SignatureFault;
use carwalk::{Commit, ErrorKind, VerifyingKey};
use clap::Args;

use crate::did_doc::DidDoc;
use crate::failure::Cause;
use crate::target;

/// Most keys that the error names if no key matches the signature; the others are counted.
const KEYS_TOLD: usize = 5;

/// Requirements on the commit: its account and its signature.
#[derive(Args, Debug)]
pub(crate) struct Account {
    /// The account that the repository must be of
    #[arg(long, value_name = "DID", value_parser = target::did, help_heading = "Account")]
    did: Option<String>,

    /// Check the signature with this did:key or multibase key; can be repeated
    #[arg(long = "key", value_name = "KEY", help_heading = "Account")]
    keys: Vec<VerifyingKey>,

    /// Take DID and keys from a DID document or a PLC audit log
    #[arg(long, value_name = "FILE", conflicts_with = "keys", help_heading = "Account")]
    did_doc: Option<PathBuf>,

    /// The parsed content of the file.
    #[arg(skip)]
    document: OnceLock<DidDoc>,
}

/// The key that a commit is signed with.
pub(crate) struct Signer<'a> {
    pub(crate) key: &'a VerifyingKey,
    /// The position of the key in the list of keys, from 1 on.
    pub(crate) number: usize,
    /// The number of keys in the list.
    pub(crate) of: usize,
}

impl Account {
    /// Reads the document. Called before the CAR is read.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        let Some(path) = &self.did_doc else {
            return Ok(());
        };
        let document = DidDoc::read(path)?;
        if let Some(did) = self.did.as_ref().filter(|did| **did != document.did) {
            let message = format!("the account is {}, not {did}", document.did);
            return Err(Cause::Document { name: format!("{path:?}"), message });
        }
        let _ = self.document.set(document);
        Ok(())
    }

    /// Returns whether keys are given, or a document with keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty() || self.did_doc.is_some()
    }

    /// Returns the account that the repository must be of, if one is given.
    pub(crate) fn did(&self) -> Option<&str> {
        let document = self.document.get();
        self.did.as_deref().or(document.map(|document| document.did.as_str()))
    }

    fn keys(&self) -> &[VerifyingKey] {
        self.document.get().map_or(&self.keys, |document| &document.keys)
    }

    /// Checks the account and the signature of the commit. Returns the key that signed it, or
    /// `None` if no key was given. An error is a message that is safe to print.
    pub(crate) fn verify(&self, commit: &Commit<'_>) -> Result<Option<Signer<'_>>, String> {
        if let Some(did) = self.did() {
            commit.verify_account(did).map_err(|error| error.to_string())?;
        }
        let (keys, mut refusal) = (self.keys(), None);
        for (number, key) in (1..).zip(keys) {
            match commit.verify_signature(key) {
                Ok(()) => return Ok(Some(Signer { key, number, of: keys.len() })),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            Some(error) => Err(refused(&error, keys)),
            None => Ok(None),
        }
    }
}

/// Returns the message for a commit that none of the keys signed. If `error` is not a mismatch, no
/// key could have made the signature, and the message gives that reason.
fn refused(error: &carwalk::Error, keys: &[VerifyingKey]) -> String {
    let is_of_other = matches!(error.kind(), ErrorKind::Signature(SignatureFault::Mismatch));
    if keys.len() > 1 && is_of_other {
        return format!("none of these {} keys signed the commit: {}", keys.len(), told(keys));
    }
    format!("{error}; checked with {}", told(keys))
}

/// Lists the first keys and counts the others.
fn told(keys: &[VerifyingKey]) -> String {
    let named: Vec<_> = keys.iter().take(KEYS_TOLD).map(ToString::to_string).collect();
    let (named, more) = (named.join(", "), keys.len().saturating_sub(KEYS_TOLD));
    if more > 0 { format!("{named}, and {more} more") } else { named }
}
