//! Rows: the entries of a tree as text, one in a line, as `ls` prints them.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::mem;
use std::path::Path;
use std::rc::Rc;

use carwalk::Cid;
use carwalk::limits::MAX_KEY_LEN;

use crate::escape::{self, InvalidEscape};
use crate::failure::Cause;

/// Longest accepted line in bytes, without its line break. An escaped key takes at most 4,096 of
/// them, and a CID 59.
const MAX_LINE_LEN: usize = 64 << 10;

/// A reader of rows: `path TAB cid`, in ascending order of the keys' bytes. Further columns are
/// ignored. Keys are unescaped as `ls --partial` escapes them.
///
/// Allocates nothing per row once its buffers have grown, if only the last key is held. After an
/// error or the end, every later call returns `None`.
pub(crate) struct Rows<R> {
    input: R,
    /// The name of the input, safe to print.
    name: String,
    /// The number of the last line, from 1 on.
    number: u64,
    line: Vec<u8>,
    key: Key,
    /// The key of the row before; empty before the second row.
    previous: Key,
    is_done: bool,
    /// The error that ended the iterator.
    error: Option<RowError>,
}

/// The key of a row.
#[derive(Clone, Default)]
pub(crate) struct Key(Rc<Vec<u8>>);

impl AsRef<[u8]> for Key {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'r> {
    /// 1 to 1,024 bytes.
    pub(crate) key: &'r [u8],
    pub(crate) cid: Cid,
}

/// An error of rows, with the name of the input and the number of the line.
#[derive(Debug)]
pub(crate) struct RowError {
    name: String,
    number: u64,
    fault: Fault,
}

/// What is wrong with a row.
#[derive(Debug)]
enum Fault {
    Io(io::Error),
    LongLine,
    NoTab,
    EmptyKey,
    LongKey { found: usize },
    Escape(InvalidEscape),
    Cid,
    Repeated,
    NotSorted,
}

impl Rows<Box<dyn BufRead>> {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, Cause> {
        if path == Path::new("-") {
            return Ok(Rows::new(Box::new(io::stdin().lock()), "standard input".to_owned()));
        }
        let name = format!("{path:?}");
        match File::open(path) {
            Ok(file) => {
                let input = BufReader::with_capacity(MAX_LINE_LEN, file);
                Ok(Rows::new(Box::new(input), name))
            }
            Err(error) => Err(Cause::Read { name, error }),
        }
    }
}

impl<R: BufRead> Rows<R> {
    /// Creates a reader. `name` is the name of the input, safe to print.
    pub(crate) fn new(input: R, name: String) -> Self {
        let (line, key, previous) = (Vec::new(), Key::default(), Key::default());
        Rows { input, name, number: 0, line, key, previous, is_done: false, error: None }
    }

    /// Reads the next row, or returns `None` at the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row<'_>>, RowError> {
        if self.is_done {
            return Ok(None);
        }
        let parsed =
            self.read_line().and_then(|is_there| is_there.then(|| self.parse()).transpose());
        self.is_done = !matches!(parsed, Ok(Some(_)));
        match parsed {
            Ok(cid) => Ok(cid.map(|cid| Row { key: self.key.as_ref(), cid })),
            Err(fault) => Err(RowError { name: self.name.clone(), number: self.number, fault }),
        }
    }

    /// Returns the error that ended the iterator, once.
    pub(crate) fn take_error(&mut self) -> Option<RowError> {
        self.error.take()
    }

    /// Reads a line without its line break. Returns false at the end of the input.
    fn read_line(&mut self) -> Result<bool, Fault> {
        let Rows { input, line, .. } = self;
        line.clear();
        self.number = self.number.saturating_add(1);
        let most = (MAX_LINE_LEN as u64).saturating_add(1);
        input.by_ref().take(most).read_until(b'\n', line).map_err(Fault::Io)?;
        let is_there = !line.is_empty();
        if line.pop_if(|last| *last == b'\n').is_none() && line.len() > MAX_LINE_LEN {
            return Err(Fault::LongLine);
        }
        Ok(is_there)
    }

    /// Parses the line: sets the key, and returns the CID.
    fn parse(&mut self) -> Result<Cid, Fault> {
        let Rows { line, key, previous, .. } = self;
        mem::swap(key, previous);
        let mut columns = line.split(|&byte| byte == b'\t');
        let text = columns.next().unwrap_or_default();
        let cid = columns.next().ok_or(Fault::NoTab)?;
        // A key that is still held is left as it is.
        let key = Rc::make_mut(&mut key.0);
        key.clear();
        escape::unescape_key(text, key).map_err(Fault::Escape)?;
        match key.len() {
            0 => return Err(Fault::EmptyKey),
            1..=MAX_KEY_LEN => {}
            found => return Err(Fault::LongKey { found }),
        }
        // Before the second row, the previous key is empty and below every other.
        match key.as_slice().cmp(previous.as_ref()) {
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Equal => return Err(Fault::Repeated),
            std::cmp::Ordering::Less => return Err(Fault::NotSorted),
        }
        let cid = std::str::from_utf8(cid).ok().and_then(|cid| cid.parse().ok());
        cid.ok_or(Fault::Cid)
    }
}

