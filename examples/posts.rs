//! Prints the newest posts of a repository: `cargo run --example posts --features serde --
//! samples/repo.car [CURSOR]`.
//!
//! Prints one page of ten posts and reads no others. Their texts are borrowed from the loaded CAR.
//! `CURSOR` is the record key of the last post of a page: then the page after that is printed.

use std::error::Error;
use std::io::{self, Write};
use std::ops::Bound;

use carwalk::{KeyRange, Repo};
use serde::Deserialize;

const COLLECTION: &str = "app.bsky.feed.post";

const PAGE: usize = 10;

/// The part of a post that is printed. Other fields are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post<'a> {
    text: &'a str,
    created_at: &'a str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: posts CAR [CURSOR]")?;
    run(&path, arguments.next().as_deref(), &mut io::stdout().lock())
}

pub(crate) fn run(
    path: &str,
    cursor: Option<&str>,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let repo = Repo::from_path(path)?;
    let mut range = KeyRange::collection(COLLECTION)?;
    if let Some(cursor) = cursor {
        let older = (Bound::Unbounded, Bound::Excluded(format!("{COLLECTION}/{cursor}")));
        range = range.and(&older.into());
    }
    for record in repo.records_in(range).rev().take(PAGE) {
        let record = record?;
        match record.decode_borrowed::<Post>() {
            Ok(post) => {
                let key = record.path().record_key();
                writeln!(out, "{key}  {}  {}", post.created_at, post.text.escape_debug())?;
            }
            // A record of another form must not prevent reading the others.
            Err(error) => writeln!(out, "skipped: {error}")?,
        }
    }
    Ok(())
}
