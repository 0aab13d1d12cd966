//! Keys that are not valid repo paths.

use carwalk::mst::Entry;
use carwalk::{Error, RepoPath, syntax};

use crate::counted::Counted;

/// Counts the keys of a repository that are not valid repo paths. Commands over many inputs count
/// with this, so that `invalid_paths` of [`Line`](crate::Line) is the same in all of them.
///
/// Most keys have the collection of the key before, which is not checked again. Memory: the longest
/// collection, and one message.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::Event;
/// use carwalk_batch::staging::InvalidPaths;
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let (mut invalid, mut walk) = (InvalidPaths::default(), repo.walk().start());
/// while let Some(event) = walk.next_event()? {
///     if let Event::Record { entry, .. } = event {
///         assert!(invalid.check(&entry).is_some());
///     }
/// }
/// assert_eq!((invalid.count(), invalid.message()), (0, None));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct InvalidPaths {
    /// The last collection that is valid.
    collection: String,
    count: u64,
    /// The message about the first.
    first: Option<String>,
}

impl InvalidPaths {
    /// Checks the key of an entry, and counts it if it is not a valid repo path. Returns its two
    /// halves, also if their syntax is invalid; `None` if the key does not have two.
    #[inline]
    pub fn check<'e>(&mut self, entry: &Entry<'e>) -> Option<RepoPath<'e>> {
        let path = match entry.path() {
            Ok(path) => path,
            Err(error) => {
                self.add(&error);
                return None;
            }
        };
        if path.collection() != self.collection || !syntax::is_record_key(path.record_key()) {
            self.check_syntax(entry);
        }
        Some(path)
    }

    fn check_syntax(&mut self, entry: &Entry<'_>) {
        match entry.strict_path() {
            Ok(path) => path.collection().clone_into(&mut self.collection),
            Err(error) => self.add(&error),
        }
    }

    #[cold]
    fn add(&mut self, error: &Error) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert_with(|| error.to_string());
    }

    /// Returns the number of keys that are not valid repo paths.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns a message with the number and the first of them; `None` if there are none.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let are = if self.count == 1 { "is" } else { "are" };
        let (paths, first) = (Counted(self.count, "path"), self.first.as_ref()?);
        Some(format!("{paths} {are} invalid, the first: {first}"))
    }
}
