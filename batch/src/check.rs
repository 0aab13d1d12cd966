//! Checking a repository: its whole tree, and that every record is there.

use carwalk::Repo;
use carwalk::mst::Event;
use carwalk::store::CarStore;

use crate::outcome::{Failure, Reason};
use crate::reading::Visit;
use crate::report::Line;
use crate::staging::InvalidPaths;
use crate::stop::Stop;

/// Walks the whole tree of a repository, counts its records, and checks their paths.
///
/// # Examples
///
/// ```
/// use carwalk_batch::{Check, Input, Settings, Stop, Worker};
///
/// let stop = Stop::new();
/// let mut worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
/// let line = worker.process(&Input::new("../samples/repo.car"), &mut Check::new(&stop));
/// assert_eq!((line.is_done(), line.records), (true, Some(40)));
/// ```
#[derive(Debug)]
pub struct Check<'s> {
    stop: &'s Stop,
}

impl<'s> Check<'s> {
    /// Creates the visit, which gives up when the flag is set.
    #[must_use]
    pub fn new(stop: &'s Stop) -> Self {
        Check { stop }
    }
}

impl Visit for Check<'_> {
    /// Checks the repository. Sets the number of records in `line`, and that of keys which are not
    /// valid repo paths.
    ///
    /// # Errors
    ///
    /// - those of the walk
    /// - `Invalid` if a key is not a valid repo path, after the walk
    fn visit<S: CarStore>(&mut self, repo: &Repo<S>, line: &mut Line) -> Result<(), Failure> {
        let (mut records, mut invalid) = (0_u64, InvalidPaths::default());
        let mut walk = repo.walk().start();
        while let Some(event) = walk.next_event()? {
            self.stop.check()?;
            if let Event::Record { entry, .. } = event {
                records = records.saturating_add(1);
                let _ = invalid.check(&entry);
            }
        }
        line.records = Some(records);
        line.invalid_paths = Some(invalid.count());
        match invalid.message() {
            None => Ok(()),
            Some(message) => Err(Failure::new(Reason::Invalid, &message)),
        }
    }
}
