//! A small readable repository for examples.
//!
//! An invented account with about forty records: a profile, posts and replies, likes, follows.

use crate::cbor::Value;
use crate::cid::Cid;
use crate::commit::{Commit, DID};
use crate::repo::{Order, Record, Repo};
use crate::signing::SigningKey;
use crate::tid;

/// The start of the day: 2024-09-21, in seconds since 1970.
const DAY: u64 = 1_726_876_800;

/// The posts: time of day, text, language, and the post they reply to.
const POSTS: [(&str, &str, &str, Option<usize>); 14] = [
    ("08:02:11", "Hello! First post here.", "en", None),
    ("08:15:40", "The harbour is full of fog this morning.", "en", None),
    ("08:16:02", "You can hear the boats but not see them.", "en", Some(1)),
    ("09:30:27", "Does anybody else keep bees on a balcony?", "en", None),
    ("09:58:03", "To answer the question: yes, the neighbours like the honey.", "en", Some(3)),
    ("10:44:51", "Der Nebel ist weg.", "de", None),
    (
        "11:20:00",
        "Reading about search trees whose shape follows from their keys alone.",
        "en",
        None,
    ),
    ("11:22:36", "However you insert the keys, you get the same tree.", "en", Some(6)),
    ("12:31:09", "Soup.", "en", None),
    ("14:05:55", "Finished the bookshelf. It leans, but with confidence.", "en", None),
    ("16:48:18", "Two swarms in one afternoon!", "en", None),
    ("18:12:44", "Merci pour les conseils, la reine est retrouv\u{e9}e.", "fr", Some(10)),
    ("20:00:00", "Sunset report: orange, then pink, then the fog again.", "en", None),
    ("21:37:29", "Good night.", "en", None),
];

/// The repository.
pub fn repo() -> Repo {
    let posts = posts();
    let mut records = vec![Written {
        path: "app.bsky.actor.profile/self".to_owned(),
        time: 0,
        record: profile(),
    }];
    records.extend(likes(&posts));
    records.extend(follows());
    records.extend(posts);
    let records = records.into_iter().map(|written| {
        // A revision for every second of the day.
        (written.path.into_bytes(), written.record.at_revision(written.time as u32))
    });
    let mut repo = Repo::new(records);
    repo.commit = Commit::default().set("rev", Value::text(rev(seconds("21:37:31"))));
    repo.sign(&signing_key());
    repo
}

/// The account's key. Its secret is public.
pub fn signing_key() -> SigningKey {
    SigningKey::k256(&[7; 32])
}

/// The repository as a CAR, in the order of the reference PDS.
pub fn car() -> Vec<u8> {
    repo().to_bytes(Order::Pds)
}

/// A record of the sample.
struct Written {
    path: String,
    /// Seconds since the start of the day.
    time: u64,
    record: Record,
}

impl Written {
    fn new(collection: &str, time: &str, mut fields: Vec<(&str, Value)>) -> Self {
        fields.push(("createdAt", Value::text(format!("2024-09-21T{time}.000Z"))));
        let time = seconds(time);
        Self {
            path: format!("{collection}/{}", rev(time)),
            time,
            record: record(collection, fields),
        }
    }

    fn strong_ref(&self) -> Value {
        strong_ref(DID, &self.path, self.record.cid)
    }
}

fn posts() -> Vec<Written> {
    let mut posts: Vec<Written> = Vec::new();
    for (time, text, lang, parent) in POSTS {
        let mut fields =
            vec![("text", Value::text(text)), ("langs", Value::Array(vec![Value::text(lang)]))];
        if let Some(parent) = parent {
            let parent = posts[parent].strong_ref();
            fields
                .push(("reply", Value::map_sorted([("root", parent.clone()), ("parent", parent)])));
        }
        posts.push(Written::new("app.bsky.feed.post", time, fields));
    }
    posts
}

fn profile() -> Record {
    let about = "Bees, boats, bookshelves. This account is an example.";
    let fields = vec![
        ("displayName", Value::text("Ada of the Harbour")),
        ("description", Value::text(about)),
    ];
    record("app.bsky.actor.profile", fields)
}

/// Likes of others' posts, and of one of the account's own.
fn likes(posts: &[Written]) -> Vec<Written> {
    let likes = (0..16_usize).map(|index| {
        let time = format!("{:02}:{:02}:07", 9 + index / 2, index * 3);
        let subject = match index {
            15 => posts[10].strong_ref(),
            _ => {
                let path = format!("app.bsky.feed.post/{}", rev(seconds(&time) - 600));
                strong_ref(&friend(index % 5), &path, Cid::dag_cbor(&[index as u8]))
            }
        };
        Written::new("app.bsky.feed.like", &time, vec![("subject", subject)])
    });
    likes.collect()
}

fn follows() -> Vec<Written> {
    let follows = (0..9).map(|index| {
        let time = format!("{:02}:41:{:02}", 8 + index, index * 6);
        Written::new("app.bsky.graph.follow", &time, vec![("subject", Value::text(friend(index)))])
    });
    follows.collect()
}

fn record(collection: &str, mut fields: Vec<(&str, Value)>) -> Record {
    fields.push(("$type", Value::text(collection)));
    Record::new(Value::map_sorted(fields).encode())
}

fn strong_ref(did: &str, path: &str, cid: Cid) -> Value {
    Value::map_sorted([
        ("uri", Value::text(format!("at://{did}/{path}"))),
        ("cid", Value::text(cid.to_string())),
    ])
}

/// The seconds of a time of day.
fn seconds(time: &str) -> u64 {
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().expect("times are digits"))
}

/// The record key for a second of the day.
fn rev(time: u64) -> String {
    tid::text(tid::number((DAY + time) * 1_000_000 + 400_000, 17))
}

/// The DID of another account.
fn friend(n: usize) -> String {
    let names = [
        "marlow", "fennel", "juniper", "tansy", "bracken", "sorrel", "yarrow", "clover", "thistle",
    ];
    let letters = format!("{:a<24}", names[n]);
    format!("did:plc:{letters}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    #[test]
    fn sample_is_sound() {
        let walk = oracle::walk(&car()).unwrap();
        assert_eq!(walk.entries.len(), 40);
        for entry in walk.entries {
            assert!(oracle::is_canonical(&oracle::decode(&entry.record.unwrap()).unwrap()));
            let rkey = entry.key.rsplit(|&byte| byte == b'/').next().unwrap();
            assert!(rkey == b"self" || oracle::is_tid(std::str::from_utf8(rkey).unwrap()));
        }
    }
}
