//! Opens bare trees: CARs whose first root is a node, and not a commit.

use std::io::Read;

#[cfg(feature = "redb")]
use super::BoundedLoader;
use super::Loader;
use super::open::{Load, slice_store};
use crate::error::Result;
use crate::process::Process;
use crate::repo::{Opening, Tree};
use crate::store::index::Notes;
#[cfg(feature = "redb")]
use crate::store::spill::SpillWriter;
#[cfg(feature = "redb")]
use crate::store::{AnyStore, SpillFile};
use crate::store::{CarStore, MemoryStore, SliceStore};

/// Returns the tree below the first root of a loaded CAR.
fn open<S: CarStore, P: Process>(store: S, opening: Opening<P>) -> Tree<S, P> {
    let root = store.header().root();
    Tree::of(root, store, opening)
}

impl<P: Process + Clone> Loader<P> {
    /// Reads a stream to its end and opens the tree below its first root: for CARs without a
    /// commit, which no account has signed.
    ///
    /// The root is not read yet: a root that is missing or not a node is an error of the first walk
    /// or lookup. [`Loader::commit`] and [`Loader::commits`] have no effect.
    ///
    /// # Errors
    ///
    /// - `Io` if reading fails, or if memory for a long block cannot be allocated
    /// - `LookAlike` if the input is empty, JSON, HTML, gzip data, a CAR of version 2 or a spill
    ///   file
    /// - `Truncated` if the input ends inside the header or a section
    /// - `Malformed` or `NonCanonical` if the header or a section is invalid
    /// - `Limit` if the stream, the header or a block exceeds its limit
    /// - `HashMismatch` for a block that does not have its CID
    /// - `Encode` if a processed value cannot be encoded
    /// - `Cancelled` if the progress function ends the load
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::{SliceReader, Writer};
    /// use carwalk::{Loader, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// // The sample with the root of its tree as the first root, instead of the commit.
    /// let mut bare = Writer::new(Vec::new(), &[Repo::from_slice(bytes)?.commit().data()])?;
    /// for section in SliceReader::new(bytes)? {
    ///     let section = section?;
    ///     bare.write(section.cid(), section.block())?;
    /// }
    /// let tree = Loader::new().tree_from_reader(bare.finish()?.as_slice())?;
    /// assert_eq!(tree.records().try_count()?, 40);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tree_from_reader<R: Read>(&self, reader: R) -> Result<Tree<MemoryStore, P>> {
        let mut load = Load::stream(reader, self, u64::MAX)?;
        load.run_to_end()?;
        let (store, opening) = load.into_store()?;
        Ok(open(store, opening))
    }

    /// Opens the tree below the first root of the CAR `bytes`: for CARs without a commit, which no
    /// account has signed. Nothing is copied.
    ///
    /// # Errors
    ///
    /// Those of [`tree_from_reader`](Loader::tree_from_reader) except `Io`, `Encode` and the stream
    /// limit; `Limit` if there are more than 1 TiB of bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorClass, Loader};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// // The first root of a repository is its commit, which is not a node.
    /// let tree = Loader::new().tree_from_slice(bytes)?;
    /// assert_eq!(tree.entries().try_count().unwrap_err().class(), ErrorClass::Invalid);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn tree_from_slice<B: AsRef<[u8]>>(&self, bytes: B) -> Result<Tree<SliceStore<B>, P>> {
        let load = |bytes: &[u8]| Load::slice(bytes, self, u64::MAX, Notes::new())?.into_index();
        let (store, opening) = slice_store(bytes, load)?;
        Ok(open(store, opening))
    }
}

#[cfg(feature = "redb")]
impl<P: Process + Clone> BoundedLoader<P> {
    /// Reads a stream to its end and opens the tree below its first root. If the load would exceed
    /// the memory limit, it continues in the spill file `file`, which is created only then.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::tree_from_reader`], and:
    ///
    /// - `Argument` if the segment length of `file` is out of range
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows, or in more than 2^24
    ///   segments
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::{AnyStore, SpillFile};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().memory_limit(4 << 10);
    /// let tree = loader.tree_from_reader(stream, SpillFile::temporary())?;
    /// // The sample has 12,641 bytes.
    /// assert!(matches!(tree.store(), AnyStore::File(_)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn tree_from_reader<R: Read>(
        &self,
        reader: R,
        file: SpillFile,
    ) -> Result<Tree<AnyStore, P>> {
        // Also if the file is not needed: the error must not depend on the length of the CAR.
        file.check()?;
        let mut load = Load::stream(reader, &self.loader, self.memory_limit)?;
        if load.run(self.memory_limit)? {
            let (store, opening) = load.into_store()?;
            return Ok(open(AnyStore::Memory(store), opening));
        }
        let writer = SpillWriter::new(file, self.memory_limit, load.opening.trust)?;
        let (file, opening) = load.into_file(writer)?;
        Ok(open(AnyStore::File(file.publish()?), opening))
    }

    /// Opens the tree below the first root of the CAR `bytes`. If the index would exceed the memory
    /// limit, it is written to the spill file `index`, which must be a temporary one.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::tree_from_slice`], and:
    ///
    /// - `Argument` if `index` is a kept spill file, or its segment length is out of range
    /// - `Store` if the file cannot be created, written or read
    /// - `Limit` if more is stored than [`SpillFile::max_stored`] allows
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    /// use carwalk::store::SpillFile;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().memory_limit(0);
    /// let tree = loader.tree_from_slice(bytes, SpillFile::temporary())?;
    /// assert!(tree.store().index_stored().is_some());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn tree_from_slice<B: AsRef<[u8]>>(
        &self,
        bytes: B,
        index: SpillFile,
    ) -> Result<Tree<SliceStore<B>, P>> {
        let (store, opening) = self.slice_store(bytes, index)?;
        Ok(open(store, opening))
    }
}
