//! Writes a small index of a repository and reads it again: `cargo run --example index --
//! samples/repo.car INDEX`.
//!
//! INDEX is a kept spill file with the creation time and length of each post. The first run writes
//! it. Every run prints the newest two posts from it; later runs do not read the CAR.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use carwalk::minicbor::Decoder;
use carwalk::store::SpillFile;
use carwalk::{KeyRange, Loader, Processed};

/// The creation time and the length in bytes; `None` for records that are not posts.
type Row = Option<(String, u32)>;

/// A type that can be named in a struct, because the function is not a closure.
type Rows = Processed<fn(&[u8]) -> Row, Row>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(car), Some(index)) = (arguments.next(), arguments.next()) else {
        return Err("usage: index CAR INDEX".into());
    };
    run(car.as_ref(), index.as_ref(), &mut io::stdout().lock())
}

pub(crate) fn run(car: &Path, index: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let loader = loader();
    if !index.exists() {
        let car = std::fs::File::open(car)?;
        loader.clone().memory_limit(16 << 20).spill(car, SpillFile::keep(index))?;
    }
    let repo = loader.from_spill_file(index)?;
    let posts = repo.records_in(KeyRange::collection("app.bsky.feed.post")?);
    for record in posts.rev().take(2) {
        let record = record?;
        if let Some((created_at, len)) = record.value() {
            writeln!(out, "{}  {created_at}  {len} bytes", record.path())?;
        }
    }
    Ok(())
}

/// The loader that writes and reads the file. The file does not name its process function.
fn loader() -> Loader<Rows> {
    Loader::new().process(row as fn(&[u8]) -> Row)
}

fn row(record: &[u8]) -> Row {
    let mut fields = Decoder::new(record);
    let (mut is_post, mut created_at) = (false, None);
    for _ in 0..fields.map().ok()?? {
        match fields.str().ok()? {
            "$type" => is_post = fields.str().ok()? == "app.bsky.feed.post",
            "createdAt" => created_at = Some(fields.str().ok()?.to_owned()),
            _ => fields.skip().ok()?,
        }
    }
    let len = record.len().try_into().ok()?;
    created_at.filter(|_| is_post).map(|created_at| (created_at, len))
}
