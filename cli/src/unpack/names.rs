//! The names of files for records, on every file system.
//!
//! Lower-case letters, digits and `. _ - ~` stand for themselves. Every other byte is `%XX`,
//! because some file systems do not distinguish upper case, and some do not allow colons. So is a
//! dot at the end, and the first byte of a name that Windows reserves for a device, with or without
//! an extension. A name of more than 200 bytes is cut into folders that end in `+`. Joining the
//! parts and decoding `%XX` gives the path back.

use std::path::PathBuf;

use carwalk::RepoPath;

/// Longest name in bytes. Most file systems allow 255.
const MAX_NAME_LEN: usize = 200;

/// Ends a folder that has the rest of a name.
const CUT: char = '+';

/// Bytes of an escape.
const ESCAPE_LEN: usize = 3;

/// Returns the path of a record's file below the folder: `collection/rkey.json`.
pub(super) fn of_record(path: RepoPath<'_>) -> PathBuf {
    let mut parts = PathBuf::new();
    push_parts(escaped(path.collection()), &mut parts);
    push_parts(escaped(path.record_key()) + ".json", &mut parts);
    parts
}

fn escaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, char) in text.char_indices() {
        match char {
            '.' if at == last => push_escape(char, &mut name),
            'a'..='z' | '0'..='9' | '.' | '_' | '-' | '~' => name.push(char),
            char => push_escape(char, &mut name),
        }
    }
    name
}

fn push_escape(char: char, name: &mut String) {
    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
        name.push('%');
        for digit in [byte >> 4, byte & 0xf] {
            let digit = char::from_digit(digit.into(), 16).unwrap_or('0');
            name.push(digit.to_ascii_uppercase());
        }
    }
}

/// Appends a name to a path, in parts if it is long.
fn push_parts(name: String, parts: &mut PathBuf) {
    let mut rest = without_device(name);
    while rest.len() > MAX_NAME_LEN {
        let after = rest.split_off(cut(&rest));
        rest.push(CUT);
        parts.push(rest);
        rest = without_device(after);
    }
    parts.push(rest);
}

/// Returns where a long name is cut: before the last byte that fits, or before the escape there.
fn cut(name: &str) -> usize {
    let most = MAX_NAME_LEN.saturating_sub(1);
    let from = most.saturating_sub(ESCAPE_LEN.saturating_sub(1));
    let escape = name.get(from..most).and_then(|end| end.find('%'));
    escape.and_then(|at| at.checked_add(from)).unwrap_or(most)
}

/// Escapes the first byte of a name that Windows reserves for a device.
fn without_device(name: String) -> String {
    let mut chars = name.chars();
    match chars.next() {
        Some(first) if is_device(&name) => {
            let mut escaped = String::new();
            push_escape(first, &mut escaped);
            escaped + chars.as_str()
        }
        _ => name,
    }
}

