//! The changes between two trees, as lines of text or JSON.

use std::io::{self, Write};

use carwalk::cid::CidText;
use carwalk::mst::{Change, DiffSide, Layer};
use carwalk::{Cid, RepoPath};
use serde::{Serialize, Serializer};

use crate::json;

/// Returns the name of a side.
fn name(side: DiffSide) -> &'static str {
    match side {
        DiffSide::Old => "old",
        DiffSide::New => "new",
    }
}

/// A line of JSON for a record.
#[derive(Serialize)]
struct RecordLine<'c> {
    change: &'static str,
    #[serde(serialize_with = "as_escaped")]
    path: &'c [u8],
    collection: Option<&'c str>,
    rkey: Option<&'c str>,
    #[serde(serialize_with = "as_text")]
    old: Option<Cid>,
    #[serde(serialize_with = "as_text")]
    new: Option<Cid>,
}

/// A line of JSON for a missing node.
#[derive(Serialize)]
struct UnknownLine<'c> {
    change: &'static str,
    side: &'static str,
    #[serde(serialize_with = "as_text")]
    node: Option<Cid>,
    layer: Option<u8>,
    #[serde(serialize_with = "as_escaped_if_any")]
    after: Option<&'c [u8]>,
    #[serde(serialize_with = "as_escaped_if_any")]
    before: Option<&'c [u8]>,
}

fn as_text<S: Serializer>(cid: &Option<Cid>, serializer: S) -> Result<S::Ok, S::Error> {
    match cid {
        Some(cid) => serializer.serialize_str(cid.to_text().as_str()),
        None => serializer.serialize_none(),
    }
}

fn as_escaped<S: Serializer>(key: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&key.escape_ascii())
}

fn as_escaped_if_any<S: Serializer>(key: &Option<&[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => as_escaped(key, serializer),
        None => serializer.serialize_none(),
    }
}

/// Writes a change as a line of columns, separated by tabs. An empty bound means none. Keys that
/// are not repo paths are escaped.
pub(crate) fn write_text(change: &Change, out: &mut impl Write) -> io::Result<()> {
    match change {
        Change::Created { key, cid } => {
            writeln!(out, "+\t{}\t{}", key.escape_ascii(), cid.to_text())
        }
        Change::Updated { key, old, new } => {
            let (key, old, new) = (key.escape_ascii(), old.to_text(), new.to_text());
            writeln!(out, "~\t{key}\t{old}\t{new}")
        }
        Change::Deleted { key, old } => {
            writeln!(out, "-\t{}\t{}", key.escape_ascii(), old.to_text())
        }
        Change::Unknown { side, node, interval, .. } => {
            let [after, before] =
                [&interval.lower, &interval.upper].map(|key| key.as_deref().unwrap_or_default());
            let (after, before) = (after.escape_ascii(), before.escape_ascii());
            writeln!(out, "?\t{after}\t{before}\t{}\t{}", node.to_text(), name(*side))
        }
    }
}

/// Writes a change as a line with one JSON object.
pub(crate) fn write_json(change: &Change, out: &mut impl Write) -> io::Result<()> {
    match change {
        Change::Created { key, .. } => write_record("create", key, change, out),
        Change::Updated { key, .. } => write_record("update", key, change, out),
        Change::Deleted { key, .. } => write_record("delete", key, change, out),
        Change::Unknown { side, node, layer, interval } => {
            let line = UnknownLine {
                change: "unknown",
                side: name(*side),
                node: Some(*node),
                layer: layer.map(Layer::get),
                after: interval.lower.as_deref(),
                before: interval.upper.as_deref(),
            };
            json::write_line(&line, out)
        }
    }
}

fn write_record(
    kind: &'static str,
    key: &[u8],
    change: &Change,
    out: &mut impl Write,
) -> io::Result<()> {
    let path = RepoPath::parse(key).ok();
    let line = RecordLine {
        change: kind,
        path: key,
        collection: path.map(|path| path.collection()),
        rkey: path.map(|path| path.record_key()),
        old: change.old_cid(),
        new: change.new_cid(),
    };
    json::write_line(&line, out)
}

/// The nodes that only one of two trees has.
#[derive(Debug, Serialize)]
pub(crate) struct ChangedNodes {
    #[serde(rename = "created_nodes", serialize_with = "as_texts")]
    created: Vec<CidText>,
    #[serde(rename = "deleted_nodes", serialize_with = "as_texts")]
    deleted: Vec<CidText>,
    /// Whether no node was missing.
    complete: bool,
}

impl ChangedNodes {
    /// Sorts the nodes by the text of their CIDs. `complete` says whether no node was missing.
    pub(crate) fn new(
        created: impl IntoIterator<Item = Cid>,
        deleted: impl IntoIterator<Item = Cid>,
        complete: bool,
    ) -> Self {
        ChangedNodes { created: sorted(created), deleted: sorted(deleted), complete }
    }

    /// Writes a line with one JSON object.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        json::write_line(self, out)
    }
}

fn sorted(cids: impl IntoIterator<Item = Cid>) -> Vec<CidText> {
    let mut texts: Vec<_> = cids.into_iter().map(|cid| cid.to_text()).collect();
    texts.sort_unstable();
    texts
}

fn as_texts<S: Serializer>(texts: &[CidText], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(CidText::as_str))
}

#[cfg(test)]
mod tests {
    use carwalk::cid::Codec;
    use carwalk::error::KeyInterval;

    use super::*;

