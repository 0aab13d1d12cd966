//! An account: the times and bytes of its records.

use super::subjects::{Reference, Subjects};
use crate::cbor::{put_head, put_text};
use crate::cid::sha256;
use crate::key;
use crate::rng::Rng;
use crate::tid;

/// The account's first day: 2023-05-01, in microseconds.
const START: u64 = 1_682_899_200_000_000;
/// The last day: 2025-10-01.
const END: u64 = 1_759_276_800_000_000;

/// Kinds of records, with their number in a thousand records.
const KINDS: [(Kind, usize); 6] = [
    (Kind::Like, 540),
    (Kind::Follow, 120),
    (Kind::Post, 190),
    (Kind::Repost, 105),
    (Kind::Block, 40),
    (Kind::ListItem, 5),
];

const WORDS: [&str; 24] = [
    "the", "a", "to", "of", "morning", "coffee", "again", "really", "cat", "photo", "new", "today",
    "is", "was", "and", "for", "this", "thread", "good", "about", "people", "network", "post",
    "why",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Profile,
    Like,
    Post,
    Repost,
    Block,
    Follow,
    ListItem,
}

impl Kind {
    fn collection(self) -> &'static str {
        match self {
            Self::Profile => "app.bsky.actor.profile",
            Self::Like => "app.bsky.feed.like",
            Self::Post => "app.bsky.feed.post",
            Self::Repost => "app.bsky.feed.repost",
            Self::Block => "app.bsky.graph.block",
            Self::Follow => "app.bsky.graph.follow",
            Self::ListItem => "app.bsky.graph.listitem",
        }
    }
}

/// A record without its bytes. The order is that of the keys: kinds are declared in the order of
/// their collections, and TIDs sort alike as texts and as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Outline {
    kind: Kind,
    tid: u64,
    revision: u32,
}

/// An account with its records in key order.
#[derive(Debug)]
pub(super) struct Account {
    did: String,
    seed: u64,
    outlines: Vec<Outline>,
}

/// An account whose records were generated once.
#[derive(Debug)]
pub(super) struct Hashed<'a, S> {
    account: &'a Account,
    subjects: &'a S,
    digests: Vec<[u8; 32]>,
    layers: Vec<u8>,
}

impl Account {
    pub(super) fn new(did: String, records: usize, seed: u64) -> Self {
        let mut outlines: Vec<_> = outlines(records, seed);
        outlines.sort_unstable();
        make_unique(&mut outlines);
        Self { did, seed, outlines }
    }

    pub(super) fn did(&self) -> &str {
        &self.did
    }

    pub(super) fn len(&self) -> usize {
        self.outlines.len()
    }

    /// Returns the positions and TIDs of the posts that are not replies.
    pub(super) fn first_posts(&self) -> impl Iterator<Item = (usize, u64)> {
        let posts = self.outlines.iter().enumerate();
        let posts = posts.filter(|(_, outline)| outline.kind == Kind::Post);
        posts.filter(|(_, outline)| !is_reply(&mut self.rng(outline))).map(|(n, o)| (n, o.tid))
    }

    pub(super) fn revision(&self, index: usize) -> u32 {
        self.outlines[index].revision
    }

    pub(super) fn newest_revision(&self) -> u32 {
        self.outlines.iter().map(|outline| outline.revision).max().unwrap_or(0)
    }

    /// The text of the newest revision, shortly after the last day.
    pub(super) fn newest_rev(&self) -> String {
        tid::text(tid::number(END + 1_000_000, 0))
    }

    /// Writes a record's key.
    pub(super) fn key(&self, index: usize, key: &mut Vec<u8>) {
        let outline = &self.outlines[index];
        key.clear();
        key.extend_from_slice(outline.kind.collection().as_bytes());
        key.push(b'/');
        match outline.kind {
            Kind::Profile => key.extend_from_slice(b"self"),
            _ => key.extend_from_slice(tid::text(outline.tid).as_bytes()),
        }
    }

    /// Writes a record's bytes.
    pub(super) fn record(&self, index: usize, subjects: &impl Subjects, out: &mut Vec<u8>) {
        let outline = &self.outlines[index];
        let mut rng = self.rng(outline);
        out.clear();
        match outline.kind {
            Kind::Profile => put_profile(out, &mut rng, outline),
            Kind::Post => put_post(out, &mut rng, outline, subjects),
            Kind::Like | Kind::Repost => {
                put_head(out, 5, 3);
                put_type(out, outline);
                put_text(out, "subject");
                put_strong_ref(out, &subjects.post(&mut rng, outline.tid));
                put_created_at(out, outline);
            }
            Kind::Follow | Kind::Block => {
                put_head(out, 5, 3);
                put_type(out, outline);
                put_field(out, "subject", &subjects.account(&mut rng));
                put_created_at(out, outline);
            }
            Kind::ListItem => {
                put_head(out, 5, 4);
                let list = format!(
                    "at://{}/app.bsky.graph.list/{}",
                    self.did,
                    tid::text(tid::number(START, 0))
                );
                put_field(out, "list", &list);
                put_type(out, outline);
                put_field(out, "subject", &subjects.account(&mut rng));
                put_created_at(out, outline);
            }
        }
    }

    /// The key determines the content, so that the records of two accounts differ only if they
    /// should.
    fn rng(&self, outline: &Outline) -> Rng {
        Rng::for_item(self.seed ^ outline.kind as u64, outline.tid)
    }
}

