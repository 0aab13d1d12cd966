//! Paths in serde: their text.

use core::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{RepoPath, RepoPathBuf};

/// The text.
impl Serialize for RepoPath<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The text.
impl Serialize for RepoPathBuf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_path().serialize(serializer)
    }
}

/// Accepts texts that [`RepoPath::parse`] accepts.
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
