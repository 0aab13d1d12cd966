//! Reads the commit of a repository from the first bytes of a stream.

use std::io::Read;

use super::Loader;
use crate::car::Reader;
use crate::commit::Commit;
use crate::error::{Error, ErrorKind, Result, Structure};
use crate::repo::read_commit;
use crate::store::trust::Trust;

/// Reads a stream until the commit of the repository in it is complete.
///
/// For programs that need only the account or the revision. Most exports have the commit among
/// their first blocks. The commit is verified; the blocks before it are neither hashed nor kept.
/// The memory is one buffer of 64 KiB, which doubles while a section does not fit into it; it may
/// be filled beyond the commit. [`Loader::peek_commit`] does the same with other settings.
///
/// # Errors
///
/// - `Io` if reading fails, or if memory for a long block cannot be allocated
/// - `LookAlike` if the input is empty, JSON, HTML, gzip data, a CAR of version 2 or a spill file
/// - `LookAlike` if the commit is a tree node
/// - `Truncated` if the stream ends inside the header or a section before the commit's end
/// - `Malformed` or `NonCanonical` if the header, a section up to the commit, or the commit is
///   invalid
/// - `Limit` if the stream, the header or a block exceeds its limit, or the commit a fixed one
/// - `HashMismatch` if the commit does not have its CID
/// - `MissingCommit` if the stream ends without the commit
///
/// # Examples
///
/// ```
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// // The first 300 of 12,641 bytes are enough.
/// let commit = carwalk::peek_commit(&stream[..300])?;
/// assert_eq!(commit.did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
/// assert_eq!(commit.rev(), "3l4ozvcohu22l");
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn peek_commit<R: Read>(reader: R) -> Result<Commit<'static>> {
    Loader::new().peek_commit(reader)
}

impl<P> Loader<P> {
    /// Reads a stream until the commit of the repository in it is complete. The commit is verified,
    /// unless verification is off.
    ///
    /// [`limits`](Loader::limits), [`verification`](Loader::verification),
    /// [`commits`](Loader::commits) and [`commit`](Loader::commit) apply; other settings have no
    /// effect. The memory is that of [`peek_commit`].
    ///
    /// # Errors
    ///
    /// Those of [`peek_commit`]; `Argument` if the CID that [`Loader::commit`] was given has the
    /// codec raw.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorClass, Limits, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let within = |bytes| Loader::new().limits(Limits::new().max_stream_len(bytes));
    /// // The section of the commit ends at byte 285.
    /// assert_eq!(within(285).peek_commit(stream)?.rev(), "3l4ozvcohu22l");
    /// assert_eq!(within(284).peek_commit(stream).unwrap_err().class(), ErrorClass::Limit);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn peek_commit<R: Read>(&self, reader: R) -> Result<Commit<'static>> {
        self.settings.check()?;
        let mut reader = Reader::with_limits(reader, self.settings.limits.clone())?;
        let root = self.settings.commit(reader.header())?;
        let hash = self.settings.trust != Trust::Unchecked;
        while let Some(section) = reader.read_section()? {
            if section.cid() == root {
                let commit = read_commit(root, section.block(), self.commits, hash);
                return commit.map_err(|error| error.at(Some(section.offset())));
            }
        }
        Err(Error::new(ErrorKind::MissingCommit).in_structure(Structure::Commit).of_cid(root))
    }
}
