//! Bytes after the last good section of a CAR, and truncated sections.

use std::io::{self, Read};

use carwalk_batch::compressed::Format;
use carwalk_batch::header::begins_like_car;

use super::{Evidence, GAP_LEN, MOST_COUNTED, Shortage, unit};
use crate::escape::Quoted;
use crate::output::Counted;

/// Bytes after the last section that are examined to identify them.
const START_LEN: usize = 64;

/// Most characters of text that are printed.
const TEXT_LEN: usize = 40;

/// A block that is declared to be longer than the limit.
pub(super) struct LongBlock {
    pub(super) max: u64,
    pub(super) found: u64,
}

/// Explains the bytes after the last good section of a CAR, from `offset` on.
pub(super) fn what(
    offset: u64,
    long: Option<LongBlock>,
    evidence: &mut dyn Evidence,
) -> Option<String> {
    let first = head_of(offset, evidence);
    let most = evidence.most().saturating_sub(offset).min(MOST_COUNTED);
    let mut bytes = evidence.from(offset)?;
    let mut start = Vec::new();
    bytes.by_ref().take(START_LEN as u64).read_to_end(&mut start).ok()?;
    if start.is_empty() {
        return None;
    }
    if begins_like_car(&start) {
        let second = offset.saturating_add(1);
        return Some(format!(
            "a second CAR begins here: {first} is the first, `tail -c +{second}` the second"
        ));
    }
    if let Some(format) = Format::of(&start) {
        return Some(format!(
            "{format} data from here on is not part of the CAR; {first} removes it"
        ));
    }
    let rest = Rest::of(start.as_slice().chain(bytes), most).ok()?;
    let is_newline = matches!(&start[..], b"\n" | b"\r\n");
    let known = rest.padding(is_newline, &first).or_else(|| rest.text(&start, &first));
    match long {
        _ if known.is_some() => known,
        Some(long) => long_block(offset, long, may_be_section(&start), evidence),
        None => rest.few(&start, &first),
    }
}

/// Returns the command that prints the bytes before an offset.
fn head_of(offset: u64, evidence: &dyn Evidence) -> String {
    match evidence.is_compressed() {
        true => format!("decompressed, `head -c {offset}`"),
        false => format!("`head -c {offset}`"),
    }
}

/// Explains an input that has `available` bytes from `offset` on, and needs `expected`.
pub(super) fn cut(offset: u64, available: u64, expected: u64, evidence: &dyn Evidence) -> String {
    let (there, needed) = (offset.saturating_add(available), offset.saturating_add(expected));
    let bytes = Counted(there, unit(evidence));
    let verb = if there == 1 { "is" } else { "are" };
    format!(
        "the input ends in the middle: {bytes} {verb} there, at least {needed} are needed; the \
         download was probably cut"
    )
}

/// Explains a section at `offset` whose block is declared to be longer than the input, so that
/// raising its limit does not help.
fn long_block(
    offset: u64,
    LongBlock { max, found }: LongBlock,
    is_section: bool,
    evidence: &mut dyn Evidence,
) -> Option<String> {
    let shortage = Shortage::of(offset, found, evidence)?;
    let remedy = match is_section {
        true => shortage.remedy().to_owned(),
        false => {
            let before = head_of(offset, evidence);
            format!("no section begins here; {before} prints the bytes before it")
        }
    };
    Some(format!("block length of {found} exceeds the limit of {max}, and {shortage}: {remedy}"))
}

/// Returns whether bytes may begin with the length and the CID of a section. Both may be truncated.
fn may_be_section(start: &[u8]) -> bool {
    let Some(last) = start.iter().position(|byte| byte & 0x80 == 0) else {
        return true;
    };
    let mut cid = start.iter().skip(last).skip(1);
    match cid.next() {
        // A section is at least as long as a CID.
        None => last > 0 || start.first().is_some_and(|&len| len >= 36),
        Some(1) => true,
        Some(0x12) => cid.next().is_none_or(|&len| len == 0x20),
        Some(_) => false,
    }
}

