use carwalk::RepoPath;
use carwalk_testkit::oracle;

/// Repo paths are accepted exactly if the testkit accepts them, and split at the slash. The strict
/// check requires the full syntax.
pub fn path(data: &[u8]) {
    let dots = data.ends_with(b"/.") || data.ends_with(b"/..");
    let path = RepoPath::parse(data);
    if !dots {
        assert_eq!(path.is_ok(), oracle::is_path(data));
    }
    let path = match path {
        Ok(path) => path,
        Err(error) => {
            assert_eq!(error.key(), Some(data));
            return;
        }
    };
    assert_eq!(path.as_str().as_bytes(), data);
    assert_eq!(format!("{}/{}", path.collection(), path.record_key()), path.as_str());
    assert_eq!(path.to_owned().as_path(), path);
    let strict = is_nsid(path.collection()) && !dots && path.record_key().len() <= 512;
    assert_eq!(path.check_syntax().is_ok(), strict, "{path}");
}

/// Returns whether a collection is a normalized NSID, according to the specification.
fn is_nsid(text: &str) -> bool {
    let segments: Vec<&[u8]> = text.as_bytes().split(|&byte| byte == b'.').collect();
    let Some((name, authority)) = segments.split_last() else { return false };
    let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let sized = |segment: &[u8]| (1..64).contains(&segment.len());
    let domain = |segment: &[u8]| {
        sized(segment)
            && segment.iter().all(lower)
            && segment[0] != b'-'
            && segment[segment.len() - 1] != b'-'
    };
    text.len() <= 317
        && authority.len() > 1
        && authority.iter().all(|segment| domain(segment))
        && !authority[0][0].is_ascii_digit()
        && sized(name)
        && name.iter().all(u8::is_ascii_alphanumeric)
        && !name[0].is_ascii_digit()
}
