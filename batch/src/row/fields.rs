//! The members of a record that are columns of their own.

use std::borrow::Cow;

use super::items::{Head, Items, MAP};
use super::time::datetime_micros;

/// `createdAt` and `subject` of a record, as far as it has them.
///
/// Odd records have fields too:
///
/// - Of a repeated key, the first member counts, here and in a `subject` that is a map. The JSON of
///   such a map is its CBOR, so `record` does not show the member.
/// - The order of keys is irrelevant, and items may have any length or form that CBOR allows.
/// - Of bytes that are not CBOR, the members before the first fault count.
/// - A record that is not a map has no fields. A tagged text is not a text.
///
/// Nothing allocates, except texts of indefinite length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    created_at: Option<i64>,
    subject: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Reads the fields of a record, which may be any bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk_batch::row::Fields;
    ///
    /// // {"subject": {"uri": "at://..", "cid": ".."}, "createdAt": "1970-01-01T00:00:01Z"}
    /// let record = b"\xa2\x67subject\xa2\x63uri\x67at://..\x63cid\x62..\
    ///     \x69createdAt\x741970-01-01T00:00:01Z";
    /// let fields = Fields::of(record);
    /// assert_eq!(fields.created_at(), Some(1_000_000));
    /// assert_eq!(fields.subject(), Some("at://.."));
    /// assert_eq!(Fields::of(b"not CBOR"), Fields::default());
    /// ```
    #[must_use]
    pub fn of(record: &'a [u8]) -> Self {
        let mut search = Search { items: Items::new(record), fields: Fields::default() };
        // Faults are not errors: the members before them count.
        let _: Option<()> = search.run();
        search.fields
    }

    /// Returns the time in `createdAt`, in microseconds since 1970, if
    /// [`datetime_micros`](super::datetime_micros) accepts it.
    #[must_use]
    pub fn created_at(&self) -> Option<i64> {
        self.created_at
    }

    /// Returns `subject` if it is a text, or `subject.uri` if that is. Never empty.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }
}

/// The pass over a record.
struct Search<'a> {
    items: Items<'a>,
    fields: Fields<'a>,
}

impl<'a> Search<'a> {
    /// Reads the record up to the second of the two fields.
    fn run(&mut self) -> Option<()> {
        let Head { major: MAP, number } = self.items.head()? else { return None };
        let (mut members, mut has_time, mut has_subject) = (Members(number), false, false);
        while members.next(&mut self.items)? {
            let [is_time, is_subject] = self.items.is_one_of(["createdAt", "subject"])?;
            if is_time && !has_time {
                has_time = true;
                let text = self.items.text()?;
                self.fields.created_at = text.as_deref().and_then(datetime_micros);
            } else if is_subject && !has_subject {
                has_subject = true;
                self.subject()?;
            } else {
                self.items.skip()?;
            }
            if has_time && has_subject {
                break;
            }
        }
        Some(())
    }

    fn subject(&mut self) -> Option<()> {
        let head = self.items.head()?;
        let Head { major: MAP, number } = head else {
            self.fields.subject = self.items.text_after(head)?.filter(|text| !text.is_empty());
            return Some(());
        };
        let (mut members, mut has_uri) = (Members(number), false);
        while members.next(&mut self.items)? {
            let [is_uri] = self.items.is_one_of(["uri"])?;
            if is_uri && !has_uri {
                has_uri = true;
                self.fields.subject = self.items.text()?.filter(|text| !text.is_empty());
            } else {
                self.items.skip()?;
            }
        }
        Some(())
    }
}

/// The number of members of a map that are still to come; `None` if a break ends it.
struct Members(Option<u64>);

impl Members {
    /// Returns whether there is another member.
    #[inline]
    fn next(&mut self, items: &mut Items<'_>) -> Option<bool> {
        let Some(left) = &mut self.0 else { return Some(!items.accept_break()) };
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => return Some(false),
        }
        Some(true)
    }
}
