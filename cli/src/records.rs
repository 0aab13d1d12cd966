//! `verify --records`: reports the oddities of records.

use std::fmt;
use std::io::{self, Write};

use carwalk::mst::Entry;
use carwalk::record::OddItem;
use serde::Serialize;

use crate::contents::{Contents, Kind, ODDITIES_COUNTED, ODDITIES_PRINTED, Rest};
use crate::counts::add;
use crate::escape::Quoted;
use crate::output::{Counted, Output};
use crate::remembered::Remembered;
use crate::skipped::Unreadable;

/// Longest record in bytes that is not odd.
const MAX_RECORD_LEN: usize = 1_000_000;

/// Most oddities of all records that the JSON lists. The others are counted.
const ODDITIES_LISTED: usize = 1_000;

/// Most characters of a `$type` that are printed.
const TYPE_CHARS: usize = 100;

/// The oddities of all records.
#[derive(Default, Serialize)]
pub(crate) struct OddRecords {
    odd_records: u64,
    #[serde(flatten)]
    report: Report,
    /// The contents of long records.
    #[serde(skip)]
    known: Remembered<Contents<'static>>,
}

/// The oddities, printed or listed.
#[derive(Default, Serialize)]
struct Report {
    /// Whether oddities are listed for the JSON, and not printed.
    #[serde(skip)]
    is_listed: bool,
    oddities: u64,
    first_oddities: Vec<Listed>,
}

/// An oddity in the JSON.
#[derive(Serialize)]
struct Listed {
    path: String,
    place: String,
    byte: Option<u64>,
    what: String,
}

/// The location of an oddity: the entry, the path in the record (empty for the record as a whole),
/// and the byte in the record, if there is one.
#[derive(Clone, Copy)]
struct Place<'a> {
    entry: Entry<'a>,
    within: &'a str,
    byte: Option<u64>,
}

impl OddRecords {
    /// Creates an empty report. Oddities are either listed for the JSON, or printed when found.
    pub(crate) fn new(is_listed: bool) -> Self {
        OddRecords { report: Report { is_listed, ..Report::default() }, ..Self::default() }
    }

    /// Returns whether there are any oddities.
    pub(crate) fn any(&self) -> bool {
        self.report.oddities > 0
    }

    /// Checks a record.
    pub(crate) fn check(
        &mut self,
        entry: Entry<'_>,
        record: &[u8],
        out: &mut Output,
    ) -> io::Result<()> {
        let before = self.report.oddities;
        let whole = Place { entry, within: "", byte: None };
        let len = record.len();
        if len > MAX_RECORD_LEN {
            self.report.add(whole, format_args!("{len} bytes, more than {MAX_RECORD_LEN}"), out)?;
        }
        match Unreadable::check(entry) {
            Ok(()) => self.check_contents(whole, record, out)?,
            Err(why) => self.report.add(whole, format_args!("{}", why.reason()), out)?,
        }
        if self.report.oddities > before {
            add(&mut self.odd_records, 1);
        }
        Ok(())
    }

    /// Checks a record against the data model. A long record that was seen before is not read
    /// again.
    fn check_contents(
        &mut self,
        whole: Place<'_>,
        record: &[u8],
        out: &mut Output,
    ) -> io::Result<()> {
        let OddRecords { report, known, .. } = self;
        let (cid, len) = (whole.entry.cid(), record.len());
        if let Some(contents) = known.get(&cid, len) {
            return report.contents(whole, contents, out);
        }
        let contents = Contents::of(record);
        report.contents(whole, &contents, out)?;
        known.insert_with(cid, len, || contents.into_owned());
        Ok(())
    }
}

impl Report {
    /// Reports the oddities in the contents of a record.
    fn contents(
        &mut self,
        whole: Place<'_>,
        contents: &Contents<'_>,
        out: &mut Output,
    ) -> io::Result<()> {
        for odd in &contents.first {
            let place = Place { within: odd.path(), byte: byte(odd), ..whole };
            self.add(place, format_args!("{}", odd.oddity()), out)?;
        }
        self.add_rest(whole, contents.found, out)?;
        match &contents.rest {
            Rest::Refused { byte, why } => {
                let place = Place { byte: *byte, ..whole };
                self.add(place, format_args!("{}", why.reason()), out)
            }
            Rest::Type(kind) => self.kind(whole, kind, out),
        }
    }

