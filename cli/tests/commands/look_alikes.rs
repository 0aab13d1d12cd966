//! What people save as .car and is none: each is named, from a file and from a pipe.

use carwalk_testkit::repo::{Order, Repo};
use data_encoding::{
    BASE64, BASE64_MIME, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXUPPER,
};

use crate::harness::{each_way, run_on};

fn car() -> Vec<u8> {
    let paths = (0..200).map(|number| format!("com.example.test/{number:03}"));
    Repo::sample(paths).to_bytes(Order::Preorder)
}

fn utf16(text: &str, encode: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(encode).collect()
}

/// Bytes as the text that they are in Latin-1.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[track_caller]
fn assert_says(bytes: &[u8], message: &str) {
    for command in [["ls"], ["inspect"]] {
        let error = each_way(&command, bytes).one_error(3);
        assert_eq!(error, format!("error: standard input: CAR header at byte 0: {message}\n"));
    }
}

#[test]
fn the_car_itself_is_read() {
    assert_eq!(run_on(["ls"], &car()).quiet_success().lines().count(), 200);
}

#[test]
fn hex_text() {
    let says = "this is hex text: `xxd -r -p` converts it to bytes";
    let hex = HEXLOWER.encode(&car());
    assert_says(hex.as_bytes(), says);
    assert_says(HEXUPPER.encode(&car()[..12]).as_bytes(), says);
    let lines: Vec<_> = hex.as_bytes().chunks(60).collect();
    assert_says(&lines.join(&b'\n'), says);
    let says = "this is hex text: `tail -c +3 | xxd -r -p` converts it to bytes";
    assert_says(format!("\\x{hex}\n").as_bytes(), says);
    assert_says(format!("0x{hex}").as_bytes(), says);
    let says = "this is hex text: `tail -c +6 | xxd -r -p` converts it to bytes";
    assert_says(format!("\u{feff}0x{hex}").as_bytes(), says);
    let says = "this is hex text: `tail -c +5 | xxd -r -p` converts it to bytes";
    assert_says(format!("\r\n0x{hex}").as_bytes(), says);
    let spaced = hex.as_bytes().chunks(2).collect::<Vec<_>>().join(&b' ');
    assert_says(&spaced, "this is hex text: `xxd -r -p` converts it to bytes");
    assert_says(
        &hex.as_bytes()[..101],
        "this is hex text: `xxd -r -p` converts it to bytes; a digit is missing at the end",
    );
    let digest = "0123456789abcdef".repeat(4);
    let says = format!("this is text, not a CAR; it begins with \"{}\"..", &digest[..60]);
    assert_says(digest.as_bytes(), &says);
    let dump = "00000000  3a a2 65 72 6f 6f 74 73  81 d8 2a 58 25 00 01 71  |:.eroots..*X%..q|\n";
    assert_says(
        dump.as_bytes(),
        "this is a hex dump: `cut -c 11-58 | xxd -r -p` converts it to bytes",
    );
    let dump = "00000000: 3aa2 6572 6f6f 7473 81d8 2a58 2500 0171  :.eroots..*X%..q\n";
    assert_says(dump.as_bytes(), "this is a hex dump: `xxd -r` converts it to bytes");
}

