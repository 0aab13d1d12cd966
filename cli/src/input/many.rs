//! The arguments of a command that also reads many inputs.

use std::path::Path;

use carwalk_batch::Settings;

use super::Input;

impl Input {
    /// Returns the argument, unless it is left out.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns whether the argument is a kept spill file.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Returns how the inputs of a batch are read.
    pub(crate) fn settings(&self) -> Settings {
        self.reading.settings()
    }

    /// Returns whether an option is set that only a single CAR can have.
    pub(crate) fn is_of_one_car(&self) -> bool {
        self.kept || self.commit.is_some() || self.storage.is_set()
    }

    /// Returns the options that shape what is read, by name, for the digest of a run.
    pub(crate) fn shape(&self) -> [(&'static str, String); 4] {
        self.reading.shape()
    }
}
