//! The account and its signing keys, read from a DID document or an audit log of the PLC directory.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use carwalk::{VerifyingKey, syntax};
use serde::Deserialize;

use crate::escape::{Quoted, escaped};
use crate::failure::Cause;
use crate::hints::answer;

/// Longest accepted document, in bytes.
const MAX_LEN: u64 = 8 << 20;

/// Most keys that one account may have, because each costs one signature check.
const MAX_KEYS: usize = 1000;

/// Most characters of a DID that are printed: the longest DID has 2048.
pub(crate) const DID_LEN: usize = 2048;

/// An account and the keys that sign its commits, the newest first.
#[derive(Debug)]
pub(crate) struct DidDoc {
    pub(crate) did: String,
    pub(crate) keys: Vec<VerifyingKey>,
}

/// A DID document.
#[derive(Deserialize)]
struct Document {
    id: String,
    #[serde(rename = "verificationMethod", default)]
    methods: Vec<Method>,
}

#[derive(Deserialize)]
struct Method {
    id: String,
    #[serde(rename = "type")]
    method_type: String,
    /// `None` for methods with a key in another form, such as `publicKeyJwk`.
    #[serde(rename = "publicKeyMultibase", default)]
    key: Option<String>,
}

/// An entry of an audit log.
#[derive(Deserialize)]
struct Audited {
    did: String,
    operation: Operation,
    #[serde(default)]
    nullified: bool,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(rename = "verificationMethods", default)]
    methods: Option<Methods>,
    /// The form of the first operations.
    #[serde(rename = "signingKey", default)]
    signing_key: Option<String>,
}

#[derive(Deserialize)]
struct Methods {
    #[serde(default)]
    atproto: Option<String>,
}

impl DidDoc {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Cause> {
        let text = read(path).map_err(|error| Cause::Read { name: format!("{path:?}"), error })?;
        let doc = if text.len() as u64 > MAX_LEN {
            Err(format!("longer than {MAX_LEN} bytes"))
        } else {
            Self::parse(&text)
        };
        doc.map_err(|message| Cause::Document { name: format!("{path:?}"), message })
    }

    /// Reads a document, without its DID being checked. An error is a message that is safe to
    /// print.
    pub(crate) fn of_text(text: &[u8]) -> Result<Self, String> {
        Self::of_document(parse(text, "a DID document")?)
    }

    /// Reads a document or an audit log. An error is a message that is safe to print.
    fn parse(text: &[u8]) -> Result<Self, String> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let is_log = text.trim_ascii_start().starts_with(b"[");
        let doc = if is_log {
            Self::of_log(&parse::<Vec<Audited>>(text, "an audit log (PLC's /DID/log/audit)")?)?
        } else {
            Self::of_document(parse(text, "a DID document")?)?
        };
        if !syntax::is_did(&doc.did) {
            return Err(format!("{} is not a DID", Quoted(&doc.did, DID_LEN)));
        }
        Ok(doc)
    }

    fn of_document(document: Document) -> Result<Self, String> {
        let Document { id: did, methods } = document;
        let is_atproto = |method: &&Method| {
            method.id.strip_suffix("#atproto").is_some_and(|of| of.is_empty() || of == did)
        };
        let Some(method) = methods.iter().find(is_atproto) else {
            return Err("the DID document has no verification method #atproto".to_owned());
        };
        let key = method.key.as_deref().unwrap_or_default();
        let key = VerifyingKey::from_verification_method(&method.method_type, key);
        let key = key.map_err(|error| {
            format!("verification method #atproto: {}", escaped(&error.to_string()))
        })?;
        Ok(DidDoc { did, keys: vec![key] })
    }

    /// Reads the keys from the newest to the oldest, each once. Keys of curves that sign no commits
    /// are left out, and so are nullified operations.
    fn of_log(log: &[Audited]) -> Result<Self, String> {
        let Some(did) = log.last().map(|entry| entry.did.clone()) else {
            return Err("the audit log is empty".to_owned());
        };
        if log.iter().any(|entry| entry.did != did) {
            return Err("the audit log has entries of more than one account".to_owned());
        }
        let operations = log.iter().rev().filter(|entry| !entry.nullified);
        let texts = operations.filter_map(|entry| entry.operation.key());
        let (mut seen, mut keys) = (HashSet::new(), Vec::<VerifyingKey>::new());
        // Few operations change the key, and parsing one takes time.
        for text in texts.filter(|text| seen.insert(*text)) {
            match text.parse() {
                Ok(key) if keys.contains(&key) => {}
                Ok(_) if keys.len() >= MAX_KEYS => {
                    return Err(format!("the audit log has more than {MAX_KEYS} keys"));
                }
                Ok(key) => keys.push(key),
                Err(_) => {}
            }
        }
        if keys.is_empty() {
            return Err("the audit log has no key that can sign commits".to_owned());
        }
        Ok(DidDoc { did, keys })
    }
}

impl Operation {
    fn key(&self) -> Option<&str> {
        let method = self.methods.as_ref().and_then(|methods| methods.atproto.as_deref());
        method.or(self.signing_key.as_deref())
    }
}

/// Reads at most `MAX_LEN + 1` bytes, so that the caller can detect a longer file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_LEN.saturating_add(1)).read_to_end(&mut text)?;
    Ok(text)
}

fn parse<'t, T: Deserialize<'t>>(text: &'t [u8], what: &str) -> Result<T, String> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err("this is UTF-16 text: save it as UTF-8".to_owned());
    }
    serde_json::from_slice(text).map_err(|error| match answer::told(text) {
        Some(told) => format!("not {what}, but {told}"),
        None => format!("not {what}: {}", escaped(&error.to_string())),
    })
}
