//! What a report says about the inputs of a later run.

use std::collections::{HashMap, HashSet};

use super::Line;
use crate::inputs::{Input, key};

/// The inputs that are done according to a report. About 250 bytes of memory for each line about
/// one.
///
/// [`Report`](crate::Report) has an example.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// By the key of the path. A path has several lines if it was listed several times, or if the
    /// file was changed.
    finished: HashMap<String, Vec<Finished>>,
    outputs: HashSet<String>,
    origin: Origin,
}

/// The folder of the outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Origin {
    /// No line names an output.
    #[default]
    None,
    /// All are in the folder with this identity. `None` if the lines do not name one.
    One(Option<String>),
    /// They are in several folders.
    Several,
}

/// An input that is done according to a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// The length of the input in bytes.
    pub bytes: Option<u64>,
    /// When the input was last modified.
    pub modified: Option<String>,
    /// Where its rows are.
    pub output: Option<String>,
    /// The number of its records.
    pub records: Option<u64>,
}

impl History {
    /// Returns the line about an input if it is done and the file has not changed since: same path,
    /// length and time of modification. Other lines about the path do not matter, nor do later
    /// failures.
    ///
    /// Paths are compared without repeated slashes and components `.`, but not made absolute. Of
    /// inputs that are equal in one list, each needs a line of its own.
    #[must_use]
    pub fn finished(&self, input: &Input) -> Option<&Finished> {
        // Without a report, no name is made.
        if self.finished.is_empty() {
            return None;
        }
        let found = self.finished.get(&*key(&input.name()))?;
        let (bytes, modified) = (input.bytes(), input.modified());
        let is_same = |line: &&Finished| line.bytes == bytes && line.modified == modified;
        found.iter().filter(is_same).nth(input.copy())
    }

    /// Returns the paths of all lines about finished inputs and what is known of them. The lines of
    /// one path are in the order of the report; paths are in any order, without repeated slashes
    /// and components `.`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Finished)> {
        let lines = self.finished.iter();
        lines.flat_map(|(path, lines)| lines.iter().map(|line| (path.as_str(), line)))
    }

    /// Removes the lines for which `keep` returns false: those whose output is gone, for example.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Finished) -> bool) {
        self.finished.retain(|path, lines| {
            lines.retain(|line| keep(path, line));
            !lines.is_empty()
        });
    }

    /// Returns whether any line about a finished input names this output, also if the line was
    /// removed.
    #[must_use]
    pub fn has_output(&self, output: &str) -> bool {
        self.outputs.contains(output)
    }

    /// Returns all outputs that a line about a finished input names, in any order.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(String::as_str)
    }

    /// Returns whether all outputs are in the folder with this identity, or there are none.
    pub(crate) fn is_of(&self, identity: Option<&str>) -> bool {
        match &self.origin {
            Origin::None => true,
            // Without an identity, the folder of a report cannot be recognized.
            Origin::One(known) => known.is_some() && known.as_deref() == identity,
            Origin::Several => false,
        }
    }

    /// Takes in a line of the report. `identity` is that of the folder of its output.
    pub(super) fn take(&mut self, line: Line, identity: Option<&str>) {
        if !line.is_done() {
            return;
        }
        let Line { path, bytes, modified, output, records, .. } = line;
        if let Some(output) = &output {
            self.take_output(output, identity);
        }
        let lines = self.finished.entry(key(&path).into_owned()).or_default();
        lines.push(Finished { bytes, modified, output, records });
    }

    fn take_output(&mut self, output: &str, identity: Option<&str>) {
        if !self.has_output(output) {
            self.outputs.insert(output.to_owned());
        }
        match &self.origin {
            Origin::None => self.origin = Origin::One(identity.map(str::to_owned)),
            Origin::One(known) if known.as_deref() != identity => self.origin = Origin::Several,
            Origin::One(_) | Origin::Several => {}
        }
    }
}
