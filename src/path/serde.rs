//! Serde for repo paths, as their text.

use core::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{RepoPath, RepoPathBuf};

/// Serializes the text of the path.
///
/// # Examples
///
/// ```
/// let path = carwalk::RepoPath::try_from("app.bsky.actor.profile/self")?;
/// assert_eq!(serde_json::to_value(path)?, "app.bsky.actor.profile/self");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Serialize for RepoPath<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Serializes the text of the path.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
///
/// use carwalk::RepoPathBuf;
///
/// let path: RepoPathBuf = "app.bsky.actor.profile/self".parse()?;
/// // A text, so also a key of an object in JSON.
/// let lens = BTreeMap::from([(path, 128)]);
/// assert_eq!(serde_json::to_string(&lens)?, r#"{"app.bsky.actor.profile/self":128}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Serialize for RepoPathBuf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_path().serialize(serializer)
    }
}

/// Deserializes a text that [`RepoPath::parse`] accepts.
///
/// # Examples
///
/// ```
/// use carwalk::{RepoPathBuf, decode};
///
/// // A text of 27 bytes in DAG-CBOR.
/// let path: RepoPathBuf = decode(b"\x78\x1bapp.bsky.actor.profile/self")?;
/// assert_eq!(path.record_key(), "self");
/// assert!(decode::<RepoPathBuf>(b"\x64self").is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
impl<'de> Deserialize<'de> for RepoPathBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = RepoPathBuf;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a repo path")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RepoPathBuf, E> {
                RepoPath::parse(text.as_bytes()).map(|path| path.to_owned()).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}
