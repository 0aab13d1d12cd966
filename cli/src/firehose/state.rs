//! The states of accounts, and the file that keeps them between two runs.

use std::collections::HashMap;
use std::path::Path;

use carwalk::Cid;
use carwalk::sync::RepoState;
use serde::{Deserialize, Serialize};

use super::settings;
use crate::escape::escaped;
use crate::failure::Cause;
use crate::json;
use crate::out_file::OutFile;

/// States by DID.
#[derive(Default)]
pub(super) struct States(HashMap<String, RepoState>);

/// A line of the file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    did: String,
    rev: String,
    data: String,
}

impl States {
    /// Reads a file. One that does not exist is empty.
    pub(super) fn read(path: &Path) -> Result<Self, Cause> {
        let mut states = States::default();
        match settings::read(path, |value| states.add(value)) {
            Err(Cause::Read { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {}
            read => read?,
        }
        Ok(states)
    }

    /// Writes the file, sorted by DID, and replaces it when it is complete.
    pub(super) fn write(&self, file: &OutFile) -> Result<(), Cause> {
        let mut states: Vec<_> = self.0.values().collect();
        states.sort_unstable_by_key(|state| state.did());
        file.write_file(|out| {
            for state in states {
                let (did, rev) = (state.did().to_owned(), state.rev().to_owned());
                json::write_line(&Line { did, rev, data: state.data().to_string() }, &mut *out)?;
            }
            out.flush()
        })
    }

    pub(super) fn get(&self, did: &str) -> Option<&RepoState> {
        self.0.get(did)
    }

    pub(super) fn set(&mut self, state: RepoState) {
        if let Some(held) = self.0.get_mut(state.did()) {
            *held = state;
        } else {
            self.0.insert(state.did().to_owned(), state);
        }
    }

    fn add(&mut self, value: &[u8]) -> Result<(), String> {
        let Line { did, rev, data } = serde_json::from_slice(value).map_err(|error| {
            let error = escaped(&error.to_string());
            format!("expected {{\"did\":\"..\",\"rev\":\"..\",\"data\":\"..\"}}: {error}")
        })?;
        let told = |error: carwalk::Error| escaped(&error.to_string());
        let data: Cid = data.parse().map_err(told)?;
        let state = RepoState::new(&did, &rev, data).map_err(told)?;
        match self.0.insert(did, state) {
            Some(held) => Err(format!("a second state of {}", held.did())),
            None => Ok(()),
        }
    }
}
