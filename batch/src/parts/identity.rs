//! The identity of a folder of parts.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::PartsError;

/// The file with the identity: 16 hex digits and a line break.
const NAME: &str = ".carwalk-run";
const DIGITS: usize = 16;
const LEN: usize = DIGITS + 1;

/// The identity of a folder: random digits in a file, so that a report knows its folder after the
/// folder was moved, and no other.
pub(super) struct Identity {
    path: PathBuf,
    state: State,
}

enum State {
    Known(String),
    /// The file was not written to its end. No part was written after that.
    Torn,
    None,
}

impl Identity {
    /// Reads the identity of a folder, which need not exist. Writes nothing.
    pub(super) fn of(folder: &Path) -> Result<Self, PartsError> {
        let path = folder.join(NAME);
        match read(&path) {
            Ok(state) => Ok(Identity { path, state }),
            Err(error) => Err(PartsError::Io { path, error }),
        }
    }

    /// Returns the identity if the folder has one.
    pub(super) fn known(&self) -> Option<&str> {
        match &self.state {
            State::Known(digits) => Some(digits),
            State::Torn | State::None => None,
        }
    }

    /// Returns the identity. If the folder has none, writes one and syncs it.
    pub(super) fn establish(self) -> Result<String, PartsError> {
        let Identity { path, state } = self;
        let done = match state {
            State::Known(digits) => return Ok(digits),
            State::Torn => fs::remove_file(&path).and_then(|()| write(&path)),
            State::None => write(&path),
        };
        done.map_err(|error| PartsError::Io { path, error })
    }
}

fn read(path: &Path) -> io::Result<State> {
    match fs::symlink_metadata(path) {
        // A path below a file is refused when the folder is created.
        Err(error) if is_absent(&error) => return Ok(State::None),
        Err(error) => return Err(error),
        // To open a pipe could wait for ever.
        Ok(metadata) if !metadata.is_file() => return Err(foreign()),
        Ok(_) => {}
    }
    // One byte more shows whether the file is longer.
    let mut text = Vec::new();
    File::open(path)?.take(LEN.saturating_add(1) as u64).read_to_end(&mut text)?;
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    match text.split_last() {
        Some((b'\n', digits)) if digits.len() == DIGITS && digits.iter().all(is_digit) => {
            Ok(State::Known(String::from_utf8_lossy(digits).into_owned()))
        }
        _ if text.len() <= LEN && text.iter().all(|byte| is_digit(byte) || *byte == 0) => {
            Ok(State::Torn)
        }
        _ => Err(foreign()),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn foreign() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not the identity of a folder of parts")
}

fn write(path: &Path) -> io::Result<String> {
    // Its keys are random.
    let digits = format!("{:016x}", RandomState::new().hash_one(std::time::SystemTime::now()));
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(format!("{digits}\n").as_bytes())?;
    file.sync_all()?;
    crate::report::sync_parent(path);
    Ok(digits)
}