/// An error of the iterator only says that there is one: [`Rows::take_error`] returns it.
impl<R: BufRead> Iterator for Rows<R> {
    type Item = carwalk::Result<(Key, Cid)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_row() {
            Ok(row) => row.map(|row| row.cid).map(|cid| Ok((self.key.clone(), cid))),
            Err(error) => {
                let told = io::Error::other(error.to_string());
                self.error = Some(error);
                Some(Err(told.into()))
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(error) => error.fmt(f),
            Fault::LongLine => write!(f, "longer than {MAX_LINE_LEN} bytes"),
            Fault::NoTab => f.write_str("no tab: expected path, tab, CID, as `ls` prints them"),
            Fault::EmptyKey => f.write_str("the path is empty"),
            Fault::LongKey { found } => {
                write!(f, "the path has {found} bytes, more than {MAX_KEY_LEN}")
            }
            Fault::Escape(error) => write!(f, "the path has {error}"),
            Fault::Cid => f.write_str("the second column is not a CID"),
            Fault::Repeated => f.write_str("the path is the same as in the line before"),
            Fault::NotSorted => f.write_str(
                "the path is below that of the line before: rows must be in ascending order of \
                 their bytes",
            ),
        }
    }
}

/// Writes the number of the line and the fault, without the name of the input.
impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.fault)
    }
}