#[test]
fn base64_text() {
    let says = "this is base64 text: `base64 -d` converts it to bytes";
    assert_says(BASE64.encode(&car()).as_bytes(), says);
    let mime = BASE64_MIME.encode(&car());
    assert_says(mime.replace('\r', "").as_bytes(), says);
    let says_with = |command: &str| {
        format!("this is base64 text: `{command} | base64 -d` converts it to bytes")
    };
    assert_says(mime.as_bytes(), &says_with("tr -d '\\r'"));
    assert_says(format!("\u{feff}{mime}").as_bytes(), &says_with("tail -c +4 | tr -d '\\r'"));
    let base64 = BASE64.encode(&car());
    assert_says(format!("\u{feff}{base64}").as_bytes(), &says_with("tail -c +4"));
    assert_says(format!("\"{base64}\"\n").as_bytes(), &says_with("tr -d '\"'"));
    assert_says(BASE64.encode(&crate::compressed::gzip(&car())).as_bytes(), says);
    // Words are base64 too.
    assert_says(
        b"InternalServerErrorTryLater\n",
        "this is text, not a CAR; it begins with \"InternalServerErrorTryLater\"",
    );
    let url = BASE64URL_NOPAD.encode(&car());
    assert!(url[..4096].contains(['-', '_']));
    let pad = "tr -d '\\r\\n\"=' | awk '{while (length($0) % 4) $0 = $0 \"=\"; print}'";
    let says =
        format!("this is base64url text: `{pad} | tr '_-' '/+' | base64 -d` converts it to bytes");
    assert_says(url.as_bytes(), &says);
    let padded = BASE64URL.encode(&car());
    let says = "this is base64url text: `tr '_-' '/+' | base64 -d` converts it to bytes";
    assert_says(padded.as_bytes(), says);
    let unpadded = BASE64_NOPAD.encode(&car());
    assert_ne!(unpadded.len() % 4, 0);
    assert_says(unpadded.as_bytes(), &says_with(pad));
    let cut = &base64[..base64.len() / 8 * 4 + 1];
    assert_says(cut.as_bytes(), "this is base64 text, cut in the middle: download it again");
}

#[test]
fn a_byte_order_mark_before_the_bytes() {
    let marked = [b"\xef\xbb\xbf", &car()[..]].concat();
    assert_says(
        &marked,
        "a UTF-8 byte order mark stands before the CAR: `tail -c +4` removes its 3 bytes",
    );
    let hex = format!("\u{feff}{}", HEXLOWER.encode(&car()));
    assert_says(hex.as_bytes(), "this is hex text: `xxd -r -p` converts it to bytes");
}

#[test]
fn utf16_text() {
    let says = "this is UTF-16 text: PowerShell's `>` writes text, and bytes are lost; download it \
                again with `curl -o FILE` or `-OutFile FILE`";
    let text = latin1(&car());
    for encode in [u16::to_le_bytes, u16::to_be_bytes] {
        assert_says(&utf16("Not found\r\n", encode), says);
        assert_says(&utf16(&format!("\u{feff}{text}"), encode), says);
        assert_says(&utf16(&text, encode), says);
        // Cut or not, it is not for being cut that it is refused.
        assert_says(&utf16(&text[..20], encode), says);
        // Bytes above ASCII may have become any characters.
        let odd = text.replace(|char: char| !char.is_ascii(), "\u{2592}");
        assert_says(&utf16(&odd, encode), says);
    }
}

#[test]
fn what_looks_like_utf16_and_is_not() {
    // Sound as 16-bit samples.
    let samples: Vec<_> = (1..3000_u16).flat_map(|at| (at % 83 * 3).to_le_bytes()).collect();
    let error = each_way(&["ls"], &samples).one_error(3);
    assert!(!error.contains("UTF-16"), "{error}");
    // A byte order mark before halves of characters.
    let halves = [&b"\xff\xfe"[..], &[0x41, 0xdc].repeat(3000)].concat();
    let error = each_way(&["ls"], &halves).one_error(3);
    assert!(!error.contains("UTF-16"), "{error}");
    let whole = [&b"\xff\xfe"[..], &[0x41, 0xd8, 0x41, 0xdc].repeat(3000)].concat();
    assert!(each_way(&["ls"], &whole).one_error(3).contains("UTF-16"));
    assert!(each_way(&["ls"], &whole[..4096 + 2]).one_error(3).contains("UTF-16"));
    // The length of a header, which was cut.
    let header = [&b"\xff\xfe\x01\xa2eroots"[..], &[b'r'; 100]].concat();
    let message = "the input ends in the middle: 110 bytes are there, at least 32642 are needed; \
                   the download was probably cut";
    assert_says(&header, message);
}

#[test]
fn what_looks_like_a_hex_dump_and_is_not() {
    for text in [
        "20240101: 1200 requests, 3 errors",
        "00000000: 0123 4567 89ab cdef 0123 4567 89ab cdef  .#Eg.....#Eg....",
        "deadbeef  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|",
        "00000000  total",
    ] {
        let excerpt: String = text.chars().take(60).collect();
        let end = if text.len() > 60 { ".." } else { "" };
        let says = format!("this is text, not a CAR; it begins with \"{excerpt}\"{end}");
        assert_says(format!("{text}\n").as_bytes(), &says);
    }
    // A dump of compressed data is one.
    let dump = "00000000: 1f8b 0800 0000 0000 00ff                 ..........\n";
    assert_says(dump.as_bytes(), "this is a hex dump: `xxd -r` converts it to bytes");
}

