//! What stands where a section should begin, or is missing there.

use std::io::{self, Read};

use super::Evidence;
use crate::output::Counted;

/// Most zero bytes that are counted.
const MOST_ZEROS: u64 = 1 << 30;

/// Bytes that a section is looked at for.
const START_LEN: usize = 64;

/// Returns what follows the last good section of a CAR, from `offset` on.
pub(super) fn what(offset: u64, evidence: &mut dyn Evidence) -> Option<String> {
    let first = match evidence.is_compressed() {
        true => format!("decompressed, `head -c {offset}`"),
        false => format!("`head -c {offset}`"),
    };
    let most = evidence.most().min(MOST_ZEROS);
    let mut rest = evidence.from(offset)?;
    let mut start = Vec::new();
    rest.by_ref().take(START_LEN as u64).read_to_end(&mut start).ok()?;
    if begins_like_car(&start) {
        let second = offset.saturating_add(1);
        return Some(format!(
            "a second CAR begins here: {first} is the first, `tail -c +{second}` the second"
        ));
    }
    if start.len() < START_LEN && start.iter().all(u8::is_ascii_whitespace) {
        let what = match &start[..] {
            [] => return None,
            b"\n" | b"\r\n" => "a newline follows".to_owned(),
            white => format!("white space of {} follows", Counted(white.len() as u64, "byte")),
        };
        return Some(format!("{what} to the end, not part of the CAR: {first} cuts it off"));
    }
    if start.first() != Some(&0) {
        return None;
    }
    match count_zeros(start.chain(rest), most).ok()? {
        Zeros::ToTheEnd(zeros) => Some(format!(
            "padding of {} follows to the end, not part of the CAR: {first} cuts it off",
            Counted(zeros, "zero byte")
        )),
        Zeros::Many(zeros) => Some(format!(
            "padding of more than {zeros} zero bytes follows, not part of the CAR: {first} cuts it \
             off"
        )),
        // One zero byte may be anything.
        Zeros::Before(..16) => None,
        Zeros::Before(zeros) => Some(format!(
            "{zeros} zero bytes stand here, and other bytes after them: a part of the file was \
             never written; download it again"
        )),
    }
}

/// The message for an input that has `available` bytes from `offset` on, and needs `expected`.
pub(super) fn cut(offset: u64, available: u64, expected: u64, evidence: &dyn Evidence) -> String {
    let (there, needed) = (offset.saturating_add(available), offset.saturating_add(expected));
    let bytes = if evidence.is_compressed() { "decompressed bytes" } else { "bytes" };
    format!(
        "the input ends in the middle: {there} {bytes} are there, at least {needed} are needed; \
         the download was probably cut"
    )
}

/// Whether bytes begin with the length and the map of a header, and its first key.
fn begins_like_car(bytes: &[u8]) -> bool {
    (1..=3).any(|prefix| {
        let map = bytes.get(prefix..).unwrap_or_default();
        map.first().is_some_and(|head| head & 0xe0 == 0xa0)
            && map.get(1..7).is_some_and(|key| key == b"eroots")
    })
}

/// Zero bytes, and what comes after them.
enum Zeros {
    ToTheEnd(u64),
    Before(u64),
    /// At least so many: no more were read.
    Many(u64),
}

fn count_zeros(mut bytes: impl Read, most: u64) -> io::Result<Zeros> {
    let mut piece = vec![0; 1 << 16];
    let mut zeros = 0_u64;
    loop {
        let len = match bytes.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            len => len?,
        };
        let found = piece.get(..len).unwrap_or_default();
        match found.iter().position(|&byte| byte != 0) {
            Some(at) => return Ok(Zeros::Before(zeros.saturating_add(at as u64))),
            None if len == 0 => return Ok(Zeros::ToTheEnd(zeros)),
            None => zeros = zeros.saturating_add(len as u64),
        }
        if zeros > most {
            return Ok(Zeros::Many(most));
        }
    }
}
