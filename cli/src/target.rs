//! The record of a command: `collection/rkey`, or an AT URI.

use std::str::FromStr;

use carwalk::{Commit, RepoPath, RepoPathBuf, syntax};

use crate::failure::Cause;

/// A repo path, and the account that its repository must have, if the URI names one.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) did: Option<String>,
    pub(crate) path: RepoPathBuf,
}

impl Target {
    /// Fails if the URI names an account that is not the commit's.
    pub(crate) fn check_account(&self, commit: &Commit<'_>) -> Result<(), Cause> {
        match &self.did {
            None => Ok(()),
            Some(did) => Ok(commit.verify_account(did)?),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("at://") else {
            return Ok(Target { did: None, path: path(text)? });
        };
        let (authority, rest) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Target { did: Some(authority_did(authority)?), path: path(rest)? })
    }
}

fn authority_did(authority: &str) -> Result<String, String> {
    if authority.starts_with("did:") {
        return did(authority);
    }
    Err("no DID in the AT URI: a CAR does not have the account's handle; give the DID, or only \
         collection/rkey"
        .to_owned())
}

fn path(text: &str) -> Result<RepoPathBuf, String> {
    let path = RepoPath::parse(text.as_bytes());
    path.map(|path| path.to_owned())
        .map_err(|error| format!("not collection/rkey: {}", error.kind()))
}

/// Reads a DID.
pub(crate) fn did(text: &str) -> Result<String, String> {
    if syntax::is_did(text) {
        Ok(text.to_owned())
    } else {
        Err("not a DID, like did:plc:ewvi7nxzyoun6zhxrhs64oiz".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_uris_name_a_record() {
        let plain: Target = "com.example.test/self".parse().unwrap();
        assert_eq!(
            (plain.did.as_deref(), plain.path.as_path().as_str()),
            (None, "com.example.test/self")
        );
        let uri: Target = "at://did:web:example.com/com.example.test/a:b".parse().unwrap();
        assert_eq!(uri.did.as_deref(), Some("did:web:example.com"));
        assert_eq!(uri.path.as_path().as_str(), "com.example.test/a:b");
    }

    #[test]
    fn what_names_no_record_is_refused() {
        let refused = |text: &str| text.parse::<Target>().unwrap_err();
        for text in ["", "self", "a/b/c", "/a", "a/", "a/b c", "a/\u{e9}", "http://a/b"] {
            assert!(refused(text).starts_with("not collection/rkey: "), "{text}");
        }
        for text in [
            "at://did:plc:a",
            "at://did:plc:a/",
            "at://did:plc:a/b",
            "at://did:plc:a/b/c/",
            "at://did:plc:a/b/c#d",
        ] {
            assert!(refused(text).starts_with("not collection/rkey: "), "{text}");
        }
        for text in ["at://", "at:///b/c", "at://example.com/b/c", "at://DID:plc:a/b/c"] {
            assert!(refused(text).starts_with("no DID in the AT URI"), "{text}");
        }
        assert!(refused("at://did:plc/b/c").starts_with("not a DID"));
    }
}
