//! Files with one JSON object after the other: keys and states.

use std::fs::File;
use std::io;
use std::path::Path;

use super::buffer::Buffer;
use super::values::{Found, Values};
use crate::failure::Cause;

/// Longest accepted object, in bytes: a DID document.
const MAX_VALUE_LEN: usize = 8 << 20;

/// Calls `take` with each object and returns at its first error, a message that is safe to print.
pub(super) fn read(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), Cause> {
    let name = format!("{path:?}");
    let unreadable = |error: io::Error| Cause::Read { name: name.clone(), error };
    let refused = |line: u64, message: &str| Cause::Settings {
        name: name.clone(),
        message: format!("line {line}: {message}"),
    };
    let mut buffer = Buffer::new(File::open(path).map_err(unreadable)?);
    let mut values = Values::new(MAX_VALUE_LEN);
    loop {
        match values.step(buffer.bytes(), buffer.is_at_end()) {
            Found::More => buffer.fill().map_err(unreadable)?,
            Found::Skip(len) => buffer.consume(len),
            Found::Value { len, line } => {
                let value = buffer.bytes().get(..len).unwrap_or_default();
                take(value).map_err(|message| refused(line, &message))?;
                buffer.consume(len);
            }
            Found::TooLong { line, .. } => {
                let message = format!("longer than {MAX_VALUE_LEN} bytes");
                return Err(refused(line, &message));
            }
            Found::End => return Ok(()),
        }
    }
}
