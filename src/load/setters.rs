//! The settings of a [`Loader`].

use core::ops::ControlFlow;
use std::sync::Arc;

use super::Loader;
use super::settings::Verification;
use crate::cid::Cid;
use crate::commit::CommitRules;
use crate::limits::Limits;

impl<P> Loader<P> {
    /// Sets the limits on the input. Default: [`Limits::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorClass, Limits, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// // `stream` has 12,641 bytes.
    /// let loader = Loader::new().limits(Limits::new().max_stream_len(12_640));
    /// let error = loader.from_reader(stream).unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Limit);
    /// // The last section begins before the limit and ends after it.
    /// assert_eq!(error.position().offset(), Some(12_475));
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets which blocks are verified. Default: [`Verification::EveryBlock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loader, Verification};
    ///
    /// # let mut damaged = include_bytes!("../../samples/repo.car").to_vec();
    /// // `damaged` is a CAR of 40 records. Its last block, a record, gets a wrong byte.
    /// *damaged.last_mut().unwrap() ^= 1;
    /// let error = Loader::new().from_slice(&damaged).unwrap_err();
    /// assert_eq!(error.position().offset(), Some(12_475));
    ///
    /// let loader = Loader::new().verification(Verification::ReachedBlocks);
    /// let repo = loader.from_slice(&damaged)?;
    /// // No record is reached by a walk over the entries.
    /// assert_eq!(repo.entries().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn verification(mut self, verification: Verification) -> Self {
        self.settings.trust = verification.trust();
        self
    }

    /// Opens damaged CARs: sections before the first malformed or truncated one are loaded. Off by
    /// default.
    ///
    /// [`CarStore::fault`] returns the error that ended the load. The commit must be among the
    /// loaded sections; otherwise that error is returned. Exceeded limits and failures of the
    /// source remain errors. Spilling a damaged CAR into a kept spill file fails with the fault and
    /// leaves no file. To read all that is intact in a damaged file, add
    /// [`Verification::ReachedBlocks`] and walk with
    /// [`Walk::partial`](crate::mst::Walk::partial).
    ///
    /// # Examples
    ///
    /// ```
    /// # let whole: &[u8] = include_bytes!("../../samples/repo.car");
    /// use carwalk::mst::Event;
    /// use carwalk::store::CarStore;
    /// use carwalk::{Loader, Verification};
    ///
    /// // `whole` is a CAR of 40 records.
    /// let cut = &whole[..whole.len() / 2];
    /// assert!(Loader::new().from_slice(cut).is_err());
    /// let loader = Loader::new().verification(Verification::ReachedBlocks).salvage(true);
    /// let repo = loader.from_slice(cut)?;
    /// assert!(repo.store().fault().is_some());
    /// let mut walk = repo.walk().partial(true).start();
    /// let mut intact = 0;
    /// while let Some(event) = walk.next_event()? {
    ///     if let Event::Record { .. } = event {
    ///         intact += 1;
    ///     }
    /// }
    /// assert_eq!(intact, 17);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    ///
    /// [`CarStore::fault`]: crate::store::CarStore::fault
    pub fn salvage(mut self, yes: bool) -> Self {
        self.settings.salvage = yes;
        self
    }

    /// Sets the number of threads that hash blocks, including the calling thread. 0 and 1 use the
    /// calling thread only. Default: 1.
    ///
    /// To load many CARs, load each on one thread of your own instead. The result does not depend
    /// on the number of threads. Of several errors, the first in the CAR is returned.
    ///
    /// Other threads hash blocks only under [`Verification::EveryBlock`], and only of slices,
    /// mapped files, and streams that are loaded into memory without a process function. The
    /// calling thread hashes the first MiB, and all other blocks.
    ///
    /// At most 64 threads are used; more than 2 or 3 rarely help, because framing is not shared.
    /// Each is started only when the running ones fall behind. If the system refuses a thread, the
    /// load continues without it. No thread outlives the load, its suspension or its panic.
    ///
    /// At most 28 KiB, and 1 KiB for each thread, count against the memory limit; stacks of 256 KiB
    /// each do not. If the limit has no room for them, the calling thread works alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Loader;
    ///
    /// # let mut damaged = include_bytes!("../../samples/repo.car").to_vec();
    /// # (0..200).for_each(|_| damaged.extend_from_within(59..12_641));
    /// # damaged[1_259_000] ^= 1;
    /// # *damaged.last_mut().unwrap() ^= 1;
    /// // Two blocks of this CAR are damaged, both behind the first MiB.
    /// for n in [1, 2, 8] {
    ///     let error = Loader::new().threads(n).from_slice(&damaged).unwrap_err();
    ///     assert_eq!(error.position().offset(), Some(1_258_882));
    /// }
    /// ```
    pub fn threads(mut self, n: usize) -> Self {
        self.settings.threads = n;
        self
    }

    /// Sets which commits are accepted. Default: [`CommitRules::Current`].
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{CommitRules, Loader};
    ///
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let mut block = carwalk::Repo::from_slice(bytes)?.commit().bytes().to_vec();
    /// # let prev = block.windows(6).position(|pair| pair == b"\x64prev\xf6").unwrap();
    /// # block.drain(prev..prev + 6);
    /// # block[0] = 0xa5;
    /// # let cid = Cid::of(Codec::DagCbor, &block);
    /// # let mut car = Writer::new(Vec::new(), &[cid])?;
    /// # car.write(cid, &block)?;
    /// # let car = car.finish()?;
    /// // The commit in `car` is of version 3 and has no field `prev`.
    /// let error = Loader::new().from_slice(&car).unwrap_err();
    /// assert!(error.to_string().contains("legacy commit"));
    /// let repo = Loader::new().commits(CommitRules::Legacy).from_slice(&car)?;
    /// assert_eq!(repo.commit().rev(), "3l4ozvcohu22l");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn commits(mut self, rules: CommitRules) -> Self {
        self.commits = rules;
        self
    }