/// The bytes after the last good section, counted by kind.
struct Rest {
    /// Bytes that were read.
    len: u64,
    /// Whether the input ends after them.
    is_whole: bool,
    /// Zero bytes before any other.
    zeros: u64,
    has_zero: bool,
    has_white: bool,
    /// Whether there are other printable bytes, and whether there are control bytes.
    has_text: bool,
    has_other: bool,
}

impl Rest {
    /// Reads at most `most` bytes and one piece, while the bytes may still be padding or text.
    fn of(mut bytes: impl Read, most: u64) -> io::Result<Self> {
        let mut piece = vec![0; 1 << 16];
        let mut rest = Rest {
            len: 0,
            is_whole: false,
            zeros: 0,
            has_zero: false,
            has_white: false,
            has_text: false,
            has_other: false,
        };
        while rest.len <= most {
            let len = match bytes.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                len => len?,
            };
            if len == 0 {
                rest.is_whole = true;
                break;
            }
            rest.add(piece.get(..len).unwrap_or_default());
            let is_mixed = rest.has_other || (rest.has_text && rest.has_zero);
            if is_mixed && rest.len > START_LEN as u64 {
                break;
            }
        }
        Ok(rest)
    }

    fn add(&mut self, piece: &[u8]) {
        if self.zeros == self.len {
            let zeros = piece.iter().take_while(|&&byte| byte == 0).count();
            self.zeros = self.zeros.saturating_add(zeros as u64);
        }
        self.len = self.len.saturating_add(piece.len() as u64);
        for byte in piece {
            match byte {
                0 => self.has_zero = true,
                b' ' | b'\t' | b'\n' | 0x0c | b'\r' => self.has_white = true,
                b'!'..=b'~' | 0x80.. => self.has_text = true,
                _ => self.has_other = true,
            }
        }
    }

    /// Explains zeros or white space.
    fn padding(&self, is_newline: bool, first: &str) -> Option<String> {
        let more = if self.is_whole { "" } else { "more than " };
        let end = if self.is_whole { " at the end" } else { "" };
        let (zeros, len) = (self.zeros, self.len);
        let tail = format!("{end} is not part of the CAR; {first} removes it");
        if zeros == len {
            let zeros = Counted(zeros, "zero byte");
            return Some(format!("padding of {more}{zeros}{tail}"));
        }
        let is_blank = !self.has_text && !self.has_other;
        if is_blank && !self.has_zero {
            if self.is_whole && is_newline {
                return Some(format!("a newline{tail}"));
            }
            return Some(format!("white space of {more}{}{tail}", Counted(len, "byte")));
        }
        if is_blank {
            let bytes = Counted(len, "byte");
            return Some(format!("padding of {more}{bytes} (zeros and white space){tail}"));
        }
        (zeros >= GAP_LEN).then(|| {
            format!(
                "{zeros} zero bytes stand here, and other bytes after them: a part of the file was \
                 never written; download it again"
            )
        })
    }

    /// Explains text to the end.
    fn text(&self, start: &[u8], first: &str) -> Option<String> {
        let is_text = self.is_whole && !self.has_other && !self.has_zero;
        let text = text(start).filter(|_| is_text && !may_be_section(start))?;
        let (len, text) = (Counted(self.len, "byte"), Quoted(text, TEXT_LEN));
        Some(format!("text of {len} at the end is not part of the CAR: {text}; {first} removes it"))
    }

    /// Explains a few bytes that are not a section.
    fn few(&self, start: &[u8], first: &str) -> Option<String> {
        let is_few = self.is_whole && self.len < START_LEN as u64 && !may_be_section(start);
        is_few.then(|| {
            let (are, them) = if self.len == 1 { ("is", "it") } else { ("are", "them") };
            let len = Counted(self.len, "byte");
            format!("{len} at the end {are} not part of the CAR; {first} removes {them}")
        })
    }
}

/// Returns the bytes as trimmed text. The last character may be truncated.
fn text(start: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && start.len() == START_LEN => {
            std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    Some(text.trim()).filter(|text| !text.is_empty())
}
