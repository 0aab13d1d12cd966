//! Lookups of one key, with three answers.

use core::fmt;

use super::key::Layer;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, KeyInterval, Result, Structure};

/// The answer to the lookup of one key in a tree that may be partial.
///
/// [`Repo::get`](crate::Repo::get) and [`Tree::get_key`](crate::Tree::get_key) return it. Each
/// answer is valid for every tree with this root, whatever the missing blocks contain, provided
/// that blocks are verified. The entries before and after a key do not prove that it is absent: a
/// missing subtree between them may have it.
///
/// # Examples
///
/// ```
/// use carwalk::{Lookup, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let repo = Repo::from_slice(bytes)?;
/// # let mut bytes = Vec::new();
/// # repo.prove().key("app.bsky.actor.profile/self").write(&mut bytes)?;
/// // A proof of one record: a partial CAR with the commit, one node and one record.
/// let repo = Repo::from_slice(&bytes)?;
/// let Lookup::Present { record: Some(record), .. } = repo.get("app.bsky.actor.profile/self")?
/// else {
///     panic!()
/// };
/// assert_eq!(record.bytes().len(), 128);
/// // The entry of this like is in the node, but its record is not in the CAR.
/// let like = repo.get("app.bsky.feed.like/3l4ntayhb422l")?;
/// assert!(matches!(like, Lookup::Present { record: None, .. }));
/// // The node that would have the entry of this one is missing.
/// let Lookup::Unknown(gap) = repo.get("app.bsky.feed.like/3l4npkxvnm22l")? else { panic!() };
/// assert_eq!(gap.layer.unwrap().get(), 0);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer")]
pub enum Lookup<V> {
    /// The tree has the key.
    Present {
        /// The CID of the record.
        cid: Cid,
        /// The record, or `None` if it is missing.
        record: Option<V>,
    },
    /// The tree does not have the key.
    Absent,
    /// The node that would decide is missing: this gap hides the key.
    Unknown(Gap),
}

impl<V> Lookup<V> {
    /// Returns the record, or `None` if the key is absent or unknown, or if the record is missing.
    /// [`into_result`](Lookup::into_result) tells these apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let profile = repo.get("app.bsky.actor.profile/self")?.record();
    /// assert_eq!(profile.unwrap().bytes().len(), 128);
    /// assert!(repo.get("app.bsky.actor.profile/other")?.record().is_none());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn record(self) -> Option<V> {
        match self {
            Lookup::Present { record, .. } => record,
            Lookup::Absent | Lookup::Unknown(_) => None,
        }
    }

    /// Returns the CID of the record if the key is present, whether the record is missing or not.
    /// `None` if the key is absent or unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let repo = Repo::from_slice(bytes)?;
    /// # let mut bytes = Vec::new();
    /// # repo.prove().range(..).records(false).write(&mut bytes)?;
    /// // A CAR with all nodes and no records.
    /// let repo = Repo::from_slice(&bytes)?;
    /// let profile = repo.get("app.bsky.actor.profile/self")?;
    /// assert!(profile.cid().is_some());
    /// assert!(profile.record().is_none());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn cid(&self) -> Option<Cid> {
        match self {
            Lookup::Present { cid, .. } => Some(*cid),
            Lookup::Absent | Lookup::Unknown(_) => None,
        }
    }

    /// Returns the record, or `None` if the key is absent. A missing node or record is an error.
    ///
    /// # Errors
    ///
    /// `Missing`, with the CID, if the record or the node that would decide is missing. For a node,
    /// the error has the interval of keys that it hides.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorKind, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let repo = Repo::from_slice(bytes)?;
    /// # let mut bytes = Vec::new();
    /// # repo.prove().key("app.bsky.actor.profile/self").write(&mut bytes)?;
    /// // A proof of one record: the nodes beside its search path are missing.
    /// let repo = Repo::from_slice(&bytes)?;
    /// assert!(repo.get("app.bsky.actor.profile/self")?.into_result()?.is_some());
    /// let like = repo.get("app.bsky.feed.like/3l4npkxvnm22l")?;
    /// let error = like.into_result().unwrap_err();
    /// let ErrorKind::Missing { interval: Some(interval) } = error.kind() else { panic!() };
    /// assert!(interval.contains(b"app.bsky.feed.like/3l4npkxvnm22l"));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn into_result(self) -> Result<Option<V>> {
        match self {
            Lookup::Present { record: Some(record), .. } => Ok(Some(record)),
            Lookup::Present { cid, record: None } => {
                let error = Error::new(ErrorKind::Missing { interval: None });
                Err(error.in_structure(Structure::Record).of_cid(cid))
            }
            Lookup::Absent => Ok(None),
            Lookup::Unknown(Gap { cid, interval, .. }) => {
                let error = Error::new(ErrorKind::Missing { interval: Some(interval) });
                Err(error.in_structure(Structure::Node).of_cid(cid))
            }
        }
    }

    /// Converts the record.
    pub(crate) fn try_map<T>(self, f: impl FnOnce(Cid, V) -> Result<T>) -> Result<Lookup<T>> {
        Ok(match self {
            Lookup::Present { cid, record } => {
                let record = record.map(|record| f(cid, record)).transpose()?;
                Lookup::Present { cid, record }
            }
            Lookup::Absent => Lookup::Absent,
            Lookup::Unknown(gap) => Lookup::Unknown(gap),
        })
    }
}

/// Writes whether there is a record instead of the record.
impl<V> fmt::Debug for Lookup<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lookup::Present { cid, record } => {
                let mut debug = f.debug_struct("Present");
                debug.field("cid", cid).field("has_record", &record.is_some()).finish()
            }
            Lookup::Absent => f.write_str("Absent"),
            Lookup::Unknown(gap) => f.debug_tuple("Unknown").field(gap).finish(),
        }
    }
}

/// A missing node and the interval of keys below it.
///
/// [`Lookup::Unknown`] has one, and [`Walk::gaps`](super::Walk::gaps) returns all of a range. With
/// the feature `serde`, it is serialized as
/// `{"cid": {"$link": ".."}, "interval": {"lower": "..", "upper": ".."}, "layer": 0}`.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let repo = Repo::from_slice(bytes)?;
/// # let mut bytes = Vec::new();
/// # repo.prove().key("app.bsky.actor.profile/self").write(&mut bytes)?;
/// // A proof of one record: the nodes beside its search path are missing.
/// let repo = Repo::from_slice(&bytes)?;
/// let gap = repo.walk().gaps().next().unwrap()?;
/// assert!(gap.to_string().ends_with(
///     r#"hides keys between "app.bsky.actor.profile/self" and "app.bsky.feed.like/3l4ntayhb422l""#
/// ));
/// # #[cfg(feature = "serde")]
/// assert_eq!(serde_json::to_value(&gap).unwrap()["cid"]["$link"], gap.cid.to_string());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Gap {
    /// The CID of the node.
    pub cid: Cid,
    /// The interval of keys that the subtree below the node can have.
    pub interval: KeyInterval,
    /// The layer of the node; `None` for the root.
    pub layer: Option<Layer>,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node {} is missing, which hides {}", self.cid, self.interval)
    }
}
