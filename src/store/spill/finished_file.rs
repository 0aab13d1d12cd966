//! Complete spill files before they are renamed.

use super::RedbStore;
use super::file::FileSettings;
use super::new_file::NewFile;
use crate::error::Result;

/// A store whose file is complete. A kept spill file still has its temporary name.
pub(crate) struct FinishedFile {
    store: RedbStore,
    file: NewFile,
    settings: FileSettings,
}

impl FinishedFile {
    pub(super) fn new(store: RedbStore, file: NewFile, settings: FileSettings) -> Self {
        FinishedFile { store, file, settings }
    }

    pub(crate) fn store(&self) -> &RedbStore {
        &self.store
    }

    /// Renames a kept spill file to its path, and returns the store.
    pub(crate) fn publish(self) -> Result<RedbStore> {
        let FinishedFile { mut store, file, settings } = self;
        store.reusable = file.publish()?.map(|file| (file, settings));
        Ok(store)
    }
}
