//! The public keys of accounts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use carwalk::{VerifyingKey, syntax};
use serde::Deserialize;

use super::settings;
use crate::did_doc::{DID_LEN, DidDoc};
use crate::escape::{Quoted, escaped};
use crate::failure::Cause;

/// Keys by DID.
#[derive(Default)]
pub(super) struct Keys(HashMap<String, VerifyingKey>);

/// A line of a file with keys.
#[derive(Deserialize)]
struct Line {
    did: Option<String>,
    key: Option<String>,
    /// The DID of a DID document.
    id: Option<serde::de::IgnoredAny>,
}

impl Keys {
    /// Reads a file: objects with DID and key, and DID documents.
    pub(super) fn read(path: &Path) -> Result<Self, Cause> {
        let mut keys = Keys::default();
        settings::read(path, |value| keys.add(value))?;
        Ok(keys)
    }

    pub(super) fn get(&self, did: &str) -> Option<&VerifyingKey> {
        self.0.get(did)
    }

    fn add(&mut self, value: &[u8]) -> Result<(), String> {
        let (did, key) = parse(value)?;
        if !syntax::is_did(&did) {
            return Err(format!("{} is not a DID", Quoted(&did, DID_LEN)));
        }
        match self.0.entry(did) {
            Entry::Occupied(held) if *held.get() != key => {
                Err(format!("another key for {} than before: an account has one", held.key()))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(free) => {
                free.insert(key);
                Ok(())
            }
        }
    }
}

fn parse(value: &[u8]) -> Result<(String, VerifyingKey), String> {
    const EXPECTED: &str = "expected {\"did\":\"did:..\",\"key\":\"did:key:..\"} or a DID document";
    let line: Line = serde_json::from_slice(value)
        .map_err(|error| format!("{EXPECTED}: {}", escaped(&error.to_string())))?;
    match line {
        Line { did: Some(did), key: Some(key), .. } => {
            let key = key.parse().map_err(|error: carwalk::Error| escaped(&error.to_string()))?;
            Ok((did, key))
        }
        Line { id: Some(_), .. } => {
            let document = DidDoc::of_text(value)?;
            let key = document.keys.into_iter().next();
            key.map(|key| (document.did, key)).ok_or_else(|| EXPECTED.to_owned())
        }
        _ => Err(EXPECTED.to_owned()),
    }
}