#[test]
fn literal_of_python() {
    let says = "this is the text of a Python bytes literal: write the bytes themselves, with \
                open(FILE, \"wb\").write(..)";
    let escaped = car().escape_ascii().to_string();
    assert_says(format!("b'{escaped}'").as_bytes(), says);
    assert_says(format!("bytearray(b'{escaped}')").as_bytes(), says);
    assert_says(format!("b\"{escaped}\"\n").as_bytes(), says);
}

#[test]
fn bytes_that_a_text_layer_destroyed_or_encoded() {
    assert_says(
        String::from_utf8_lossy(&car()).as_bytes(),
        "this was decoded as UTF-8 text: U+FFFD stands where bytes were, and they are lost; \
         download it again as bytes, not as text",
    );
    assert_says(
        latin1(&car()).as_bytes(),
        "this was decoded as Latin-1 text and stored as UTF-8: `iconv -f UTF-8 -t LATIN1` restores \
         the bytes",
    );
    assert_says(
        format!("\u{feff}{}", latin1(&car())).as_bytes(),
        "this was decoded as Latin-1 text and stored as UTF-8: `tail -c +4 | iconv -f UTF-8 -t \
         LATIN1` restores the bytes",
    );
    let odd = latin1(&car()).replace('\u{81}', "\u{178}");
    assert_says(
        odd.as_bytes(),
        "this was decoded as text and stored as UTF-8: download it again as bytes, not as text",
    );
}

#[test]
fn response_with_its_head() {
    let says = |status: &str| {
        format!(
            "this is an HTTP response of status {status} with its head: save the body alone, \
             without `curl -i`"
        )
    };
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ipld.car\r\n\r\n";
    assert_says(&[head, &car()[..]].concat(), &says("200"));
    let twice = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial Content\r\n\r\n";
    assert_says(&[twice, &car()[..]].concat(), &says("206"));
    assert_says(
        b"HTTP/2 404 \r\ncontent-length: 0\r\n\r\n",
        "this is an HTTP response of status 404, an error of the server, not a CAR",
    );
    let says = "this is an HTTP response of status 400, not a CAR: the server's error \"A\" with \
                the message \"b\\u{1b}\"";
    let json = "{\"error\":\"A\",\"message\":\"b\u{1b}\"}";
    assert_says(format!("HTTP/1.1 400 Bad Request\nA: b\n\n{json}").as_bytes(), says);
    let chunked = "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n";
    assert_says(format!("{chunked}{json}").as_bytes(), says);
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n3b\r\n";
    assert_says(
        &[&chunked[..], &car()].concat(),
        "this is an HTTP response of status 200 with its head, and in chunks: save it with `curl \
         -o FILE`, without `-i` and `--raw`",
    );
}

#[test]
fn json_with_a_number_for_each_byte() {
    let numbers: Vec<_> = car().iter().map(u8::to_string).collect();
    let pairs: Vec<_> =
        numbers.iter().enumerate().map(|(at, number)| format!("\"{at}\": {number}")).collect();
    let (list, pairs) = (numbers.join(", "), pairs.join(",\n"));
    for (json, bytes) in [
        (format!("[{list}]"), "Buffer.from(JSON.parse(text))"),
        (format!("{{{pairs}}}"), "Buffer.from(Object.values(JSON.parse(text)))"),
        (
            format!("{{\"type\": \"Buffer\", \"data\": [{list}]}}"),
            "Buffer.from(JSON.parse(text).data)",
        ),
    ] {
        let says = format!("this is JSON with a number for each byte: write the bytes, {bytes}");
        assert_says(json.as_bytes(), &says);
    }
}

