//! All members of gzip data, one after the other.

use std::io::{self, Read};
use std::mem;

use flate2::bufread::GzDecoder;

use super::fault::{DecodeError, Fault};
use super::source::Source;

/// The decoded bytes of all members.
pub(super) struct Members<S>(GzDecoder<S>);

impl<'a> Members<Source<'a>> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Members(GzDecoder::new(source))
    }

    pub(super) fn get_mut(&mut self) -> &mut Source<'a> {
        self.0.get_mut()
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> Result<usize, DecodeError> {
        loop {
            let len = self.0.read(room).map_err(|error| refused(&error))?;
            if len > 0 || !self.get_mut().has_next()? {
                return Ok(len);
            }
            // The decoder reads to the end of its member and no further. It is reset, because a new
            // decoder for each small member would take twice as long.
            let source = mem::replace(self.get_mut(), Source::empty());
            self.0.reset(source);
        }
    }
}

fn refused(error: &io::Error) -> DecodeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => DecodeError::Cut,
        _ => DecodeError::Fault(Fault::Damaged),
    }
}