impl<'a, S: Subjects> Hashed<'a, S> {
    pub(super) fn new(account: &'a Account, subjects: &'a S) -> Self {
        let mut hashed = Self { account, subjects, digests: Vec::new(), layers: Vec::new() };
        let (mut record, mut key) = (Vec::new(), Vec::new());
        for index in 0..account.len() {
            hashed.record(index, &mut record);
            hashed.digests.push(sha256(&record));
            account.key(index, &mut key);
            hashed.layers.push(key::layer(&key));
        }
        hashed
    }

    /// Writes a record's bytes.
    pub(super) fn record(&self, index: usize, out: &mut Vec<u8>) {
        self.account.record(index, self.subjects, out);
    }

    pub(super) fn digest(&self, index: usize) -> [u8; 32] {
        self.digests[index]
    }

    pub(super) fn layer(&self, index: usize) -> u8 {
        self.layers[index]
    }
}

impl<S> std::ops::Deref for Hashed<'_, S> {
    type Target = Account;

    fn deref(&self) -> &Account {
        self.account
    }
}

/// Generates the revisions of the account in time order. Most have one record, some a batch.
fn outlines(records: usize, seed: u64) -> Vec<Outline> {
    let mut rng = Rng::new(seed);
    let step = ((END - START) / records.max(1) as u64).max(2);
    let (mut time, mut revision, mut batch) = (START, 0, 0);
    let outlines = (0..records).map(|index| {
        if batch == 0 {
            revision += 1;
            batch = if rng.chance(1, 60) { rng.range(2, 50) } else { 1 };
        }
        batch -= 1;
        time += 1 + rng.next_u64() % (2 * step - 1);
        let kind = if index == 0 { Kind::Profile } else { pick_kind(&mut rng) };
        // One record in two hundred was imported from another server.
        let written =
            if rng.chance(1, 200) { START + rng.next_u64() % (time - START) } else { time };
        Outline { kind, tid: tid::number(written, rng.below(1024) as u64), revision }
    });
    outlines.collect()
}

fn pick_kind(rng: &mut Rng) -> Kind {
    let mut share = rng.below(1000);
    for (kind, part) in KINDS {
        match share.checked_sub(part) {
            Some(rest) => share = rest,
            None => return kind,
        }
    }
    Kind::Like
}

/// Moves a TID that is not greater than its predecessor to the next free one.
fn make_unique(outlines: &mut [Outline]) {
    for index in 1..outlines.len() {
        let before = outlines[index - 1];
        let own = &mut outlines[index];
        if own.kind == before.kind && own.tid <= before.tid {
            own.tid = before.tid + 1;
        }
    }
}

fn put_field(out: &mut Vec<u8>, name: &str, value: &str) {
    put_text(out, name);
    put_text(out, value);
}

fn put_type(out: &mut Vec<u8>, outline: &Outline) {
    put_field(out, "$type", outline.kind.collection());
}

fn put_created_at(out: &mut Vec<u8>, outline: &Outline) {
    put_field(out, "createdAt", &timestamp(outline.tid >> 10));
}

fn put_profile(out: &mut Vec<u8>, rng: &mut Rng, outline: &Outline) {
    put_head(out, 5, 3);
    put_type(out, outline);
    put_field(out, "description", &words(rng, 12));
    put_field(out, "displayName", &words(rng, 2));
}

/// Draws whether a post is a reply: the first thing that is drawn for it.
fn is_reply(rng: &mut Rng) -> bool {
    rng.chance(1, 2)
}

fn put_post(out: &mut Vec<u8>, rng: &mut Rng, outline: &Outline, subjects: &impl Subjects) {
    let reply = is_reply(rng);
    put_head(out, 5, 4 + u64::from(reply));
    let len = 1 + rng.below(8) * rng.below(9);
    put_field(out, "text", &words(rng, len));
    put_type(out, outline);
    put_text(out, "langs");
    put_head(out, 4, 1);
    put_text(out, "en");
    if reply {
        put_text(out, "reply");
        put_head(out, 5, 2);
        let [root, parent] = subjects.thread(rng, outline.tid);
        put_text(out, "root");
        put_strong_ref(out, &root);
        put_text(out, "parent");
        put_strong_ref(out, &parent);
    }
    put_created_at(out, outline);
}

fn put_strong_ref(out: &mut Vec<u8>, post: &Reference) {
    put_head(out, 5, 2);
    put_field(out, "cid", &post.cid.to_string());
    put_field(out, "uri", &post.uri);
}

fn words(rng: &mut Rng, count: usize) -> String {
    let words: Vec<_> = (0..count).map(|_| *rng.pick(&WORDS)).collect();
    words.join(" ")
}

/// The time of day and date of a number of microseconds since 1970.
pub(crate) fn timestamp(micros: u64) -> String {
    let (seconds, millis) = (micros / 1_000_000, micros / 1_000 % 1_000);
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        assert_eq!(timestamp(START), "2023-05-01T00:00:00.000Z");
        assert_eq!(timestamp(END), "2025-10-01T00:00:00.000Z");
        assert_eq!(timestamp(1_709_210_096_789_000), "2024-02-29T12:34:56.789Z");
    }

    #[test]
    fn outlines_sort_as_their_keys() {
        let account = Account::new(String::new(), 2_000, 1);
        let keys = (0..2_000).map(|index| {
            let mut key = Vec::new();
            account.key(index, &mut key);
            key
        });
        let keys: Vec<_> = keys.collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
    }
}
