//! How inputs are read.

use std::collections::BTreeSet;
use std::sync::Arc;

use carwalk::{CommitRules, Limits, Loader, Verification};

/// How inputs are read: what is accepted, and which accounts.
///
/// # Examples
///
/// ```
/// use carwalk::{CommitRules, Limits};
/// use carwalk_batch::Settings;
///
/// let settings = Settings::new()
///     .limits(Limits::new().max_block_len(1 << 20))
///     .commits(CommitRules::Legacy)
///     .map(false);
/// # drop(settings);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Settings {
    limits: Limits,
    commits: CommitRules,
    verification: Verification,
    maps: bool,
    /// The accounts that are read; `None` for all.
    dids: Option<Arc<BTreeSet<String>>>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings::new()
    }
}

impl Settings {
    /// Creates the settings: default limits, current commits, every block verified, all accounts,
    /// and large files mapped.
    pub fn new() -> Self {
        Settings {
            limits: Limits::default(),
            commits: CommitRules::default(),
            verification: Verification::default(),
            maps: true,
            dids: None,
        }
    }

    /// Sets the limits of loads. That of streams applies to files that are not mapped, and counts
    /// decompressed bytes.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets which commits are accepted.
    pub fn commits(mut self, rules: CommitRules) -> Self {
        self.commits = rules;
        self
    }

    /// Sets which blocks are verified, and when. Default: every block, before the visit.
    pub fn verification(mut self, verification: Verification) -> Self {
        self.verification = verification;
        self
    }

    /// Sets whether files of 8 MiB and more are mapped. On by default.
    ///
    /// If another process truncates a mapped file, a signal ends this one. If it overwrites the
    /// file, results can be wrong.
    pub fn map(mut self, yes: bool) -> Self {
        self.maps = yes;
        self
    }

    /// Sets the accounts whose repositories are read. Others are skipped as `not_selected`: see
    /// [`Worker`](super::Worker). An empty list skips all. Default: all accounts are read.
    pub fn dids(mut self, dids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.dids = Some(Arc::new(dids.into_iter().map(Into::into).collect()));
        self
    }

    pub(super) fn maps(&self) -> bool {
        self.maps
    }

    /// Returns the longest stream, in bytes.
    pub(super) fn stream_len(&self) -> u64 {
        self.limits.stream_len()
    }

    /// Returns whether repositories of this account are skipped.
    pub(super) fn skips(&self, did: &str) -> bool {
        self.dids.as_ref().is_some_and(|wanted| !wanted.contains(did))
    }

    /// Returns whether repositories of any account may be skipped.
    pub(super) fn selects(&self) -> bool {
        self.dids.is_some()
    }

    pub(super) fn loader(&self) -> Loader {
        let loader = Loader::new().limits(self.limits.clone()).commits(self.commits);
        loader.verification(self.verification)
    }
}
