//! The settings of a scan.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use arrow_schema::SchemaRef;
use carwalk::{KeyRange, Verification};
use carwalk_batch::columns::Columns;
use carwalk_batch::staging::Selection;
use carwalk_batch::{Inputs, Settings};

use crate::batches::Batches;
use crate::error::ScanError;
use crate::files::FilesJob;
use crate::job::Job;
use crate::meter::Meter;
use crate::on_failure::OnFailure;
use crate::schema::{files_schema, schema};

/// Most rows of a batch. Default of [`Scan::batch_rows`].
const BATCH_ROWS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// The settings of a scan: a list of inputs, a selection of rows and columns, and limits.
///
/// Clones are cheap. Each call of [`batches`](Scan::batches) starts a new scan with the same rows
/// in the same order.
///
/// Choose few columns: records are looked up only for `size`, `created_at`, `subject`, `record` and
/// `record_cbor`. Without these, records may be missing from a CAR.
///
/// # Examples
///
/// All posts, and the first two:
///
/// ```
/// use carwalk_arrow::Scan;
/// use carwalk_batch::Inputs;
///
/// let mut inputs = Inputs::new();
/// inputs.add("../../samples")?;
/// let scan = Scan::new(inputs)
///     .columns("did,rkey,record".parse()?)
///     .collections(["app.bsky.feed.post"])?;
/// let rows: usize = scan.batches().map(|batch| batch.unwrap().num_rows()).sum();
/// assert_eq!(rows, 14);
/// let first = scan.limit(Some(2)).batches().next().unwrap()?;
/// assert_eq!((first.num_rows(), first.num_columns()), (2, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Scan {
    inputs: Arc<Inputs>,
    columns: Columns,
    collections: Option<Vec<KeyRange>>,
    range: KeyRange,
    dids: Option<Vec<String>>,
    limit: Option<u64>,
    batch_rows: NonZeroUsize,
    threads: NonZeroUsize,
    on_failure: OnFailure,
    verification: Option<Verification>,
    settings: Settings,
    meter: Meter,
}

impl Scan {
    /// Creates a scan of all rows of `inputs`: with the default columns, one thread per core, and
    /// [`OnFailure::Fail`].
    pub fn new(inputs: Inputs) -> Self {
        Scan {
            inputs: Arc::new(inputs),
            columns: Columns::default(),
            collections: None,
            range: KeyRange::all(),
            dids: None,
            limit: None,
            batch_rows: BATCH_ROWS,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            on_failure: OnFailure::default(),
            verification: None,
            settings: Settings::new(),
            meter: Arc::new(|_bytes| {}),
        }
    }

    /// Sets the columns. With [`Columns::NONE`], batches have a number of rows and nothing else.
    /// Default: [`Columns::DEFAULT`].
    pub fn columns(mut self, columns: Columns) -> Self {
        self.columns = columns;
        self
    }

