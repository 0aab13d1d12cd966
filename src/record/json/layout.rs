//! The layout of JSON.

/// The layout of JSON that [`write_json`](super::write_json()) writes. Default: `Compact`.
///
/// # Examples
///
/// ```
/// use carwalk::record::{Layout, write_json};
///
/// // {"v": [1]}
/// let mut out = Vec::new();
/// write_json(b"\xa1\x61v\x81\x01", &mut out, Layout::Compact)?;
/// assert_eq!(out, b"{\"v\":[1]}");
/// out.clear();
/// write_json(b"\xa1\x61v\x81\x01", &mut out, Layout::Indented)?;
/// assert_eq!(out, b"{\n  \"v\": [\n    1\n  ]\n}");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "JSON is on one line or on several")]
pub enum Layout {
    /// One line without spaces between items.
    #[default]
    Compact,
    /// One line for each member and item, indented by two spaces a level.
    Indented,
}