    /// Sets whether iterators over records, entries and collections check the full
    /// [syntax](crate::RepoPath::check_syntax) of repo paths. Off by default.
    ///
    /// Without this, a path has two parts of record-key characters around a slash. With it, the
    /// first part is an NSID and the second a valid record key. The first path that breaks these
    /// rules ends the iterator with an error of kind `Path`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorKind, Loader};
    ///
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let sample = carwalk::Repo::from_slice(bytes)?;
    /// # let of = |block: &[u8]| Cid::of(Codec::DagCbor, block);
    /// # let record = of(b"\xa0");
    /// # let entry = b"\xa2\x61e\x81\xa4\x61k\x47notes/1\x61p\x00\x61t\xf6\x61v";
    /// # let link = [b"\xd8\x2a\x58\x25\x00", &record.as_bytes()[..]].concat();
    /// # let node = [&entry[..], &link, b"\x61l\xf6"].concat();
    /// # let mut block = sample.commit().bytes().to_vec();
    /// # let data = sample.commit().data();
    /// # let at = block.windows(36).position(|cid| cid == data.as_bytes()).unwrap();
    /// # block[at..at + 36].copy_from_slice(of(&node).as_bytes());
    /// # let mut car = Writer::new(Vec::new(), &[of(&block)])?;
    /// # car.write(of(&block), &block)?;
    /// # car.write(of(&node), &node)?;
    /// # car.write(record, b"\xa0")?;
    /// # let car = car.finish()?;
    /// // The one record of this repository is `notes/1`, and `notes` is not an NSID.
    /// assert_eq!(Loader::new().from_slice(&car)?.records().try_count()?, 1);
    /// let strict = Loader::new().strict_paths(true).from_slice(&car)?;
    /// let error = strict.records().try_count().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Path(_)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn strict_paths(mut self, yes: bool) -> Self {
        self.strict_paths = yes;
        self
    }

    /// Sets the commit to open, for CARs with several. Default: the first root of the CAR.
    ///
    /// [`store::commits`](crate::store::commits) lists the commits in a CAR. If the CID has the
    /// codec raw, openers fail with an error of kind `Argument`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{SliceStore, commits};
    /// use carwalk::{CommitRules, Loader};
    ///
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # let mut car = include_bytes!("../../samples/repo.car").to_vec();
    /// # let mut block = carwalk::Repo::from_slice(&car)?.commit().bytes().to_vec();
    /// # let at = block.windows(13).position(|text| text == b"3l4ozvcohu22l").unwrap();
    /// # block[at + 12] = b'2';
    /// # let cid = Cid::of(Codec::DagCbor, &block);
    /// # let mut older = Writer::new(Vec::new(), &[cid])?;
    /// # older.write(cid, &block)?;
    /// # car.extend_from_slice(&older.finish()?[59..]);
    /// // `car` has two commits. The newer one is its root.
    /// assert_eq!(Loader::new().from_slice(&car)?.commit().rev(), "3l4ozvcohu22l");
    /// let store = SliceStore::new(&car)?;
    /// let older = commits(&store, CommitRules::Current).last().unwrap()?;
    /// let repo = Loader::new().commit(older.cid()).from_slice(&car)?;
    /// assert_eq!(repo.commit().rev(), "3l4ozvcohu222");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn commit(mut self, cid: Cid) -> Self {
        self.settings.commit = Some(cid);
        self
    }

    /// Sets how many bytes of records a one-pass walk keeps, so that repeated records are returned
    /// as records: see [`StreamWalk`](crate::StreamWalk). Default: 0. Loads ignore it.
    ///
    /// The last records are kept, up to this many bytes together, in addition to the other memory
    /// of the walk.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::Event;
    /// use carwalk::{ErrorKind, Loader, Streamed};
    ///
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// # let of = |block: &[u8]| Cid::of(Codec::DagCbor, block);
    /// # let record = of(b"\xa0");
    /// # let link = [b"\xd8\x2a\x58\x25\x00", &record.as_bytes()[..]].concat();
    /// # let entry = |key: &[u8]| [b"\xa4\x61k", key, b"\x61t\xf6\x61v", &link].concat();
    /// # let entries = [entry(b"\x47notes/1\x61p\x00"), entry(b"\x413\x61p\x06")];
    /// # let node = [b"\xa2\x61e\x82", &entries.concat()[..], b"\x61l\xf6"].concat();
    /// # let sample = carwalk::Repo::from_slice(bytes)?;
    /// # let mut block = sample.commit().bytes().to_vec();
    /// # let data = sample.commit().data();
    /// # let at = block.windows(36).position(|cid| cid == data.as_bytes()).unwrap();
    /// # block[at..at + 36].copy_from_slice(of(&node).as_bytes());
    /// # let mut car = Writer::new(Vec::new(), &[of(&block)])?;
    /// # car.write(of(&block), &block)?;
    /// # car.write(of(&node), &node)?;
    /// # car.write(record, b"\xa0")?;
    /// # let packed = car.finish()?;
    /// // Two keys have the same record of one byte, which is in the CAR only once.
    /// let Streamed::PreOrder(mut walk) = Loader::new().stream(&packed[..])? else { panic!() };
    /// assert!(matches!(walk.next_event()?, Some(Event::Record { .. })));
    /// assert!(matches!(walk.next_event()?, Some(Event::RepeatedRecord { len: 1, .. })));
    ///
    /// let loader = Loader::new().keep_repeats(1 << 20);
    /// let Streamed::PreOrder(walk) = loader.stream(&packed[..])? else { panic!() };
    /// assert_eq!(walk.into_records().try_count()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_repeats(mut self, bytes: u64) -> Self {
        self.settings.keep_repeats = bytes;
        self
    }

    /// Sets a function that is called with the number of bytes loaded so far, about every MiB and
    /// at the end. If it returns `Break`, the load ends with an error of kind `Cancelled`.
    ///
    /// The calling thread calls it. A suspended load calls it again when it is resumed or spilled.
    /// [`peek_commit`](Loader::peek_commit), `from_store` and `from_spill_file` do not call it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// use carwalk::{ErrorClass, Loader};
    ///
    /// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
    /// let stop = Arc::new(AtomicBool::new(true));
    /// let flag = Arc::clone(&stop);
    /// let loader = Loader::new().progress(move |_| match flag.load(Ordering::Relaxed) {
    ///     true => ControlFlow::Break(()),
    ///     false => ControlFlow::Continue(()),
    /// });
    /// let error = loader.from_reader(stream).unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Cancelled);
    /// stop.store(false, Ordering::Relaxed);
    /// assert!(loader.from_reader(stream).is_ok());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn progress(
        mut self,
        function: impl Fn(u64) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.settings.progress = Some(Arc::new(function));
        self
    }
}
