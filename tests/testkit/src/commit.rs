//! The signed commit of a repository. Every field can be changed, moved or removed.

use crate::cbor::Value;
use crate::cid::Cid;

/// The DID of a commit unless a test sets another.
pub const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
/// The revision of a commit unless a test sets another.
pub const REV: &str = "3l4zyhoqkbk2c";

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// The CID of the tree's root, known when the commit is encoded.
    TreeRoot,
    /// Any value that a test sets.
    Value(Value),
}

/// A commit: its fields in the order in which they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Names and values.
    pub fields: Vec<(String, Field)>,
    /// The block to write in place of the encoded fields.
    pub bytes_override: Option<Vec<u8>>,
}

impl Default for Commit {
    /// A valid commit of version 3 in canonical order.
    fn default() -> Self {
        let commit = Self { fields: Vec::new(), bytes_override: None };
        commit
            .set("did", Value::text(DID))
            .set("rev", Value::text(REV))
            .set("sig", Value::Bytes(signature()))
            .add("data", Field::TreeRoot)
            .set("prev", Value::Null)
            .set("version", Value::Uint(3))
    }
}

impl Commit {
    /// A commit of version 2: without a revision, with a link to the previous commit.
    pub fn version_2(prev: Cid) -> Self {
        Self::default().remove("rev").set("prev", Value::Link(prev)).set("version", Value::Uint(2))
    }

    /// Replaces the value of a field, or adds the field at the end.
    #[must_use]
    pub fn set(mut self, name: &str, value: Value) -> Self {
        match self.fields.iter_mut().find(|(own, _)| own == name) {
            Some((_, field)) => {
                *field = Field::Value(value);
                self
            }
            None => self.add(name, Field::Value(value)),
        }
    }

    /// Adds a field at the end, even if there is one of that name.
    #[must_use]
    pub fn add(mut self, name: &str, field: Field) -> Self {
        self.fields.push((name.to_owned(), field));
        self
    }

    /// Removes a field.
    ///
    /// # Panics
    ///
    /// Panics if there is none of that name.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        let index = self.fields.iter().position(|(own, _)| own == name).expect("no such field");
        self.fields.remove(index);
        self
    }

    /// Brings the fields into canonical order.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.fields.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        self
    }

    /// The commit as CBOR, ignoring [`Commit::bytes_override`].
    pub fn to_value(&self, root: &Cid) -> Value {
        let fields = self.fields.iter().map(|(name, field)| match field {
            Field::TreeRoot => (name.clone(), Value::Link(*root)),
            Field::Value(value) => (name.clone(), value.clone()),
        });
        Value::map(fields)
    }

    /// The commit's block, for a tree with this root.
    pub fn encode(&self, root: &Cid) -> Vec<u8> {
        self.bytes_override.clone().unwrap_or_else(|| self.to_value(root).encode())
    }
}

/// 64 bytes in the form of a signature, with s below half the order of either curve. They verify
/// with no key; `Commit::signed` (feature `signing`) makes valid signatures.
pub fn signature() -> Vec<u8> {
    (1..=64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_in_canonical_order() {
        let commit = Commit::default();
        assert_eq!(commit.clone().sorted(), commit);
        let names: Vec<_> = commit.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["did", "rev", "sig", "data", "prev", "version"]);
    }

    #[test]
    fn version_2_has_no_revision() {
        let value = Commit::version_2(Cid::raw(b"")).to_value(&Cid::raw(b""));
        assert_eq!(value.get("rev"), None);
        assert_eq!(value.get("version"), Some(&Value::Uint(2)));
    }
}
