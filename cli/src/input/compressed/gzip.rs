//! All members of gzip data, one after the other.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::Fault;
use super::source::Source;

/// The decoded bytes of all members.
pub(super) struct Members<S>(Option<GzDecoder<S>>);

impl<'a> Members<Source<'a>> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Members(Some(GzDecoder::new(source)))
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut Source<'a>> {
        self.0.as_mut().map(GzDecoder::get_mut)
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> Result<usize, Fault> {
        while let Some(member) = &mut self.0 {
            let len = member.read(room).map_err(|error| fault(&error))?;
            if len > 0 || !member.get_mut().has_next()? {
                return Ok(len);
            }
            // The decoder reads its member to the end, and nothing after it.
            self.0 = self.0.take().map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

fn fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Cut,
        _ if error.to_string().contains("checksum") => Fault::Checksum,
        _ => Fault::Damaged,
    }
}
