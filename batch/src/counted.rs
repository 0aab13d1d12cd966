//! Numbers with their nouns, for messages.

use std::fmt;

/// A number of things: `1 block`, `2 blocks`.
///
/// # Examples
///
/// ```
/// use carwalk_batch::Counted;
///
/// assert_eq!(Counted(1, "input").to_string(), "1 input");
/// assert_eq!(Counted(0, "input").to_string(), "0 inputs");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted(pub u64, pub &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted(count, noun) = self;
        write!(f, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}
