//! Comparing repositories and trees.

use super::Repo;
use super::tree::Tree;
use crate::cid::Cid;
use crate::error::Result;
use crate::mst::{Diff, RowSide, TreeSide};
use crate::process::Process;
use crate::store::BlockStore;

impl<S: BlockStore, P: Process> Tree<S, P> {
    /// Returns an iterator over the changes that turn this tree into another one, in key order. The
    /// two trees may be in different stores.
    ///
    /// # Errors
    ///
    /// The iterator returns:
    ///
    /// - `Missing` if a node that is needed is missing, unless [`partial`](Diff::partial) is on
    /// - `HashMismatch` if a node does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `Store`, `Io` or `InvalidSpillFile` if a store fails
    ///
    /// [`Error::input`](crate::Error::input) is 0 for this tree and 1 for `new`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Repo, Tree};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let same = Tree::new(repo.store(), repo.commit().data());
    /// assert_eq!(repo.tree().diff(&same).count(), 0);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn diff<'o, 'n, S2: BlockStore, P2: Process>(
        &'o self,
        new: &'n Tree<S2, P2>,
    ) -> Diff<TreeSide<'o, S>, TreeSide<'n, S2>> {
        let old = TreeSide::new(self.walk(), false).of_input(0);
        let new = TreeSide::new(new.walk(), false).of_input(1);
        Diff::new(old, new)
    }

    /// Returns an iterator over the changes that turn sorted rows into this tree, in key order.
    /// Each row is a key and the CID of its record; keys ascend byte by byte. Reads every node.
    ///
    /// This is how an indexer finds out where its database differs from a repository.
    ///
    /// # Errors
    ///
    /// The iterator returns:
    ///
    /// - `Argument` if a key is empty or not above the one before it, with the row's number
    /// - the errors of the rows
    /// - `Missing` if a node is missing, unless [`partial`](Diff::partial) is on
    /// - `HashMismatch` if a node does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let rows: Vec<_> = repo.entries().map(|entry| {
    ///     let entry = entry?;
    ///     Ok((entry.path().as_str().as_bytes().to_vec(), entry.cid()))
    /// }).collect();
    /// assert_eq!(repo.tree().diff_rows(rows).count(), 0);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn diff_rows<I: IntoIterator<Item = Result<(K, Cid)>>, K: AsRef<[u8]>>(
        &self,
        rows: I,
    ) -> Diff<RowSide<I::IntoIter, K>, TreeSide<'_, S>> {
        Diff::new(RowSide::new(rows.into_iter()), TreeSide::new(self.walk(), true))
    }
}

impl<S: BlockStore, P: Process> Repo<S, P> {
    /// Returns an iterator over the changes that turn this repository's tree into that of another
    /// one, in key order. The accounts and revisions are not compared.
    ///
    /// # Errors
    ///
    /// The iterator returns:
    ///
    /// - `Missing` if a node that is needed is missing, unless [`partial`](Diff::partial) is on
    /// - `HashMismatch` if a node does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `Store`, `Io` or `InvalidSpillFile` if a store fails
    ///
    /// [`Error::input`](crate::Error::input) is 0 for this tree and 1 for `new`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::Change;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let later = bytes.to_vec();
    /// let (old, new) = (Repo::from_slice(bytes)?, Repo::from_slice(later)?);
    /// for change in old.diff(&new) {
    ///     match change? {
    ///         Change::Created { key, cid } => println!("+ {} {cid}", key.escape_ascii()),
    ///         Change::Updated { key, new, .. } => println!("~ {} {new}", key.escape_ascii()),
    ///         Change::Deleted { key, .. } => println!("- {}", key.escape_ascii()),
    ///         // Only with `partial(true)`.
    ///         Change::Unknown { interval, .. } => println!("? {interval}"),
    ///     }
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn diff<'o, 'n, S2: BlockStore, P2: Process>(
        &'o self,
        new: &'n Repo<S2, P2>,
    ) -> Diff<TreeSide<'o, S>, TreeSide<'n, S2>> {
        self.tree().diff(new.tree())
    }

    /// Returns an iterator over the changes that turn sorted rows into this repository's tree, in
    /// key order: see [`Tree::diff_rows`].
    ///
    /// # Errors
    ///
    /// The iterator returns:
    ///
    /// - `Argument` if a key is empty or not above the one before it, with the row's number
    /// - the errors of the rows
    /// - `Missing` if a node is missing, unless [`partial`](Diff::partial) is on
    /// - `HashMismatch` if a node does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Cid, Repo};
    /// use carwalk::cid::Codec;
    /// use carwalk::mst::Change;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// // A database with one record, which is none of the repository's.
    /// let cid = Cid::of(Codec::DagCbor, b"\xa0");
    /// let mut diff = repo.diff_rows([Ok(("app.bsky.feed.post/3k", cid))]);
    /// let deleted = diff.find(|change| matches!(change, Ok(Change::Deleted { .. })));
    /// assert_eq!(deleted.unwrap()?.old_cid(), Some(cid));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn diff_rows<I: IntoIterator<Item = Result<(K, Cid)>>, K: AsRef<[u8]>>(
        &self,
        rows: I,
    ) -> Diff<RowSide<I::IntoIter, K>, TreeSide<'_, S>> {
        self.tree().diff_rows(rows)
    }
}
