//! The parts of identifier syntax that every reader has to check.

/// Whether a text is a DID.
pub fn is_did(text: &str) -> bool {
    let Some((method, id)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let method_fits = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_lowercase());
    let id_fits = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte));
    let end_fits = id.bytes().next_back().is_some_and(|byte| !b":%".contains(&byte));
    text.len() <= 2048 && method_fits && id_fits && end_fits
}

/// Whether a text is a timestamp identifier.
pub fn is_tid(text: &str) -> bool {
    let sortable = |byte: u8| matches!(byte, b'2'..=b'7' | b'a'..=b'z');
    text.len() == 13 && text.bytes().all(sortable) && text.as_bytes()[0] < b'k'
}

/// Whether a key is a repo path: ASCII, one slash between two non-empty parts, of which the second
/// has record-key characters and is neither `.` nor `..`.
pub fn is_path(key: &[u8]) -> bool {
    let Some(slash) = key.iter().position(|&byte| byte == b'/') else { return false };
    let (collection, rkey) = (&key[..slash], &key[slash + 1..]);
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:~-".contains(byte);
    let names = !collection.is_empty() && !rkey.is_empty() && rkey != b"." && rkey != b"..";
    names && collection.iter().all(fits) && rkey.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dids() {
        assert!(is_did("did:plc:ewvi7nxzyoun6zhxrhs64oiz"));
        assert!(is_did("did:web:localhost%3A1234"));
        for text in
            ["", "did:plc", "did:plc:", "did:PLC:a", "did:plc:a:", "did:plc:a/b", "plc:a", "did::a"]
        {
            assert!(!is_did(text), "{text}");
        }
    }

    #[test]
    fn tids() {
        assert!(is_tid("3jzfcijpj2z2a"));
        for text in [
            "",
            "3jzfcijpj2z2",
            "3jzfcijpj2z2aa",
            "3jzfcijpj2z21",
            "kjzfcijpj2z2a",
            "3JZFCIJPJ2Z2A",
        ] {
            assert!(!is_tid(text), "{text}");
        }
    }

    #[test]
    fn paths() {
        assert!(is_path(b"com.example.test/a:b~c_d-e.f"));
        for key in [
            &b""[..],
            b"a",
            b"a/",
            b"/a",
            b"a/b/c",
            b"a/.",
            b"a/..",
            b"a/b c",
            b"a/\xc3\xa9",
            b"a@b/c",
        ] {
            assert!(!is_path(key), "{}", key.escape_ascii());
        }
    }
}
