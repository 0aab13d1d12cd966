//! A complete spill file that may still wait for its name.

use super::RedbStore;
use super::file::{FileSettings, NewFile};
use crate::error::Result;

/// A store whose file is complete, but has no name yet if it will be kept.
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

    /// Gives a file that is kept its name, and returns the store.
    pub(crate) fn publish(self) -> Result<RedbStore> {
        let FinishedFile { mut store, file, settings } = self;
        store.reusable = file.publish()?.map(|file| (file, settings));
        Ok(store)
    }
}