#[test]
fn responses_without_a_car() {
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} Moved\r\nLocation: https://pds.example/\r\n\r\n");
        let says = format!(
            "this is an HTTP response of status {status}, a redirect: `curl -L` follows it"
        );
        assert_says(head.as_bytes(), &says);
    }
    let says = |status: &str| {
        format!("this is an HTTP response of status {status}, not a CAR: download it again")
    };
    assert_says(b"HTTP/1.1 304 Not Modified\r\n\r\n", &says("304"));
    // What counts is the last head, after redirects that were followed.
    assert_says(
        &[b"HTTP/1.1 302 Found\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", &car()[..]].concat(),
        "this is an HTTP response of status 200 with its head: save the body alone, without `curl \
         -i`",
    );
}

#[test]
fn json_with_numbers_that_was_cut() {
    for (json, bytes) in [
        ("[58,162,101,114", "Buffer.from(JSON.parse(text))"),
        ("{\"0\":58,\"1\":162,\"2", "Buffer.from(Object.values(JSON.parse(text)))"),
        ("{\"type\":\"Buffer\",\"data\":[58,162]", "Buffer.from(JSON.parse(text).data)"),
    ] {
        let says = format!(
            "this is JSON, cut in the middle, with a number for each byte: download it again, and \
             write the bytes, {bytes}"
        );
        assert_says(json.as_bytes(), &says);
    }
}

#[test]
fn a_file_that_was_never_written() {
    for (zeros, told) in
        [(1, "byte is"), (2, "2 bytes are"), (4096, "4096 bytes are"), (9000, "4096 bytes are")]
    {
        let says = format!(
            "the first {told} zero: the file was probably never written; download it again"
        );
        assert_says(&vec![0; zeros], &says);
    }
    let says =
        "the first 16 bytes are zero: the file was probably never written; download it again";
    assert_says(&[&[0; 16][..], &car()].concat(), says);
    let says = "this does not begin like a CAR: download it again as binary";
    assert_says(&[&[0; 15][..], &car()].concat(), says);
}

#[test]
fn error_of_a_server() {
    assert_says(
        b"{\"error\":\"RepoNotFound\",\"message\":\"Could not find repo for \\u001b[31m\\u202eplc\"\
          }",
        "this is JSON, not a CAR: the server's error \"RepoNotFound\" with the message \"Could not \
         find repo for \\u{1b}[31m\\u{202e}plc\"",
    );
    assert_says(
        b"\n{\"error\": \"RepoDeactivated\"}\n",
        "this is JSON, not a CAR: the server's error \"RepoDeactivated\"",
    );
    // Other JSON, with errors that are not of its top level.
    let nested = "{\"a\":{\"error\":\"b\"},\"c\":[\"message\"]}";
    for json in ["{}", "{\"error\":5}", "[\"a\"]", "{\"type\":\"Buffer\"}", nested] {
        assert_says(json.as_bytes(), "this is JSON, not a CAR: a server's answer saved as a file?");
    }
}

#[test]
fn error_of_a_server_that_is_long_cut_or_no_json() {
    let long = "a".repeat(5000);
    let cut = format!("\"{}\"..", "a".repeat(200));
    for (json, told) in [
        (format!("{{\"error\":\"{long}\"}}"), format!("error {cut}")),
        (
            format!("{{\"error\":\"E\",\"message\":\"{long}"),
            format!("error \"E\" with the message {cut}"),
        ),
        (
            "{\"error\":\"E\",\"message\":\"ab\\u00".to_owned(),
            "error \"E\" with the message \"ab\"..".to_owned(),
        ),
        ("{\"error\":\"a\\u00e9b\"}".to_owned(), "error \"a\u{e9}b\"".to_owned()),
        // A sign is no digit.
        ("{\"error\":\"a\\u+123b\"}".to_owned(), "error \"a\\\\u+123b\"".to_owned()),
        ("{\"error\":\"a\\u12\\nb\"}".to_owned(), "error \"a\\\\u12\\nb\"".to_owned()),
        ("{\"error\":\"a\u{1b}\tb\"}".to_owned(), "error \"a\\u{1b}\\tb\"".to_owned()),
        ("{\"error\":\"\\ud800x\"} rest".to_owned(), "error \"\u{fffd}x\"".to_owned()),
        ("{\"message\":\"only\"}".to_owned(), "message \"only\"".to_owned()),
        ("{\"error\":{\"code\":1},\"message\":\"x\"}".to_owned(), "message \"x\"".to_owned()),
    ] {
        assert_says(json.as_bytes(), &format!("this is JSON, not a CAR: the server's {told}"));
    }
    assert_says(
        b"{\"error\":\"a\xffb\"}",
        "this is JSON, not a CAR: the server's error \"a\u{fffd}b\"",
    );
}

