//! `verify --records`: what is odd about the contents of records.

use std::fmt;
use std::io::{self, Write};

use carwalk::mst::Entry;
use carwalk::record;
use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::decode;
use serde::Serialize;

use crate::counts::add;
use crate::escape::Quoted;
use crate::output::{Counted, Output};
use crate::skipped::Unreadable;

/// Longest record in bytes that is not odd.
const MAX_RECORD_LEN: usize = 1_000_000;

/// Departures of one record from the data model that are reported one by one; the rest are counted.
const ODDITIES_PRINTED: u64 = 20;

/// Departures of one record that are counted. The place of each takes time, and many entries can
/// have the same record.
const ODDITIES_COUNTED: u64 = 1_000;

/// Oddities of all records that the JSON lists; the rest are counted.
const ODDITIES_LISTED: usize = 1_000;

/// Characters of a `$type` that are printed.
const TYPE_CHARS: usize = 100;

/// The oddities of all records.
#[derive(Default, Serialize)]
pub(crate) struct OddRecords {
    /// Whether they are listed for the JSON, and not printed.
    #[serde(skip)]
    is_listed: bool,
    odd_records: u64,
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

/// Where an oddity is: the entry, the place in the record, empty for the record as a whole, and the
/// byte in the record if there is one.
#[derive(Clone, Copy)]
struct Place<'a> {
    entry: Entry<'a>,
    within: &'a str,
    byte: Option<u64>,
}

impl OddRecords {
    /// Returns none yet, either to be listed for the JSON or to be printed as they are found.
    pub(crate) fn new(is_listed: bool) -> Self {
        OddRecords { is_listed, ..Self::default() }
    }

    /// Returns whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.oddities > 0
    }

    /// Checks a record.
    pub(crate) fn check(
        &mut self,
        entry: Entry<'_>,
        record: &[u8],
        out: &mut Output,
    ) -> io::Result<()> {
        let before = self.oddities;
        let whole = Place { entry, within: "", byte: None };
        let len = record.len();
        if len > MAX_RECORD_LEN {
            self.report(whole, format_args!("{len} bytes, more than {MAX_RECORD_LEN}"), out)?;
        }
        match Unreadable::check(entry) {
            Ok(()) => self.check_items(whole, record, out)?,
            Err(why) => self.report(whole, format_args!("{}", why.reason()), out)?,
        }
        if self.oddities > before {
            add(&mut self.odd_records, 1);
        }
        Ok(())
    }

    /// Checks a record against the data model.
    fn check_items(&mut self, whole: Place<'_>, record: &[u8], out: &mut Output) -> io::Result<()> {
        let (mut found, mut refusal) = (0_u64, None);
        for odd in record::oddities(record) {
            match odd {
                Ok(odd) => {
                    found = found.saturating_add(1);
                    if found <= ODDITIES_PRINTED {
                        let byte = u64::try_from(odd.within()).ok();
                        let place = Place { within: odd.path(), byte, ..whole };
                        self.report(place, format_args!("{}", odd.oddity()), out)?;
                    }
                }
                Err(error) => refusal = Some(error),
            }
            if found >= ODDITIES_COUNTED {
                break;
            }
        }
        self.report_rest(whole, found, out)?;
        match refusal {
            Some(error) => {
                let place = Place { byte: error.position().within(), ..whole };
                self.report(place, format_args!("{}", Unreadable::Error(error).reason()), out)
            }
            None => self.check_type(whole, record, out),
        }
    }

    /// Checks that the type is the collection. Of a record that is not a map, or that has a key of
    /// bad text before its type, nothing is reported here: that is an oddity of its own.
    fn check_type(&mut self, whole: Place<'_>, record: &[u8], out: &mut Output) -> io::Result<()> {
        let place = Place { within: "$type", ..whole };
        let path = whole.entry.path();
        match type_of(record) {
            Err(_) => Ok(()),
            Ok(Kind::Missing) => self.report(place, format_args!("missing"), out),
            Ok(Kind::Other) => self.report(place, format_args!("not a text"), out),
            Ok(Kind::Text(text)) if path.is_ok_and(|path| path.collection() != text) => {
                let text = Quoted(text, TYPE_CHARS);
                self.report(place, format_args!("{text} is not the collection"), out)
            }
            Ok(Kind::Text(_)) => Ok(()),
        }
    }

    /// Reports how many oddities were found beyond those reported.
    fn report_rest(&mut self, whole: Place<'_>, found: u64, out: &mut Output) -> io::Result<()> {
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
    fn report(
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
        match self.oddities {
            0 => write!(f, "nothing odd"),
            1 => write!(f, "{records} with 1 oddity"),
            more => write!(f, "{records} with {more} oddities"),
        }
    }
}

impl Place<'_> {
    /// The path of the record. A key that is not a path is escaped.
    fn path(&self) -> String {
        match self.entry.path() {
            Ok(path) => path.as_str().to_owned(),
            Err(_) => self.entry.key().escape_ascii().to_string(),
        }
    }
}

/// The `$type` of a record.
enum Kind<'r> {
    Missing,
    Text(&'r str),
    /// Not a text, or one of indefinite length.
    Other,
}

/// Reads the `$type` of a record that is CBOR; the first, if there are several.
fn type_of(record: &[u8]) -> Result<Kind<'_>, decode::Error> {
    let mut decoder = Decoder::new(record);
    let mut left = decoder.map()?;
    while left != Some(0) {
        if left.is_none() && decoder.datatype()? == Type::Break {
            break;
        }
        left = left.map(|left| left.saturating_sub(1));
        let is_type = decoder.probe().str().is_ok_and(|key| key == "$type");
        decoder.skip()?;
        if !is_type {
            decoder.skip()?;
        } else if decoder.datatype()? == Type::String {
            return Ok(decoder.str().map_or(Kind::Other, Kind::Text));
        } else {
            return Ok(Kind::Other);
        }
    }
    Ok(Kind::Missing)
}