    const PATH: &[u8] = b"app.bsky.actor.profile/self";

    fn cid(name: &[u8]) -> Cid {
        Cid::of(Codec::DagCbor, name)
    }

    fn created(key: &[u8], cid: Cid) -> Change {
        Change::Created { key: key.into(), cid }
    }

    fn updated(key: &[u8], old: Cid, new: Cid) -> Change {
        Change::Updated { key: key.into(), old, new }
    }

    fn deleted(key: &[u8], old: Cid) -> Change {
        Change::Deleted { key: key.into(), old }
    }

    /// A missing node on layer 2, or a missing root.
    fn unknown(
        side: DiffSide,
        node: Cid,
        is_root: bool,
        after: Option<&[u8]>,
        before: Option<&[u8]>,
    ) -> Change {
        let interval = KeyInterval { lower: after.map(Box::from), upper: before.map(Box::from) };
        let keys = (0..).map(|number: u32| number.to_string());
        let mut layers = keys.map(|key| Layer::of(key.as_bytes()));
        let layer = layers.find(|layer| layer.get() == 2).filter(|_| !is_root);
        Change::Unknown { side, node, layer, interval }
    }

    fn text(change: Change) -> String {
        let mut out = Vec::new();
        write_text(&change, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn json(change: Change) -> String {
        let mut out = Vec::new();
        write_json(&change, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_columns() {
        let (key, old, new) = (PATH, cid(b"old"), cid(b"new"));
        let path = "app.bsky.actor.profile/self";
        assert_eq!(text(created(key, new)), format!("+\t{path}\t{new}\n"));
        assert_eq!(text(deleted(key, old)), format!("-\t{path}\t{old}\n"));
        assert_eq!(text(updated(key, old, new)), format!("~\t{path}\t{old}\t{new}\n"));
        let unknown = |side, after, before| text(unknown(side, old, false, after, before));
        assert_eq!(unknown(DiffSide::New, None, None), format!("?\t\t\t{old}\tnew\n"));
        assert_eq!(
            unknown(DiffSide::Old, Some(b"a/1"), Some(b"b/\t")),
            format!("?\ta/1\tb/\\t\t{old}\told\n")
        );
        let key = b"a\tb\n\xff\"";
        assert_eq!(text(created(key, new)), format!("+\ta\\tb\\n\\xff\\\"\t{new}\n"));
    }

    #[test]
    fn json_has_all_keys_in_order() {
        let (key, old, new) = (PATH, cid(b"old"), cid(b"new"));
        let line = |change: &str, old: &str, new: &str| {
            format!(
                "{{\"change\":\"{change}\",\"path\":\"app.bsky.actor.profile/self\",\
                 \"collection\":\"app.bsky.actor.profile\",\"rkey\":\"self\",\"old\":{old},\
                 \"new\":{new}}}\n"
            )
        };
        let (of_old, of_new) = (format!("\"{old}\""), format!("\"{new}\""));
        assert_eq!(json(created(key, new)), line("create", "null", &of_new));
        assert_eq!(json(deleted(key, old)), line("delete", &of_old, "null"));
        assert_eq!(json(updated(key, old, new)), line("update", &of_old, &of_new));
    }

    #[test]
    fn json_of_a_key_that_is_no_path_is_escaped() {
        let new = cid(b"new");
        let line = json(created(b"a\x1b\xff\"", new));
        let expected = format!(
            r#"{{"change":"create","path":"a\\x1b\\xff\\\"","collection":null,"rkey":null,"old":null,"new":"{new}"}}"#
        );
        assert_eq!(line, expected + "\n");
    }

    #[test]
    fn json_of_what_is_unknown_has_bounds() {
        let node = cid(b"node");
        assert_eq!(
            json(unknown(DiffSide::New, node, false, Some(b"app.bsky.feed.like/3k"), None)),
            format!(
                "{{\"change\":\"unknown\",\"side\":\"new\",\"node\":\"{node}\",\"layer\":2,\
                 \"after\":\"app.bsky.feed.like/3k\",\"before\":null}}\n"
            )
        );
        assert_eq!(
            json(unknown(DiffSide::Old, node, true, None, Some(b"\n"))),
            format!(
                "{{\"change\":\"unknown\",\"side\":\"old\",\"node\":\"{node}\",\"layer\":null,\
                 \"after\":null,\"before\":\"\\\\n\"}}\n"
            )
        );
    }

    #[test]
    fn nodes_are_sorted_by_their_text() {
        let cids: Vec<_> = (0..64_u8).map(|number| cid(&[number])).collect();
        let mut by_bytes = cids.clone();
        by_bytes.sort_unstable_by_key(|cid| *cid.as_bytes());
        let mut texts: Vec<_> = cids.iter().map(ToString::to_string).collect();
        texts.sort_unstable();
        // Digits come before letters in texts only.
        assert_ne!(by_bytes.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
        let mut out = Vec::new();
        ChangedNodes::new(cids, [], true).write_json(&mut out).unwrap();
        let created = texts.join("\",\"");
        let expected = format!(
            "{{\"created_nodes\":[\"{created}\"],\"deleted_nodes\":[],\"complete\":true}}\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let (node, mut out) = (cid(b"node"), Vec::new());
        ChangedNodes::new([], [node], false).write_json(&mut out).unwrap();
        let expected =
            format!("{{\"created_nodes\":[],\"deleted_nodes\":[\"{node}\"],\"complete\":false}}\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