impl From<RowError> for Cause {
    fn from(error: RowError) -> Self {
        let message = error.to_string();
        match error {
            RowError { name, fault: Fault::Io(error), .. } => Cause::Read { name, error },
            RowError { name, .. } => Cause::Document { name, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use carwalk::cid::Codec;

    use super::*;

    fn cid(name: &str) -> Cid {
        Cid::of(Codec::DagCbor, name.as_bytes())
    }

    fn text(keys: &[&str]) -> Vec<u8> {
        keys.iter().flat_map(|key| format!("{key}\t{}\n", cid(key)).into_bytes()).collect()
    }

    /// All keys, and the error after them.
    fn read(input: impl Read) -> (Vec<Vec<u8>>, Option<RowError>) {
        let mut rows = Rows::new(BufReader::with_capacity(1, input), "rows".to_owned());
        let mut keys = Vec::new();
        loop {
            match rows.next_row() {
                Ok(Some(row)) => keys.push(row.key.to_vec()),
                Ok(None) => return (keys, None),
                Err(error) => {
                    assert!(matches!(rows.next_row(), Ok(None)));
                    return (keys, Some(error));
                }
            }
        }
    }

    /// Asserts that two rows are read and then this error of line 3, and that the input is valid
    /// with `valid` in the place of `line`.
    #[track_caller]
    fn refused(line: &[u8], valid: &[u8], message: &str) {
        let before = text(&["a/1", "a/2"]);
        let (keys, error) = read(&[&before, line].concat()[..]);
        assert_eq!(keys, [b"a/1", b"a/2"]);
        let error = error.unwrap();
        assert_eq!(error.to_string(), format!("line 3: {message}"));
        let Cause::Document { name, .. } = error.into() else { panic!() };
        assert_eq!(name, "rows");
        let (keys, error) = read(&[&before, valid].concat()[..]);
        assert!(keys.len() == 3 && error.is_none(), "{error:?}");
    }

    #[test]
    fn rows_are_keys_and_cids() {
        let input = text(&["a/1", "a/10", "a/2", "b/1"]);
        let mut rows = Rows::new(&input[..], String::new());
        for key in ["a/1", "a/10", "a/2", "b/1"] {
            assert_eq!(rows.next_row().unwrap(), Some(Row { key: key.as_bytes(), cid: cid(key) }));
        }
        assert_eq!(rows.next_row().unwrap(), None);
        assert_eq!(read(&b""[..]).0.len(), 0);
        // Further columns, and a last line without a line break.
        let line = format!("a/1\t{}\t128\tmore\na/2\t{}", cid("a"), cid("b"));
        assert_eq!(read(line.as_bytes()).0, [b"a/1", b"a/2"]);
        let raw = format!("a/1\t{}\n", Cid::of(Codec::Raw, b""));
        assert_eq!(read(raw.as_bytes()).0, [b"a/1"]);
    }

    #[test]
    fn the_iterator_has_the_same_rows_and_keeps_the_error() {
        let input = [&text(&["a/1", "a/10", "a/2"])[..], b"a/2\n"].concat();
        let mut rows = Rows::new(&input[..], "rows".to_owned());
        // Keys that are held are not overwritten.
        let read: Vec<_> = rows.by_ref().map_while(Result::ok).collect();
        let read: Vec<_> = read.iter().map(|(key, cid)| (key.as_ref(), *cid)).collect();
        let expected = ["a/1", "a/10", "a/2"].map(|key| (key.as_bytes(), cid(key)));
        assert_eq!(read, expected);
        assert!(rows.next().is_none());
        assert!(rows.take_error().unwrap().to_string().starts_with("line 4: no tab"));
        assert!(rows.take_error().is_none());
    }

    #[test]
    fn keys_take_two_buffers_if_only_the_last_is_held() {
        let keys: Vec<_> = (100..200).map(|number| number.to_string()).collect();
        let input = text(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        let mut rows = Rows::new(&input[..], String::new());
        let (mut held, mut buffers) = (None, std::collections::HashSet::new());
        while let Some(Ok((key, _))) = rows.next() {
            buffers.insert(key.as_ref().as_ptr());
            held = Some(key);
        }
        assert_eq!((held.unwrap().as_ref(), buffers.len()), (&b"199"[..], 2));
    }

    #[test]
    fn keys_are_unescaped_before_they_are_compared() {
        // The order of the escaped texts is another one.
        let keys: [&[u8]; 4] = [b"\x01", b"A\t\n\"\\", b"B", b"\xff\x00"];
        let lines = keys.map(|key| format!("{}\t{}\n", key.escape_ascii(), cid("a")));
        assert!(!lines.is_sorted());
        assert_eq!(read(lines.concat().as_bytes()).0, keys);
    }

    #[test]
    fn wrong_lines_are_named() {
        let cid = cid("a");
        let row = |key: &str| format!("{key}\t{cid}\n").into_bytes();
        let good = row("a/3");
        refused(b"a/3\n", &good, "no tab: expected path, tab, CID, as `ls` prints them");
        refused(b"\n", &good, "no tab: expected path, tab, CID, as `ls` prints them");
        refused(&row(""), &good, "the path is empty");
        let not_a_cid = "the second column is not a CID";
        refused(b"a/3\t\n", &good, not_a_cid);
        refused(b"a/3\tbafy\n", &good, not_a_cid);
        refused(b"a/3\t\xff\n", &good, not_a_cid);
        refused(format!("a/3\t{cid}\r\n").as_bytes(), &good, not_a_cid);
        refused(format!("a/3\t{}", &cid.to_string()[..58]).as_bytes(), &good, not_a_cid);
        refused(&row("a/2"), &good, "the path is the same as in the line before");
        // The same key in another form.
        refused(&row(r"a\x2f2"), &good, "the path is the same as in the line before");
        for key in ["a/1", "a/", "Z/9", "a/1z"] {
            refused(
                &row(key),
                &good,
                "the path is below that of the line before: rows must be in ascending order of \
                 their bytes",
            );
        }
        refused(
            &row(r"a/3\q"),
            &row(r"a/3\\"),
            r#"the path has a backslash that begins none of \\ \" \' \t \n \r and \x with two hex digits"#,
        );
    }

    #[test]
    fn lengths_are_limited() {
        let cid = cid("a");
        let row = |len: usize| format!("{}\t{cid}\n", "b".repeat(len)).into_bytes();
        refused(&row(1025), &row(1024), "the path has 1025 bytes, more than 1024");
        // Four characters for each byte.
        let escaped = |len: usize| format!("{}\t{cid}\n", r"\xff".repeat(len)).into_bytes();
        refused(&escaped(1025), &escaped(1024), "the path has 1025 bytes, more than 1024");
        let line = |len: usize| {
            let line = format!("b\t{cid}\t");
            format!("{line}{}", "c".repeat(len - line.len())).into_bytes()
        };
        refused(&line(MAX_LINE_LEN + 1), &line(MAX_LINE_LEN), "longer than 65536 bytes");
        let with_end = |len: usize| [&line(len)[..], b"\n"].concat();
        refused(&with_end(MAX_LINE_LEN + 1), &with_end(MAX_LINE_LEN), "longer than 65536 bytes");
    }

    #[test]
    fn an_endless_line_is_not_read_to_its_end() {
        let mut rows = Rows::new(BufReader::new(io::repeat(b'a')), "rows".to_owned());
        assert!(rows.next_row().is_err());
        assert!(rows.line.capacity() <= 4 * MAX_LINE_LEN);
    }

    #[test]
    fn rows_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let Err(Cause::Read { name, .. }) = Rows::open(&path) else { panic!() };
        assert_eq!(name, format!("{path:?}"));
        std::fs::write(&path, [&text(&["a/1"])[..], b"a/2\n"].concat()).unwrap();
        let mut rows = Rows::open(&path).unwrap();
        assert_eq!(rows.next_row().unwrap().unwrap().key, b"a/1");
        let Cause::Document { name, message } = rows.next_row().unwrap_err().into() else {
            panic!()
        };
        assert_eq!((name, &message[..15]), (format!("{path:?}"), "line 2: no tab:"));
    }

    #[test]
    fn io_errors_are_not_rows() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::TimedOut.into())
            }
        }
        let input = text(&["a/1"]);
        let (keys, error) = read(input.chain(Broken));
        assert_eq!(keys, [b"a/1"]);
        let Cause::Read { name, error } = error.unwrap().into() else { panic!() };
        assert_eq!((name.as_str(), error.kind()), ("rows", io::ErrorKind::TimedOut));
    }
}
