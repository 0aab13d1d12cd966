//! `carwalk unpack`: writes each record as a JSON file.

mod names;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use carwalk::mst::{Entry, Event};
use carwalk::record::{self, Layout};
use carwalk::store::CarStore;
use carwalk::{Repo, RepoPath};
use clap::Args;

use crate::counts::add;
use crate::failure::Cause;
use crate::input::{Command, Input};
use crate::keys::Keys;
use crate::output::{Counted, Output};
use crate::skipped::{Skipped, Unreadable};

/// Write each record as a file of JSON: FOLDER/collection/rkey.json
#[derive(Args, Debug)]
pub(crate) struct Unpack {
    #[command(flatten)]
    pub(crate) input: Input,

    /// The folder to write into, which must be empty; it is created if it does not exist
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,

    #[command(flatten)]
    keys: Keys,
}

impl Command for Unpack {
    fn check(&self) -> Result<(), Cause> {
        self.keys.check()?;
        check_folder(&self.output)
    }

    fn run<S: CarStore>(&self, repo: &Repo<S>, out: &mut Output) -> Result<(), Cause> {
        let mut folder = Folder::create(&self.output)?;
        let mut skipped = Skipped::default();
        let mut walk = repo.walk().range(self.keys.range()?).start();
        while let Some(event) = walk.next_event()? {
            out.step();
            let Event::Record { entry, block, .. } = event else { continue };
            match entry.path() {
                Err(error) => skipped.path(&error, out)?,
                Ok(path) => {
                    if let Some(why) = folder.write(entry, path, block)? {
                        skipped.record(entry, &why, out)?;
                    }
                }
            }
        }
        out.note(format_args!("written: {}", Counted(folder.files, "record")))?;
        skipped.into_result()
    }
}

/// Refuses a folder that has files, and what is not a folder.
fn check_folder(path: &Path) -> Result<(), Cause> {
    let refused = |reason| Err(Cause::Folder { path: path.to_owned(), reason });
    match fs::read_dir(path).map(|mut files| files.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => refused("it is not empty: name a new folder"),
        Err(error) => match error.kind() {
            // A dangling symbolic link is not a new folder.
            io::ErrorKind::NotFound if fs::symlink_metadata(path).is_err() => Ok(()),
            io::ErrorKind::NotADirectory | io::ErrorKind::NotFound => refused("it is not a folder"),
            _ => Err(Cause::File { path: path.to_owned(), error }),
        },
    }
}

/// The folder of the records.
struct Folder<'a> {
    path: &'a Path,
    /// The number of files written.
    files: u64,
    /// The folder of the last file, which exists.
    last: PathBuf,
    /// The JSON of the last record.
    json: Vec<u8>,
}

impl<'a> Folder<'a> {
    fn create(path: &'a Path) -> Result<Self, Cause> {
        let refused = |error| Cause::File { path: path.to_owned(), error };
        fs::create_dir_all(path).map_err(refused)?;
        Ok(Folder { path, files: 0, last: PathBuf::new(), json: Vec::new() })
    }

    /// Writes the file of a record. Returns the reason if the record has no JSON.
    fn write(
        &mut self,
        entry: Entry<'_>,
        path: RepoPath<'_>,
        block: &[u8],
    ) -> Result<Option<Unreadable>, Cause> {
        if let Err(why) = Unreadable::check(entry) {
            return Ok(Some(why));
        }
        self.json.clear();
        if let Err(error) = record::write_json(block, &mut self.json, Layout::Indented) {
            return Ok(Some(Unreadable::of(&error)));
        }
        self.json.push(b'\n');
        let name = self.path.join(names::of_record(path));
        self.create_file(&name).map_err(|error| Cause::File { path: name, error })?;
        add(&mut self.files, 1);
        Ok(None)
    }

    /// Writes a file under a temporary name and renames it, so that half a record never has the
    /// final name.
    fn create_file(&mut self, name: &Path) -> io::Result<()> {
        let folder = name.parent().unwrap_or(self.path);
        if folder != self.last {
            fs::create_dir_all(folder)?;
            folder.clone_into(&mut self.last);
        }
        // Only this name has a plus sign that is not at its end.
        let mut builder = tempfile::Builder::new();
        builder.prefix(".carwalk+");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(self.path)?;
        file.write_all(&self.json)?;
        file.persist_noclobber(name).map(drop).map_err(|error| error.error)
    }
}
