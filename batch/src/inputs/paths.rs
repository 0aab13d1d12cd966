//! Lists of paths, one for each line.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use super::ListError;

/// Longest accepted line, in bytes. No system has paths that long.
const MAX_LINE: u64 = 1 << 20;

/// Calls `add` for each line that is not empty.
pub(super) fn each(
    list: impl Read,
    name: &str,
    mut add: impl FnMut(PathBuf),
) -> Result<(), ListError> {
    let mut list = BufReader::new(list);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = list.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let len = read.map_err(|error| ListError::Read { list: name.to_owned(), error })?;
        if len == 0 {
            break;
        }
        let refuse = |fault| ListError::Line { list: name.to_owned(), line: number, fault };
        if len as u64 == MAX_LINE && line.last() != Some(&b'\n') {
            return Err(refuse("it is too long for a path"));
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        // Tools of Windows end lines with CR LF.
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text == b"-" {
            return Err(ListError::StandardInput { list: name.to_owned(), line: number });
        }
        if !text.is_empty() {
            add(path(text).ok_or_else(|| refuse("it is not UTF-8"))?);
        }
    }
    Ok(())
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have paths that are text")]
fn path(text: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(text)))
}

#[cfg(not(unix))]
fn path(text: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(text).ok().map(PathBuf::from)
}
