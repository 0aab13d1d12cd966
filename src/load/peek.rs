//! The commit of a repository from the first bytes of a stream.

use std::io::Read;

use super::{Loader, Memory};
use crate::car::Reader;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::{Error, ErrorKind, Result, Structure};
use crate::process::Process;
use crate::repo::read_commit;
use crate::store::trust::Trust;

/// Reads a stream up to the commit of the repository in it, and no further.
///
/// For those who only want to know account or revision. The commit is hashed; the blocks before it
/// are neither hashed nor kept. Takes one buffer of memory; most exports have the commit among
/// their first blocks. [`Loader::peek_commit`] does it with other settings.
///
/// # Errors
///
/// `Io` if reading fails; `LookAlike`, `Truncated`, `Malformed`, `NonCanonical` or `Limit` for what
/// was read; `HashMismatch` for the commit; `MissingCommit` if the stream ends without it.
///
/// ```
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let commit = carwalk::peek_commit(stream)?;
/// assert_eq!(commit.version(), 3);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn peek_commit<R: Read>(input: R) -> Result<Commit<'static>> {
    Loader::new().peek_commit(input)
}

impl<M: Memory, P: Process> Loader<'_, M, P> {
    /// Reads a stream up to the commit of the repository in it, and no further. The commit is
    /// hashed, unless no block is. One buffer of memory is taken, whatever the memory limit.
    ///
    /// # Errors
    ///
    /// As [`peek_commit`].
    pub fn peek_commit<R: Read>(self, input: R) -> Result<Commit<'static>> {
        let mut reader = Reader::with_limits(input, self.settings.limits)?;
        let root = reader.header().commit()?;
        let hash = self.settings.trust != Trust::Unchecked;
        let found = find(&mut reader, root, |block| read_commit(root, block, self.commits, hash));
        found.map_err(|error| error.in_structure(Structure::Commit).of_cid(root))
    }
}

/// Reads on to the section with the CID of the commit.
fn find<R: Read>(
    reader: &mut Reader<R>,
    root: Cid,
    read: impl Fn(&[u8]) -> Result<Commit<'static>>,
) -> Result<Commit<'static>> {
    while let Some(section) = reader.read_section()? {
        if section.cid() == root {
            return read(section.block()).map_err(|error| error.at(Some(section.offset())));
        }
    }
    Err(Error::new(ErrorKind::MissingCommit))
}