#[test]
fn utf16_that_has_lost_nothing() {
    let json = "\u{feff}{\"error\":\"X\",\"message\":\"y\"}";
    let hex = HEXLOWER.encode(&car());
    for (encode, order) in
        [(u16::to_le_bytes as fn(u16) -> [u8; 2], "LE"), (u16::to_be_bytes, "BE")]
    {
        assert_says(
            &utf16(json, encode),
            "this is JSON, not a CAR: the server's error \"X\" with the message \"y\"",
        );
        let says = |order: &str, then: &str| {
            format!(
                "this is UTF-16: `iconv -f UTF-16{order} -t ASCII` converts it; then, this is \
                 {then} converts it to bytes"
            )
        };
        assert_says(&utf16(&hex, encode), &says(order, "hex text: `xxd -r -p`"));
        let base64 = format!("\u{feff}{}", BASE64.encode(&car()));
        assert_says(&utf16(&base64, encode), &says("", "base64 text: `base64 -d`"));
    }
}

#[test]
fn json_with_numbers_that_are_no_bytes() {
    for json in ["[2024,12,31]", "[58,300,1]", "{\"0\":1,\"name\":\"x\"}", "[1,-129]", "[]"] {
        assert_says(json.as_bytes(), "this is JSON, not a CAR: a server's answer saved as a file?");
    }
    let says =
        |bytes: &str| format!("this is JSON with a number for each byte: write the bytes, {bytes}");
    assert_says(b"[58,-94,101]", &says("Buffer.from(JSON.parse(text))"));
    assert_says(
        b"{\"success\":true,\"data\":{\"0\":58,\"1\":162}}",
        &says("Buffer.from(Object.values(JSON.parse(text).data))"),
    );
}

#[test]
fn what_does_not_begin_like_a_car_is_not_called_cut() {
    let says = "this does not begin like a CAR: download it again as binary";
    assert_says(&car()[1..13], says);
    assert_says(b"\x1f\x9d\x90\x3a\x44\xff", says);
    for len in 1..30 {
        let error = each_way(&["ls"], &car()[..len]).one_error(3);
        assert!(error.contains("the input ends in the middle"), "{error}");
    }
}

#[test]
fn other_archives() {
    for (mark, says) in [
        (&b"PK\x05\x06\0\0\0\0"[..], "this is a zip archive with nothing in it"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "this is a 7z archive: extract the CAR with `7z x` first"),
        (b"\xfd7zXZ\0\0\x04", "this is xz data: extract the CAR with `xz -d` first"),
        (b"BZh91AY&SY", "this is bzip2 data: extract the CAR with `bzip2 -d` first"),
    ] {
        assert_says(mark, says);
    }
}

#[test]
fn zip_archive() {
    assert_says(
        b"PK\x03\x04\x14\x00\x00\x00\x08\x00abcdefgh",
        "this is a zip archive: extract the CAR with `unzip` first",
    );
}

#[test]
fn other_text_is_quoted() {
    assert_says(
        b"upstream connect \"error\"\r\nretry later\n",
        "this is text, not a CAR; it begins with \"upstream connect \\\"error\\\"\"",
    );
    let long = "é".repeat(3000);
    let says = format!("this is text, not a CAR; it begins with \"{}\"..", "é".repeat(60));
    assert_says(long.as_bytes(), &says);
    // Control characters are no text, and never printed.
    for bytes in [&b"a\x1b[31mred"[..], "a\u{202e}bcd".as_bytes()] {
        let error = each_way(&["ls"], bytes).one_error(3);
        assert!(!error.contains("this is text") && !error.contains('\u{202e}'), "{error}");
    }
}

#[test]
fn compressed_look_alikes_are_named_too() {
    let hex = HEXLOWER.encode(&car());
    assert_says(
        &crate::compressed::gzip(hex.as_bytes()),
        "this is hex text: `xxd -r -p` converts it to bytes",
    );
}
