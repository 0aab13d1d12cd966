//! Many AT Protocol repository exports at once: the machinery that the command line and the other
//! packages over [carwalk] share.
//!
//! - [`Inputs`] lists files, folders and lists of paths.
//! - [`Worker`] opens one input after the other, compressed or not, and keeps its memory between
//!   them. A [`Visit`] reads the repositories; [`Check`] is one that checks them.
//! - [`compressed`] decompresses gzip and zstd data, and [`header`] recognizes CARs by their first
//!   bytes.
//! - [`Threads`] runs workers on several threads. Results come back to the calling thread in the
//!   order of the inputs or as they finish; what waits for delivery is bounded in bytes. [`Stop`]
//!   ends it early.
//! - Every input has exactly one [`Outcome`]. A [`Failure`] is a [`Reason`] with a message.
//!   [`message`] makes other texts harmless.
//! - [`map_file`] maps a single file, unless it has to be read.
//! - A [`Row`](row::Row) is a record as a row of a table; [`columns`] are its columns, and [`text`]
//!   writes rows as JSON Lines or CSV.
//! - [`staging`] makes the rows of whole inputs, and [`parts`] writes them into the files of a
//!   folder, so that a later run continues where an earlier one ended.
//! - [`Report`] is a file with one [`Line`] for each input, which a later run continues.
//!   [`Summary`] has the sums.
//!
//! # Examples
//!
//! Counts the records of all repositories in a folder, on two threads:
//!
//! ```
//! use std::convert::Infallible;
//! use std::num::NonZeroUsize;
//! use std::ops::ControlFlow;
//!
//! use carwalk::Repo;
//! use carwalk::store::CarStore;
//! use carwalk_batch::{
//!     Delivery, Failure, Inputs, Line, Sender, Settings, Stop, Summary, Threads, Visit, Worker,
//! };
//!
//! struct Count;
//!
//! impl Visit for Count {
//!     fn visit<S: CarStore>(&mut self, repo: &Repo<S>, line: &mut Line) -> Result<(), Failure> {
//!         line.records = Some(repo.records().try_count()?);
//!         Ok(())
//!     }
//! }
//!
//! let mut inputs = Inputs::new();
//! inputs.add("../samples")?;
//! let (settings, stop) = (Settings::new(), Stop::new());
//! let mut summary = Summary::default();
//! Threads::new(NonZeroUsize::new(2).unwrap()).stop(stop.clone()).run(
//!     inputs.as_slice(),
//!     || Worker::new(settings.clone(), stop.clone(), |_bytes| {}),
//!     |worker, input, _: &Sender<'_, Infallible, _>| worker.process(input, &mut Count),
//!     |delivery| {
//!         if let Delivery::Result { result, .. } = delivery {
//!             summary.add(&result);
//!         }
//!         ControlFlow::Continue(())
//!     },
//! );
//! assert_eq!(summary.to_string(), "1 input: 1 done, 0 skipped, 0 failed; 40 records");
//! # Ok::<(), carwalk_batch::ListError>(())
//! ```

mod check;
pub mod columns;
pub mod compressed;
mod counted;
pub mod header;
mod inputs;
pub mod message;
mod outcome;
pub mod parts;
mod reading;
mod report;
pub mod row;
pub mod staging;
mod stop;
mod summary;
pub mod text;
mod threads;
mod timestamp;

pub use self::check::Check;
pub use self::counted::Counted;
pub use self::inputs::{Input, Inputs, ListError, path_name};
pub use self::outcome::{Failure, Outcome, Reason, Skip};
pub use self::reading::{MAPPED_LEN, Settings, Visit, Worker, map_file};
pub use self::report::{Finished, History, Line, Report, ReportError, run_digest};
pub use self::stop::Stop;
pub use self::summary::Summary;
pub use self::threads::{Delivery, Ending, Order, Sender, Threads};
