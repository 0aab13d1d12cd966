//! The commit of a repository from the first bytes of a stream.

use std::io::Read;

use super::Loader;
use crate::car::Reader;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::{Error, ErrorKind, Result, Structure};
use crate::repo::read_commit;
use crate::store::trust::Trust;

/// Reads a stream up to the commit of the repository in it, and no further.
///
/// For programs that need only the account or the revision. The commit is hashed; the blocks before
/// it are neither hashed nor kept. Takes one buffer of memory; most exports have the commit among
/// their first blocks. [`Loader::peek_commit`] does the same with other settings.
///
/// # Errors
///
/// - `Io` if reading fails
/// - `LookAlike`, `Truncated`, `Malformed`, `NonCanonical` or `Limit` for the bytes that were read
/// - `HashMismatch` if the commit does not have its CID
/// - `MissingCommit` if the stream ends without it
///
/// ```
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let commit = carwalk::peek_commit(stream)?;
/// assert_eq!(commit.version(), 3);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn peek_commit<R: Read>(reader: R) -> Result<Commit<'static>> {
    Loader::new().peek_commit(reader)
}

impl<P> Loader<P> {
    /// Reads a stream up to the commit of the repository in it, and no further. The commit is
    /// hashed, unless verification is off. Takes one buffer of memory.
    ///
    /// # Errors
    ///
    /// Those of [`peek_commit`]; `Argument` if [`Loader::commit`] was given a CID of the codec raw.
    ///
    /// ```
    /// use carwalk::{Limits, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().limits(Limits::new().max_stream_len(1 << 20));
    /// let commit = loader.peek_commit(stream)?;
    /// assert_eq!(commit.did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn peek_commit<R: Read>(&self, reader: R) -> Result<Commit<'static>> {
        self.settings.check()?;
        let mut reader = Reader::with_limits(reader, self.settings.limits.clone())?;
        let root = self.settings.commit(reader.header())?;
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