    /// Selects the rows of these collections, such as `app.bsky.feed.post`. All of them are read in
    /// one walk, in key order. Repeated names count once. An empty list selects no rows. Default:
    /// all collections.
    ///
    /// # Errors
    ///
    /// `Collection` if a name is empty or has a byte other than `A-Z a-z 0-9 . - _ : ~`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk_arrow::Scan;
    /// use carwalk_batch::Inputs;
    ///
    /// let scan = Scan::new(Inputs::new());
    /// assert!(scan.clone().collections(["app.bsky.feed.like", "app.bsky.feed.post"]).is_ok());
    /// assert!(scan.collections(["app.bsky.feed.*"]).is_err());
    /// ```
    pub fn collections(
        mut self,
        names: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, ScanError> {
        let ranges = names.into_iter().map(|name| {
            let name = name.as_ref();
            let refuse = |error| ScanError::Collection { name: name.to_owned(), error };
            KeyRange::collection(name).map_err(refuse)
        });
        self.collections = Some(ranges.collect::<Result<_, _>>()?);
        Ok(self)
    }

    /// Selects the rows whose key, `collection/rkey`, is in this range. With
    /// [`collections`](Scan::collections), rows must satisfy both. If no key can, the first batch
    /// is the error [`ScanError::NoKeys`]. Default: all keys.
    pub fn range(mut self, range: KeyRange) -> Self {
        self.range = range;
        self
    }

    /// Selects the rows of these accounts. From the files of other accounts, only the commit is
    /// read, if it is in the first MiB. An empty list selects none. Default: all accounts.
    pub fn dids(mut self, dids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.dids = Some(dids.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the maximum number of rows: the first ones, in the order of inputs and keys. After them
    /// nothing is read, except inputs that other threads have begun. Failures in the rest are not
    /// found. Default: no limit.
    pub fn limit(mut self, rows: Option<u64>) -> Self {
        self.limit = rows;
        self
    }

    /// Sets the maximum number of rows in a batch. Default: 65,536.
    ///
    /// A batch also ends before its columns would exceed 16 MiB, unless a single row does. Batches
    /// can be much smaller: each thread collects up to 2 MiB of rows, and 1 MiB or more become
    /// batches of their own, without a copy, and end the batch before them.
    pub fn batch_rows(mut self, rows: NonZeroUsize) -> Self {
        self.batch_rows = rows;
        self
    }

    /// Sets the number of threads that read inputs. Each reads one input at a time. One more thread
    /// assembles batches. Default: the number of cores.
    ///
    /// Memory of each thread:
    ///
    /// - a file of less than 8 MiB; larger files are mapped, compressed ones decompressed into
    ///   memory
    /// - an index of 10 bytes per block, and up to 20 bytes per section while it is built
    /// - up to 2 MiB of rows of the current input, or 8 MiB with [`OnFailure::Skip`]
    /// - up to 16 MiB of rows that wait for the rows of earlier inputs
    ///
    /// Memory of the scan: at most three batches of 16 MiB. A row that is longer than these sizes
    /// counts in full.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets what happens if an input fails. Default: the scan ends with an error.
    ///
    /// With `Skip`, none of the rows of a failed input are returned. A repository with more than 8
    /// MiB of rows is therefore walked twice: the first walk finds failures.
    ///
    /// If collections, a range or a limit narrow the scan, rows are returned in pieces of 2 MiB as
    /// they are read, also with `Skip`. [`InputFailure::rows`](crate::InputFailure::rows) is the
    /// number of rows before the failure.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Sets which blocks are verified. Default: `None`, which means every block, or, if
    /// collections, a range or a limit narrow the scan, only the blocks that the walk reaches.
    ///
    /// To find damage anywhere in the file also in a narrow scan, set `EveryBlock`. The scan then
    /// reads whole files.
    pub fn verification(mut self, verification: Option<Verification>) -> Self {
        self.verification = verification;
        self
    }

    /// Sets how inputs are read: limits, legacy commits, memory maps. The verification in
    /// `settings` is ignored, and so are its accounts if [`dids`](Scan::dids) is called.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets a function for progress, which is called on any thread with numbers of bytes that were
    /// read. For each input they add up to its length when it was listed. Default: none.
    pub fn meter(mut self, meter: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.meter = Arc::new(meter);
        self
    }

    /// Returns the inputs.
    #[must_use]
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Returns the schema of the batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        schema(self.columns)
    }

    /// Returns the rows as an iterator of batches. The scan begins when the first batch is
    /// requested.
    #[must_use]
    pub fn batches(&self) -> Batches {
        let (job, is_empty) = (self.job(), self.has_no_keys());
        Batches::new(self.schema(), move |outlet, stop| {
            if is_empty {
                let _ = outlet.error(ScanError::NoKeys);
            } else {
                job.run(outlet, stop);
            }
        })
    }

    /// Returns a table with a row for each input: see [`files_schema`](crate::files_schema).
    ///
    /// Every input is read and verified completely, as `carwalk verify` does. An input that fails
    /// is not an error: its row has the `outcome` `failed`. With [`dids`](Scan::dids), inputs of
    /// other accounts are `skipped`. Columns, collections, range, limit, verification and
    /// [`OnFailure`] do not apply.
    ///
    /// # Examples
    ///
    /// ```
    /// use arrow_array::cast::AsArray;
    /// use arrow_array::types::Int64Type;
    /// use carwalk_arrow::Scan;
    /// use carwalk_batch::Inputs;
    ///
    /// let mut inputs = Inputs::new();
    /// inputs.add("../../samples")?;
    /// inputs.add("no-such.car")?;
    /// let files = Scan::new(inputs).files().next().unwrap()?;
    /// let outcomes: Vec<_> = files["outcome"].as_string::<i32>().iter().flatten().collect();
    /// assert_eq!(outcomes, ["done", "failed"]);
    /// assert_eq!(files["records"].as_primitive::<Int64Type>().value(0), 40);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn files(&self) -> Batches {
        let job = FilesJob {
            inputs: Arc::clone(&self.inputs),
            settings: self.settings_with(Verification::EveryBlock),
            batch_rows: self.batch_rows.get(),
            threads: self.threads,
            meter: Arc::clone(&self.meter),
        };
        Batches::new(files_schema(), move |outlet, stop| job.run(outlet, stop))
    }

    fn job(&self) -> Job {
        let selection = self.selection();
        let default = if selection.is_narrow() {
            Verification::ReachedBlocks
        } else {
            Verification::EveryBlock
        };
        // If an error ends the scan, rows before it may be returned: finding it first would need a
        // second walk.
        let is_whole = !selection.is_narrow() && self.on_failure == OnFailure::Skip;
        Job {
            inputs: Arc::clone(&self.inputs),
            selection: selection.whole(is_whole),
            settings: self.settings_with(self.verification.unwrap_or(default)),
            limit: self.limit.unwrap_or(u64::MAX),
            batch_rows: self.batch_rows.get(),
            threads: self.threads,
            on_failure: self.on_failure,
            meter: Arc::clone(&self.meter),
        }
    }

    fn selection(&self) -> Selection {
        let selection = Selection::new(self.columns).range(self.range.clone()).limit(self.limit);
        match &self.collections {
            Some(collections) => selection.ranges(collections.clone()),
            None => selection,
        }
    }

    /// Returns whether the range contradicts itself or the collections.
    fn has_no_keys(&self) -> bool {
        let is_empty = |range: &KeyRange| range.and(&self.range).is_empty();
        let collections = self.collections.as_deref().unwrap_or_default();
        self.range.is_empty() || (!collections.is_empty() && collections.iter().all(is_empty))
    }

    fn settings_with(&self, verification: Verification) -> Settings {
        let settings = self.settings.clone().verification(verification);
        match &self.dids {
            Some(dids) => settings.dids(dids.iter().cloned()),
            None => settings,
        }
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("inputs", &self.inputs.as_slice().len())
            .field("columns", &self.columns)
            .field("collections", &self.collections)
            .field("range", &self.range)
            .field("dids", &self.dids)
            .field("limit", &self.limit)
            .field("batch_rows", &self.batch_rows)
            .field("threads", &self.threads)
            .field("on_failure", &self.on_failure)
            .field("verification", &self.verification)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