    /// Reports a `$type` that is not the collection.
    fn kind(&mut self, whole: Place<'_>, kind: &Kind<'_>, out: &mut Output) -> io::Result<()> {
        let place = Place { within: "$type", ..whole };
        let path = whole.entry.path();
        match kind {
            Kind::Missing => self.add(place, format_args!("missing"), out),
            Kind::Other => self.add(place, format_args!("not a text"), out),
            Kind::Text(text) if path.is_ok_and(|path| path.collection() != text) => {
                let text = Quoted(text, TYPE_CHARS);
                self.add(place, format_args!("{text} is not the collection"), out)
            }
            Kind::Text(_) | Kind::Unknown => Ok(()),
        }
    }

    /// Reports the number of oddities beyond those that were reported one by one.
    fn add_rest(&mut self, whole: Place<'_>, found: u64, out: &mut Output) -> io::Result<()> {
        let more = found.saturating_sub(ODDITIES_PRINTED);
        if more == 0 {
            return Ok(());
        }
        add(&mut self.oddities, more);
        if self.is_listed {
            return Ok(());
        }
        let least = if found < ODDITIES_COUNTED { "" } else { "at least " };
        writeln!(out, "{}\t\tand {least}{more} more", whole.path())
    }

    /// Counts an oddity, and prints or lists it.
    #[cold]
    fn add(
        &mut self,
        place: Place<'_>,
        what: fmt::Arguments<'_>,
        out: &mut Output,
    ) -> io::Result<()> {
        add(&mut self.oddities, 1);
        let (path, within) = (place.path(), place.within);
        if !self.is_listed {
            return writeln!(out, "{path}\t{within}\t{what}");
        }
        if self.first_oddities.len() < ODDITIES_LISTED {
            let (byte, what) = (place.byte, what.to_string());
            self.first_oddities.push(Listed { path, place: within.to_owned(), byte, what });
        }
        Ok(())
    }
}

impl fmt::Display for OddRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = Counted(self.odd_records, "odd record");
        match self.report.oddities {
            0 => write!(f, "nothing odd"),
            1 => write!(f, "{records} with 1 oddity"),
            more => write!(f, "{records} with {more} oddities"),
        }
    }
}

impl Place<'_> {
    /// Returns the path of the record, or its escaped key if that is not a path.
    fn path(&self) -> String {
        match self.entry.path() {
            Ok(path) => path.as_str().to_owned(),
            Err(_) => self.entry.key().escape_ascii().to_string(),
        }
    }
}

/// Returns the offset of an item in its record.
fn byte(odd: &OddItem) -> Option<u64> {
    u64::try_from(odd.within()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_entry;

    /// Checks two records under the same entry, and returns how many oddities each check added.
    fn checked(records: [&[u8]; 2]) -> [u64; 2] {
        let (mut odd, mut out) = (OddRecords::new(true), Output::new(None));
        with_entry(|entry| {
            records.map(|record| {
                odd.check(entry, record, &mut out).unwrap();
                std::mem::take(&mut odd.report.oddities)
            })
        })
    }

    /// The second record has other bytes, so equal counts mean that the result was remembered.
    #[test]
    fn only_a_long_record_is_read_once() {
        // An array of floats, and a map without a `$type`.
        let floats = |count: u16| {
            [&[0x99][..], &count.to_be_bytes(), &[0xf9, 0x3c, 0].repeat(usize::from(count))]
                .concat()
        };
        let map = |len: u16| {
            [&b"\xa1\x61a\x59"[..], &len.to_be_bytes(), &vec![0; usize::from(len)]].concat()
        };
        assert_eq!(checked([&floats(1400), &map(5000)]), [1000, 1000]);
        assert_eq!(checked([&map(5000), &floats(1400)]), [1, 1]);
        assert_eq!(checked([&floats(300), &map(300)]), [301, 1]);
    }
}
