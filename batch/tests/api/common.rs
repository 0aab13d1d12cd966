//! Inputs for the tests, and a visit that counts records.

use std::fs;
use std::path::{Path, PathBuf};

use carwalk::Repo;
use carwalk::mst::Event;
use carwalk::store::CarStore;
use carwalk_batch::{Failure, Input, Line, Settings, Stop, Visit, Worker};
use carwalk_testkit::repo::{self, Order};
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

/// Counts the records of a repository.
pub(crate) struct Count;

impl Visit for Count {
    fn visit<S: CarStore>(&mut self, repo: &Repo<S>, line: &mut Line) -> Result<(), Failure> {
        let (mut walk, mut records) = (repo.walk().start(), 0);
        while let Some(event) = walk.next_event()? {
            records += u64::from(matches!(event, Event::Record { .. }));
        }
        line.records = Some(records);
        Ok(())
    }
}

/// The CAR of a repository with so many records.
pub(crate) fn car(records: usize) -> Vec<u8> {
    let paths = (0..records).map(|number| format!("com.example.test/{number:05}"));
    repo::Repo::sample(paths).to_bytes(Order::Pds)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A folder that goes when this does.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

pub(crate) fn worker(settings: Settings) -> Worker {
    Worker::new(settings, Stop::new(), |_bytes| {})
}

/// Counts the records of a file.
pub(crate) fn count(settings: Settings, path: &Path) -> Line {
    worker(settings).process(&Input::new(path), &mut Count)
}
