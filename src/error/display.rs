//! The message of an error.

use core::fmt;

use super::{Error, ErrorKind, Inner, Structure};

impl Error {
    /// Returns whether the argument at fault is a text other than a key.
    fn is_of_text(&self) -> bool {
        let is_value = self.0.structure == Structure::Value;
        is_value && matches!(self.0.kind, ErrorKind::Malformed(_) | ErrorKind::PublicKey(_))
    }

    /// Writes the structure at fault, its CID and its offset.
    fn write_structure(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.structure, self.0.cid) {
            // What displays the error names the message or the operation.
            (Structure::Value | Structure::Message | Structure::Operation, None) => return Ok(()),
            // Bytes outside a CAR, compared with this CID.
            (Structure::Value, Some(cid)) => write!(f, "block {cid}")?,
            (structure, None) => write!(f, "{structure}")?,
            (structure, Some(cid)) => write!(f, "{structure} {cid}")?,
        }
        if let Some(offset) = self.0.offset {
            write!(f, " at byte {offset}")?;
        }
        f.write_str(": ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, structure, within, key, path, input, .. } = &*self.0;
        if let Some(path) = path {
            write!(f, "{path:?}: ")?;
        }
        if let Some(input) = input {
            write!(f, "input {input}: ")?;
        }
        self.write_structure(f)?;
        write!(f, "{kind}")?;
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
        let Inner { kind, structure, offset, within, cid, key, path, input, .. } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("structure", structure)
            .field("offset", offset)
            .field("within", within)
            .field("cid", cid)
            .field("key", &key.as_ref().map(|key| key.escape_ascii().to_string()))
            .field("path", path)
            .field("input", input)
            .finish()
    }
}
