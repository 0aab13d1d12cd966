//! Opens bare trees: CARs whose first root is a node, and not a commit.

use std::io::Read;

use super::{BoundedLoader, Loader};
use crate::cid::Cid;
use crate::error::Result;
use crate::process::Process;
use crate::repo::Tree;
#[cfg(feature = "redb")]
use crate::store::{AnyStore, SpillFile};
use crate::store::{BlockStore, CarStore, MemoryStore, SliceStore};

impl<P: Process + Clone> Loader<P> {
    /// Reads a stream to its end and opens the tree below its first root: for CARs without a
    /// commit, which no account has signed.
    ///
    /// The root is not read yet: a root that is missing or not a node is an error of the first walk
    /// or lookup. [`Loader::commit`] and [`Loader::commits`] choose nothing here.
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
    /// - `Argument` if the CID that [`Loader::commit`] was given has the codec raw
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
        Ok(self.loaded_tree(self.load_reader(reader)?, u64::MAX))
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
        Ok(self.loaded_tree(self.load_slice(bytes)?, u64::MAX))
    }

    /// Opens the tree below the node `root` in a store. Unlike [`Tree::new`], with the settings of
    /// this loader: its process function, strict paths, and whether blocks are verified.
    ///
    /// Reads nothing yet. Nothing is loaded, so [`Limits`](crate::Limits), `salvage`, `threads` and
    /// `progress` have no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loader, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let loader = Loader::new().process(|record| record.len());
    /// # let root = Repo::from_slice(bytes)?.commit().data();
    /// let tree = loader.tree_from_store(loader.load_slice(bytes)?, root);
    /// assert_eq!(tree.records().next().unwrap()?.into_value(), 128);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn tree_from_store<S: BlockStore>(&self, store: S, root: Cid) -> Tree<S, P> {
        self.stored_tree(store, root, u64::MAX)
    }

    fn stored_tree<S: BlockStore>(&self, store: S, root: Cid, memory_limit: u64) -> Tree<S, P> {
        let mut opening = self.opening(memory_limit);
        opening.trust = opening.trust.in_any_store();
        Tree::of(root, store, opening)
    }

    /// Returns the tree below the first root of a CAR that this loader loaded.
    fn loaded_tree<S: CarStore>(&self, store: S, memory_limit: u64) -> Tree<S, P> {
        let root = store.header().root();
        Tree::of(root, store, self.opening(memory_limit))
    }
}

impl<P: Process + Clone> BoundedLoader<P> {
    /// Opens the tree below the node `root` in a store.
    ///
    /// The limit of a walk is an eighth of the memory limit, but at least 1 MiB. Otherwise the same
    /// as [`Loader::tree_from_store`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loader, Repo};
    /// use carwalk::store::SliceStore;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let root = Repo::from_slice(bytes)?.commit().data();
    /// let loader = Loader::new().memory_limit(16 << 20);
    /// let tree = loader.tree_from_store(SliceStore::new(bytes)?, root);
    /// assert_eq!(tree.entries().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn tree_from_store<S: BlockStore>(&self, store: S, root: Cid) -> Tree<S, P> {
        self.loader.stored_tree(store, root, self.memory_limit)
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
        Ok(self.loader.loaded_tree(self.load_reader(reader, file)?, self.memory_limit))
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
        Ok(self.loader.loaded_tree(self.load_slice(bytes, index)?, self.memory_limit))
    }
}
