//! Intervals of keys.

use core::fmt;

/// An open interval of keys: those strictly between two bounds. `None` means unbounded.
///
/// Displays as text. Bytes outside printable ASCII, quotes and backslashes are escaped.
///
/// # Examples
///
/// The interval that a missing node hides:
///
/// ```
/// use carwalk::car::{SliceReader, Writer};
/// use carwalk::{ErrorKind, Repo};
///
/// # let file: &[u8] = include_bytes!("../../samples/repo.car");
/// // The sample without the node at byte 285.
/// let sections = SliceReader::new(file)?;
/// let mut partial = Writer::new(Vec::new(), sections.header().roots())?;
/// for section in sections {
///     let section = section?;
///     if section.offset() != 285 {
///         partial.write(section.cid(), section.block())?;
///     }
/// }
///
/// let repo = Repo::from_slice(partial.finish()?)?;
/// let error = repo.records().find_map(Result::err).unwrap();
/// let ErrorKind::Missing { interval: Some(interval) } = error.kind() else { panic!("{error}") };
/// assert_eq!(interval.lower.as_deref(), Some(&b"app.bsky.feed.post/3l4oanrw6e22l"[..]));
/// assert!(interval.contains(b"app.bsky.feed.post/3l4ojq5kws22l"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyInterval<K = Box<[u8]>> {
    /// All keys of the interval are above this one.
    pub lower: Option<K>,
    /// All keys of the interval are below this one.
    pub upper: Option<K>,
}

impl<K: AsRef<[u8]>> KeyInterval<K> {
    /// Returns whether a key lies strictly between the two bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::error::KeyInterval;
    ///
    /// let interval = KeyInterval { lower: Some("a"), upper: None };
    /// assert!(interval.contains(b"b") && !interval.contains(b"a"));
    /// ```
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let KeyInterval { lower, upper } = self;
        lower.as_ref().is_none_or(|lower| lower.as_ref() < key)
            && upper.as_ref().is_none_or(|upper| key < upper.as_ref())
    }

    /// Returns a copy that owns its keys, such as those of errors.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::error::KeyInterval;
    ///
    /// let owned: KeyInterval = KeyInterval { lower: None, upper: Some(b"a/b") }.to_owned();
    /// assert_eq!(owned.to_string(), "keys below \"a/b\"");
    /// ```
    #[must_use]
    pub fn to_owned(&self) -> KeyInterval {
        KeyInterval {
            lower: self.lower.as_ref().map(|key| Box::from(key.as_ref())),
            upper: self.upper.as_ref().map(|key| Box::from(key.as_ref())),
        }
    }
}

/// Returns a bound as text.
fn escaped<K: AsRef<[u8]>>(key: &Option<K>) -> Option<String> {
    key.as_ref().map(|key| key.as_ref().escape_ascii().to_string())
}

/// Writes the keys as text. Bytes outside printable ASCII, quotes and backslashes are escaped.
impl<K: AsRef<[u8]>> fmt::Debug for KeyInterval<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyInterval { lower, upper } = self;
        f.debug_struct("KeyInterval")
            .field("lower", &escaped(lower))
            .field("upper", &escaped(upper))
            .finish()
    }
}

/// Writes `all keys`, `keys below "b"`, `keys above "a"` or `keys between "a" and "b"`. Bytes
/// outside printable ASCII, quotes and backslashes are escaped.
impl<K: AsRef<[u8]>> fmt::Display for KeyInterval<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |key: &K| format!("\"{}\"", key.as_ref().escape_ascii());
        match (&self.lower, &self.upper) {
            (None, None) => f.write_str("all keys"),
            (None, Some(upper)) => write!(f, "keys below {}", quoted(upper)),
            (Some(lower), None) => write!(f, "keys above {}", quoted(lower)),
            (Some(lower), Some(upper)) => {
                write!(f, "keys between {} and {}", quoted(lower), quoted(upper))
            }
        }
    }
}

/// Serializes the bounds as texts, a missing bound as none. Bytes outside printable ASCII, quotes
/// and backslashes are escaped as in [`Display`](fmt::Display); keys that are repo paths have none.
///
/// # Examples
///
/// ```
/// use carwalk::error::KeyInterval;
///
/// let interval = KeyInterval { lower: Some("a/b"), upper: None };
/// let json = serde_json::to_string(&interval).unwrap();
/// assert_eq!(json, r#"{"lower":"a/b","upper":null}"#);
/// ```
#[cfg(feature = "serde")]
impl<K: AsRef<[u8]>> serde::Serialize for KeyInterval<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;

        let mut interval = serializer.serialize_struct("KeyInterval", 2)?;
        interval.serialize_field("lower", &escaped(&self.lower))?;
        interval.serialize_field("upper", &escaped(&self.upper))?;
        interval.end()
    }
}
