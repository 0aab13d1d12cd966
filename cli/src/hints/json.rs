//! JSON that is not a CAR: a server's error, or the bytes of one as numbers.

use serde_json::Value;

use crate::escape::Quoted;

/// Bytes without white space that tell what JSON it is.
const START_LEN: usize = 64;

/// Most characters of a server's text that are printed.
const TEXT_LEN: usize = 300;

/// Returns what JSON that begins with `head` is, if it is more than JSON.
pub(super) fn what(head: &[u8]) -> Option<String> {
    server_error(head).or_else(|| numbers(head))
}

/// An error of an XRPC server. One that is cut is not read.
fn server_error(head: &[u8]) -> Option<String> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let answer: Value = serde_json::from_slice(text).ok()?;
    let name = answer.get("error")?.as_str()?;
    let told = format!("this is JSON, not a CAR: the server's error {}", Quoted(name, TEXT_LEN));
    Some(match answer.get("message").and_then(Value::as_str) {
        Some(message) => format!("{told} with the message {}", Quoted(message, TEXT_LEN)),
        None => told,
    })
}

/// The bytes of a buffer, as JavaScript writes it.
fn numbers(head: &[u8]) -> Option<String> {
    let dense = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let dense: Vec<u8> = dense.take(START_LEN).collect();
    let bytes = if is_list(&dense) {
        "Buffer.from(JSON.parse(text))"
    } else if dense.strip_prefix(br#"{"type":"Buffer","data":"#).is_some_and(is_list) {
        "Buffer.from(JSON.parse(text).data)"
    } else if dense.strip_prefix(br#"{"0":"#)?.first()?.is_ascii_digit() {
        "Buffer.from(Object.values(JSON.parse(text)))"
    } else {
        return None;
    };
    Some(format!("this is JSON with a number for each byte: write the bytes, {bytes}"))
}

/// Whether bytes begin a list of numbers.
fn is_list(bytes: &[u8]) -> bool {
    bytes.strip_prefix(b"[").is_some_and(|list| {
        list.first().is_some_and(u8::is_ascii_digit)
            && list.iter().all(|byte| byte.is_ascii_digit() || b",]}".contains(byte))
    })
}
