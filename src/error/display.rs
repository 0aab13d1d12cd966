//! The message of an error.

use core::fmt;

use super::{Error, ErrorKind, Inner, Structure};

impl Error {
    /// Returns whether the argument at fault is a text other than a key.
    fn is_of_text(&self) -> bool {
        let is_value = self.0.structure == Structure::Value;
        is_value && matches!(self.0.kind, ErrorKind::Malformed(_) | ErrorKind::PublicKey(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, structure, offset, within, cid, key, path, .. } = &*self.0;
        if let Some(path) = path {
            write!(f, "{path:?}: ")?;
        }
        let mut separator = "";
        if *structure != Structure::Value {
            write!(f, "{structure}")?;
            if let Some(cid) = cid {
                write!(f, " {cid}")?;
            }
            if let Some(offset) = offset {
                write!(f, " at byte {offset}")?;
            }
            separator = ": ";
        }
        write!(f, "{separator}{kind}")?;
        if let Some(within) = within {
            write!(f, ", at byte {within} of the {structure}")?;
        }
        if let Some(key) = key {
            let name = if self.is_of_text() { "text" } else { "key" };
            write!(f, ", {name} \"{}\"", key.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, structure, offset, within, cid, key, path, .. } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("structure", structure)
            .field("offset", offset)
            .field("within", within)
            .field("cid", cid)
            .field("key", &key.as_ref().map(|key| key.escape_ascii().to_string()))
            .field("path", path)
            .finish()
    }
}
