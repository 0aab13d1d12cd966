//! Intervals of keys.

use core::fmt;

/// An open interval of keys: what lies strictly between two keys, where `None` is no bound.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyInterval<K = Box<[u8]>> {
    /// The key that all keys of the interval are above.
    pub lower: Option<K>,
    /// The key that all keys of the interval are below.
    pub upper: Option<K>,
}

impl<K: AsRef<[u8]>> KeyInterval<K> {
    /// The same interval with keys of its own.
    #[must_use]
    pub fn to_owned(&self) -> KeyInterval {
        KeyInterval {
            lower: self.lower.as_ref().map(|key| Box::from(key.as_ref())),
            upper: self.upper.as_ref().map(|key| Box::from(key.as_ref())),
        }
    }
}

/// Names the keys as texts, control characters escaped.
impl<K: AsRef<[u8]>> fmt::Debug for KeyInterval<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted =
            |key: &Option<K>| key.as_ref().map(|key| key.as_ref().escape_ascii().to_string());
        let KeyInterval { lower, upper } = self;
        f.debug_struct("KeyInterval")
            .field("lower", &quoted(lower))
            .field("upper", &quoted(upper))
            .finish()
    }
}

/// Writes `all keys`, `keys below "b"`, `keys above "a"` or `keys between "a" and "b"`, control
/// characters escaped.
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
