//! JSON in place of a CAR: a server's error, or the bytes of a CAR as numbers.

use super::{LEAST_CUT, answer};

/// Explains JSON that begins with `head`, if it is a server's error or holds bytes.
pub(super) fn what(head: &[u8]) -> Option<String> {
    server_error(head).or_else(|| numbers(head))
}

/// Explains an error of an XRPC server.
fn server_error(head: &[u8]) -> Option<String> {
    Some(format!("this is JSON, not a CAR: {}", answer::told(head)?))
}

/// Explains the bytes of a buffer, as JavaScript writes it.
fn numbers(head: &[u8]) -> Option<String> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let dense: Vec<u8> = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let data = dense.strip_prefix(br#"{"type":"Buffer","data":"#);
    let wrapped = dense.strip_prefix(br#"{"success":true,"data":"#);
    let bytes = if is_list(&dense) {
        "Buffer.from(JSON.parse(text))"
    } else if data.is_some_and(is_list) {
        "Buffer.from(JSON.parse(text).data)"
    } else if is_object(&dense) {
        "Buffer.from(Object.values(JSON.parse(text)))"
    } else if wrapped.is_some_and(is_object) {
        "Buffer.from(Object.values(JSON.parse(text).data))"
    } else {
        return None;
    };
    let count = |brackets: &[u8]| dense.iter().filter(|byte| brackets.contains(byte)).count();
    let is_cut = head.len() < LEAST_CUT && count(b"[{") > count(b"]}");
    let (json, more) = match is_cut {
        true => ("JSON, cut in the middle,", "download it again, and "),
        false => ("JSON", ""),
    };
    Some(format!("this is {json} with a number for each byte: {more}write the bytes, {bytes}"))
}

/// Returns whether bytes begin a list of numbers that are bytes.
fn is_list(bytes: &[u8]) -> bool {
    bytes.strip_prefix(b"[").is_some_and(|list| are_all(list, b']', |_, item| is_byte(item)))
}

/// Returns whether bytes begin an object whose keys count from zero, and whose values are bytes.
fn is_object(bytes: &[u8]) -> bool {
    let is_pair = |at: usize, pair: &[u8]| {
        let value = pair.strip_prefix(format!("\"{at}\":").as_bytes());
        value.is_some_and(is_byte)
    };
    bytes.strip_prefix(b"{").is_some_and(|pairs| are_all(pairs, b'}', is_pair))
}

/// Returns whether there are items before `end` and all pass `is_one`. Without `end`, the last item
/// is cut and not checked.
fn are_all(bytes: &[u8], end: u8, is_one: impl Fn(usize, &[u8]) -> bool) -> bool {
    let len = bytes.iter().position(|&byte| byte == end);
    let items = bytes.get(..len.unwrap_or(bytes.len())).unwrap_or_default();
    let mut items = items.split(|&byte| byte == b',').enumerate().peekable();
    let mut has_any = false;
    while let Some((at, item)) = items.next() {
        if items.peek().is_none() && len.is_none() {
            break;
        }
        if !is_one(at, item) {
            return false;
        }
        has_any = true;
    }
    has_any
}

/// Returns whether a number is a byte, signed or unsigned.
fn is_byte(number: &[u8]) -> bool {
    let number = core::str::from_utf8(number).ok().and_then(|text| text.parse::<i16>().ok());
    number.is_some_and(|number| (-128..=255).contains(&number))
}
