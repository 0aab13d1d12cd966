//! Prints the posts of a repository, oldest first: `cargo run --example posts --features serde --
//! samples/repo.car`.
//!
//! The texts are borrowed from the buffer that the file was read into: decoding copies none of
//! them.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use std::fs::File;

use carwalk::Repo;
use serde::Deserialize;

/// The part of a post that is printed. Fields that are not named here are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post<'a> {
    text: &'a str,
    created_at: &'a str,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: posts CAR")?;
    let repo = Repo::from_reader(File::open(path)?)?;
    let records: Vec<_> = repo.records().collect::<Result<_, _>>()?;
    let mut posts = Vec::new();
    for record in records.iter().filter(|record| record.path().collection() == "app.bsky.feed.post")
    {
        match record.decode::<Post>() {
            Ok(post) => posts.push(post),
            // One odd record does not spoil the others.
            Err(error) => eprintln!("passed over: {error}"),
        }
    }
    posts.sort_by_key(|post| post.created_at);
    for post in posts {
        println!("{}  {}", post.created_at, post.text.escape_debug());
    }
    Ok(())
}