/// Returns whether a name is that of a device: what is before the first dot decides.
fn is_device(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    match stem.as_bytes() {
        b"con" | b"prn" | b"aux" | b"nul" => true,
        [b'c', b'o', b'm', digit] | [b'l', b'p', b't', digit] => digit.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> String {
        let name = of_record(RepoPath::parse(path.as_bytes()).unwrap());
        let parts: Vec<_> = name.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        parts.join("/")
    }

    /// The inverse: the repo path of a file name.
    fn path(name: &str) -> String {
        let (mut halves, mut half) = (Vec::new(), String::new());
        for part in name.split('/') {
            match part.strip_suffix(CUT) {
                Some(part) => half.push_str(part),
                None => halves.push(std::mem::take(&mut half) + part),
            }
        }
        let [collection, file] = &halves[..] else { panic!("{name}") };
        let key = file.strip_suffix(".json").unwrap();
        format!("{}/{}", decoded(collection), decoded(key))
    }

    fn decoded(name: &str) -> String {
        let mut parts = name.split('%');
        let mut text = parts.next().unwrap().to_owned();
        for part in parts {
            text.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
            text.push_str(&part[2..]);
        }
        text
    }

    #[test]
    fn names_are_safe_on_every_file_system() {
        for (path, expected) in [
            ("app.bsky.feed.post/3jui7kd54zh2y", "app.bsky.feed.post/3jui7kd54zh2y.json"),
            ("app.bsky.feed.threadGate/self", "app.bsky.feed.thread%47ate/self.json"),
            ("a/A", "a/%41.json"),
            ("a/a:b", "a/a%3Ab.json"),
            ("a/~_-.0", "a/~_-.0.json"),
            ("../..", ".%2E/.%2E.json"),
            ("./.", "%2E/%2E.json"),
            ("a./b.", "a%2E/b%2E.json"),
            ("con/con", "%63on/%63on.json"),
            ("con.a/nul.b", "%63on.a/%6Eul.b.json"),
            ("com1/lpt9", "%63om1/%6Cpt9.json"),
            ("com/lpt10", "com/lpt10.json"),
            ("aux/prn", "%61ux/%70rn.json"),
            ("cona/x.con", "cona/x.con.json"),
            ("CON/Nul", "%43%4F%4E/%4Eul.json"),
        ] {
            assert_eq!(name(path), expected);
            assert_eq!(self::path(expected), path);
        }
    }

    #[test]
    fn long_names_are_cut_between_bytes_and_escapes() {
        let parts = |path: &str| -> Vec<String> {
            assert_eq!(self::path(&name(path)), path);
            name(path).split('/').map(str::to_owned).collect()
        };
        let a = |len: usize| "a".repeat(len);
        assert_eq!(parts(&format!("{}/b", a(200))), [a(200), "b.json".into()]);
        assert_eq!(parts(&format!("{}/b", a(201))), [a(199) + "+", a(2), "b.json".into()]);
        assert_eq!(parts(&format!("a/{}", a(195))), ["a".into(), a(195) + ".json"]);
        assert_eq!(parts(&format!("a/{}", a(196)))[1..], [a(199 - 3) + ".js+", "on".into()]);
        // An escape is not cut, so what follows it is never taken for a device.
        for before in 190..200 {
            let cut = parts(&format!("a/{}:Ux", a(before)));
            assert!(cut.len() < 3 || cut[1].len() >= 198, "{cut:?}");
            assert!(cut.iter().all(|part| part.len() <= 200), "{cut:?}");
        }
        assert_eq!(parts(&format!("{}con/b", a(199)))[..2], [a(199) + "+", "%63on".into()]);
        let again = parts(&format!("{}con.{}/b", a(199), a(196)));
        assert_eq!(again[1..3], [format!("%63on.{}+", a(193)), a(3)]);
    }

    /// Names of all lengths and bytes: none is too long or has a byte that some file system
    /// refuses, none is that of a device, and each has its own, also where case makes no
    /// difference.
    #[test]
    fn every_path_has_a_name_of_its_own_and_comes_back() {
        let bytes: Vec<u8> = (0..=127).filter(|&byte| is_key_byte(byte)).collect();
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let pieces = ["con", "nul.", "Aux", "com1.", ".", "..", ":", "AAAA", "a"];
        let mut names = std::collections::HashMap::new();
        for _ in 0..5_000 {
            let mut text = || {
                let most = [3, 12, 511][random(3)];
                let (mut text, len) = (String::new(), 1 + random(most));
                while text.len() < len {
                    match random(3) {
                        0 => text.push(char::from(bytes[random(bytes.len())])),
                        1 => text.push_str(pieces[random(pieces.len())]),
                        _ => text.push_str(&"x".repeat(1 + random(199))),
                    }
                }
                text.truncate(511);
                text
            };
            let key = format!("{}/{}", text(), text());
            let name = name(&key);
            assert_eq!(path(&name), key);
            for part in name.split('/') {
                assert!((1..=200).contains(&part.len()), "{name}");
                assert!(!is_device(&part.to_lowercase()) && !part.ends_with('.'), "{name}");
                let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-~%+".contains(&byte);
                assert!(part.bytes().all(is_safe), "{name}");
            }
            let other = names.insert(name.to_lowercase(), key.clone());
            assert!(other.is_none_or(|other| other == key), "{name}");
        }
    }

    fn is_key_byte(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte)
    }
}
