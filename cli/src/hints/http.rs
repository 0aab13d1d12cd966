//! HTTP responses that were saved with their headers.

use super::answer;

/// Explains `saved`, if it begins with the head of an HTTP response.
pub(super) fn what(saved: &[u8]) -> Option<String> {
    let (mut head, mut body) = split(saved);
    let mut status = status(head)?;
    // Proxies and `100 Continue` responses precede the actual response with a head of their own.
    while let Some(next) = self::status(body) {
        status = next;
        (head, body) = split(body);
    }
    let response = format!("this is an HTTP response of status {status}");
    let is_chunked = is_chunked(head);
    let json = match is_chunked {
        true => body.iter().position(|&byte| byte == b'\n').and_then(|at| body.get(at..)),
        false => Some(body),
    };
    if let Some(told) = json.and_then(answer::told) {
        return Some(format!("{response}, not a CAR: {told}"));
    }
    Some(if status >= 400 {
        format!("{response}, an error of the server, not a CAR")
    } else if matches!(status, 301 | 302 | 303 | 307 | 308) {
        format!("{response}, a redirect: `curl -L` follows it")
    } else if status >= 300 {
        format!("{response}, not a CAR: download it again")
    } else if is_chunked {
        format!(
            "{response} with its head, and in chunks: save it with `curl -o FILE`, without `-i` \
             and `--raw`"
        )
    } else {
        format!("{response} with its head: save the body alone, without `curl -i`")
    })
}

/// Splits a response after its head.
fn split(response: &[u8]) -> (&[u8], &[u8]) {
    let end = |mark: &[u8]| {
        let at = response.windows(mark.len()).position(|window| window == mark)?;
        at.checked_add(mark.len())
    };
    let end = [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min();
    response.split_at_checked(end.unwrap_or(response.len())).unwrap_or((response, &[]))
}

/// Returns the status that a head begins with.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|&byte| byte == b'\r' || byte == b'\n').next()?;
    let status = line.strip_prefix(b"HTTP/")?.split(|&byte| byte == b' ').nth(1)?;
    let is_status = status.len() == 3 && status.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(status).ok().filter(|_| is_status)?.parse().ok()
}

fn is_chunked(head: &[u8]) -> bool {
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::to_ascii_lowercase);
    lines.any(|line| {
        line.strip_prefix(b"transfer-encoding:")
            .is_some_and(|value| value.trim_ascii().ends_with(b"chunked"))
    })
}
