//! Prints every record of a repository as JSON Lines, or with `--blobs` the blobs that the records
//! refer to: `cargo run --example export --features json -- samples/repo.car [--blobs]`.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufWriter, Write};

use carwalk::Repo;
use carwalk::record::Layout;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: export CAR [--blobs]")?;
    let repo = Repo::from_path(path)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.next().as_deref() {
        Some("--blobs") => blobs(&repo, &mut out)?,
        _ => records(&repo, &mut out)?,
    }
    Ok(out.flush()?)
}

/// Prints one JSON object for each record: its path, its CID and its value.
pub(crate) fn records(repo: &Repo, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    for record in repo {
        let record = record?;
        // Paths and CIDs have no characters that JSON has to escape.
        write!(out, r#"{{"path":"{}","cid":"{}","value":"#, record.path(), record.cid())?;
        record.write_json(&mut *out, Layout::Compact)?;
        writeln!(out, "}}")?;
    }
    Ok(())
}

/// Prints each blob once: its CID, its MIME type, and its size in bytes if the record has it.
pub(crate) fn blobs(repo: &Repo, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut seen = BTreeSet::new();
    for record in repo {
        let record = record?;
        for blob in record.blobs() {
            let blob = blob?;
            if seen.insert(blob.cid()) {
                let size = blob.size().map_or("-".to_owned(), |size| size.to_string());
                writeln!(out, "{}\t{}\t{size}", blob.cid(), blob.mime_type().escape_debug())?;
            }
        }
    }
    Ok(())
}
