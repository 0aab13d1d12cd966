//! Blocks in a store.

use core::fmt;

use crate::cid::Cid;

/// Whether stored bytes are the block itself or a processed value.
///
/// # Examples
///
/// ```
/// use carwalk::Loader;
/// use carwalk::mst::Event;
/// use carwalk::store::Form;
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Loader::new().process(|record| record.len() as u64).from_reader(stream)?;
/// let mut walk = repo.walk().start();
/// while let Some(event) = walk.next_event()? {
///     // The 8 stored bytes of each length.
///     assert!(matches!(event, Event::Record { form: Form::Value, block: [_, .., _], .. }));
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// The block itself.
    #[default]
    Original,
    /// The value that a process function made of the block while it was loaded: see
    /// [`Loader::process`](crate::Loader::process).
    Value,
}

/// The bytes of a block in a store, with its offset and form.
///
/// A store of the library also marks blocks that it has verified; [`map`](Block::map) keeps the
/// mark.
///
/// # Examples
///
/// A store of blocks with their offsets, so that errors have them:
///
/// ```
/// use std::collections::HashMap;
///
/// use carwalk::cid::{Cid, Codec};
/// use carwalk::store::{Block, BlockStore};
/// use carwalk::{Repo, Result};
///
/// #[derive(Debug)]
/// struct Rows(HashMap<Cid, (u64, Vec<u8>)>);
///
/// impl BlockStore for Rows {
///     type Bytes<'a> = &'a [u8];
///
///     fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
///         Ok(self.0.get(cid).map(|(offset, bytes)| Block::new(&bytes[..]).at(*offset)))
///     }
/// }
///
/// // An empty map instead of a commit.
/// let cid = Cid::of(Codec::DagCbor, b"\xa0");
/// let rows = Rows(HashMap::from([(cid, (1234, b"\xa0".to_vec()))]));
/// let error = Repo::from_store(rows, cid).unwrap_err();
/// assert_eq!(error.position().offset(), Some(1234));
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Block<B> {
    /// The bytes.
    pub bytes: B,
    /// Whether the bytes are the block itself.
    pub form: Form,
    /// The offset of the block's section in the CAR that it came from, if the store knows it.
    pub offset: Option<u64>,
    /// The CID that the block was verified to have, if a store or a walk hashed it and its bytes
    /// cannot have changed since.
    pub(crate) verified: Option<Cid>,
}

impl<B> Block<B> {
    /// Creates a block in its original form, without an offset. A walk verifies it.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::store::{Block, BlockStore};
    /// use carwalk::{ErrorKind, Repo, Result};
    ///
    /// /// A store with the same bytes for every CID.
    /// #[derive(Debug)]
    /// struct Wrong;
    ///
    /// impl BlockStore for Wrong {
    ///     type Bytes<'a> = &'a [u8];
    ///
    ///     fn get(&self, _: &Cid) -> Result<Option<Block<&[u8]>>> {
    ///         Ok(Some(Block::new(b"wrong")))
    ///     }
    /// }
    ///
    /// let error = Repo::from_store(Wrong, Cid::of(Codec::DagCbor, b"right")).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::HashMismatch { .. }));
    /// ```
    pub fn new(bytes: B) -> Self {
        Block { bytes, form: Form::Original, offset: None, verified: None }
    }

    /// Converts the bytes with `f` and keeps the offset, the form and the verification mark. For
    /// stores that wrap another store.
    ///
    /// `f` must return the same bytes in another type: a verified block is not hashed again.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::Block;
    ///
    /// let block = Block::new("value").at(1234).processed();
    /// let owned = block.map(|text| text.as_bytes().to_vec());
    /// assert_eq!(owned.bytes, b"value");
    /// assert_eq!((owned.offset, owned.form), (Some(1234), block.form));
    /// ```
    #[inline]
    pub fn map<C>(self, f: impl FnOnce(B) -> C) -> Block<C> {
        Block {
            bytes: f(self.bytes),
            form: self.form,
            offset: self.offset,
            verified: self.verified,
        }
    }

    /// Marks the bytes as the value that a process function made of the block. A walk cannot
    /// verify it and trusts the store.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::{Block, BlockStore};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Loader::new().process(|record| record.len() as u64).from_reader(stream)?;
    /// let first = repo.records().next().unwrap()?;
    /// let stored = repo.store().get(&first.cid())?.unwrap();
    /// // A store of your own returns this block for a record of 128 bytes.
    /// let own = Block::new(128_u64.to_le_bytes()).processed();
    /// assert_eq!((own.form, &own.bytes[..]), (stored.form, stored.bytes));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn processed(mut self) -> Self {
        self.form = Form::Value;
        self
    }

    /// Marks the block with the CID that it was verified to have.
    #[inline]
    pub(crate) fn verified(mut self, cid: Option<Cid>) -> Self {
        self.verified = cid;
        self
    }

    /// Sets the offset of the block's section in its CAR, in bytes. Errors about the block have it.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{Block, BlockStore, CarStore, SliceStore};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let store = SliceStore::new(bytes)?;
    /// let commit = store.get(&store.header().root())?.unwrap();
    /// // A copy in a store of your own: the header takes 59 bytes.
    /// let copy = Block::new(commit.bytes.to_vec()).at(59);
    /// assert_eq!(copy.offset, commit.offset);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Block<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Block");
        debug
            .field("len", &self.bytes.as_ref().len())
            .field("form", &self.form)
            .field("offset", &self.offset)
            .finish()
    }
}
