//! One-pass walks over streams in pre-order.

mod items;
mod sections;
mod walk;

use core::fmt;
use std::io::Read;

pub use self::items::{StreamEntries, StreamRecords};
use self::sections::Sections;
pub use self::walk::{StreamStats, StreamWalk};
use super::open::Load;
use super::{BoundedLoader, Loaded, Loader};
use crate::car::{Reader, Section};
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::{Error, Result};
use crate::mst::{Due, OnePass};
use crate::process::{Keep, Process};
use crate::repo::{Opening, Repo, read_commit};
use crate::store::MemoryStore;

/// The outcome of [`Loader::stream`]: a one-pass walk if the blocks come in pre-order, or a load.
///
/// `L` is the result of the load: a [`Repo`], or a [`Loaded`] from [`BoundedLoader::stream`].
///
/// # Examples
///
/// ```
/// use carwalk::{Loader, Repo, Streamed};
///
/// fn count(stream: &[u8]) -> carwalk::Result<(&'static str, u64)> {
///     Ok(match Loader::new().stream(stream)? {
///         Streamed::PreOrder(walk) => ("one pass", walk.into_records().try_count()?),
///         Streamed::Loaded(repo) => ("load", repo.records().try_count()?),
///     })
/// }
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// assert_eq!(count(bytes)?, ("load", 40));
/// // The same repository in pre-order.
/// let mut packed = Vec::new();
/// Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
/// assert_eq!(count(&packed)?, ("one pass", 40));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "blocks are in pre-order or they are not")]
#[expect(clippy::large_enum_variant, reason = "one for each stream, and short-lived")]
pub enum Streamed<R, P = Keep, L = Repo<MemoryStore, P>> {
    /// The blocks up to the first record come in pre-order.
    PreOrder(StreamWalk<R, P>),
    /// They come in another order.
    Loaded(L),
}

impl<P: Process + Clone> Loader<P> {
    /// Begins a one-pass walk over a stream whose blocks come in pre-order, or loads a stream with
    /// any other block order.
    ///
    /// Pre-order is the commit, the root, and then each node before its entries and subtrees, and
    /// each record after its entry. A [`StreamWalk`] over such a stream takes constant memory. CARs
    /// that [`Repo::write`] wrote are in pre-order; exports of the reference PDS are not.
    ///
    /// To find out, reads up to the first record, but at most about 1 MiB. If a block before it is
    /// not the next one in pre-order, or the first record does not come within 1 MiB, these bytes
    /// and the rest of the stream are loaded, as [`from_reader`](Loader::from_reader) does: nothing
    /// is lost. A CAR without records is walked in one pass if its nodes are in pre-order and take
    /// at most 1 MiB; otherwise it is loaded.
    ///
    /// All settings work as in a load, with these exceptions:
    ///
    /// - [`salvage`](Loader::salvage) and [`Verification::ReachedBlocks`] are refused: a one-pass
    ///   walk cannot continue after damage.
    /// - [`threads`](Loader::threads) has no effect on the walk. The calling thread hashes many
    ///   blocks together.
    /// - The process function is applied to each record when [`StreamRecords`] reaches it, and only
    ///   to records. Like a [`Walker`](crate::mst::Walker), [`StreamWalk::next_event`] does not
    ///   call it; but it returns records themselves.
    /// - If [`commit`](Loader::commit) names another commit than the first block, the stream is
    ///   loaded.
    ///
    /// # Errors
    ///
    /// - `Argument` if the loader has a setting that a one-pass walk does not support
    /// - any of [`from_reader`](Loader::from_reader)
    ///
    /// Errors of the blocks after the first record are errors of the walk.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::Event;
    /// use carwalk::{Loader, Repo, Streamed};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
    /// # let mut packed = Vec::new();
    /// # Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
    /// # let stream = &packed[..];
    /// let Streamed::PreOrder(mut walk) = Loader::new().stream(stream)? else { panic!() };
    /// assert_eq!(walk.commit().did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
    /// let (mut records, mut len) = (0, 0);
    /// while let Some(event) = walk.next_event()? {
    ///     if let Event::Record { block, .. } = event {
    ///         records += 1;
    ///         len += block.len();
    ///     }
    /// }
    /// // No error: the stream has the whole repository, and every block was verified.
    /// assert_eq!((records, len), (40, 7338));
    /// assert_eq!(walk.stats().sections, 50);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    ///
    /// [`Verification::ReachedBlocks`]: crate::Verification::ReachedBlocks
    pub fn stream<R: Read>(&self, reader: R) -> Result<Streamed<R, P>> {
        self.begin(reader, u64::MAX, |mut load| {
            load.run_to_end()?;
            load.into_repo()
        })
    }

    /// Begins a walk, or passes the load of the stream to `load`.
    fn begin<R: Read, L>(
        &self,
        reader: R,
        memory_limit: u64,
        load: impl FnOnce(Load<Reader<R>, P>) -> Result<L>,
    ) -> Result<Streamed<R, P, L>> {
        self.settings.check_one_pass()?;
        let mut sections = Sections::open(reader, self.settings.clone())?;
        let root = self.settings.commit(sections.reader().header())?;
        let opening = self.opening(memory_limit);
        match read_order(&mut sections, root, &opening)? {
            Some(commit) => {
                sections.rewind();
                let keep_repeats = self.settings.keep_repeats;
                StreamWalk::begin(sections, commit, opening, keep_repeats).map(Streamed::PreOrder)
            }
            None => {
                let rest = sections.into_reader(Load::<Reader<R>, P>::KEEPS_SECTIONS);
                load(Load::reader(rest, self, memory_limit)?).map(Streamed::Loaded)
            }
        }
    }
}

impl<P: Process + Clone> BoundedLoader<P> {
    /// Begins a one-pass walk over a stream whose blocks come in pre-order, or loads a stream with
    /// any other block order: see [`Loader::stream`].
    ///
    /// The load reads the stream to its end or up to the memory limit. Up to 1 MiB was read before.
    /// The memory limit does not bound the walk, whose memory is constant; its open nodes may take
    /// an eighth of the limit, but at least 1 MiB.
    /// [`peak_memory`](BoundedLoader::peak_memory) does not cover the walk.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::stream`]. Reaching the memory limit is not an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Loaded, Loader, Streamed};
    ///
    /// # let stream: &[u8] = include_bytes!("../../../samples/repo.car");
    /// // This export is in another order, and loading it takes more than 4 KiB.
    /// let streamed = Loader::new().memory_limit(4 << 10).stream(stream)?;
    /// let Streamed::Loaded(Loaded::Suspended(load)) = streamed else { panic!() };
    /// let Loaded::Complete(repo) = load.resume(1 << 20)? else { panic!("1 MiB is enough") };
    /// assert_eq!(repo.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn stream<R: Read>(&self, reader: R) -> Result<Streamed<R, P, Loaded<R, P>>> {
        self.loader.begin(reader, self.memory_limit, |load| Loaded::of(load, self.memory_limit))
    }
}

/// Reads up to the first record that is due, or the first section that is not. Returns the commit
/// if the sections up to there come in pre-order.
fn read_order<R: Read, P>(
    sections: &mut Sections<R>,
    root: Cid,
    opening: &Opening<P>,
) -> Result<Option<Commit<'static>>> {
    // If the stream ends here, loading it returns the error.
    let Some(first) = sections.current()?.filter(|first| first.cid == root) else {
        return Ok(None);
    };
    let section = sections.section(&first)?;
    let commit = parse_commit(&section, opening)?;
    let mut pass = OnePass::new((root, section.offset()), commit.data(), opening.walk_memory, 0);
    sections.pass()?;
    Ok(is_pre_order(sections, &mut pass)?.then_some(commit))
}

/// Parses the commit, whose section was verified.
fn parse_commit<P>(section: &Section<'_>, opening: &Opening<P>) -> Result<Commit<'static>> {
    let commit = read_commit(section.cid(), section.block(), opening.commits, false);
    commit.map_err(|error| error.at(Some(section.offset())))
}

/// Returns whether the sections after the commit come in pre-order, up to the first record. Errors
/// of nodes end the search: the walk will return them.
fn is_pre_order<R: Read>(sections: &mut Sections<R>, pass: &mut OnePass) -> Result<bool> {
    // Entries may lack their records only if all do.
    let mut lacks_records = false;
    loop {
        let due = match pass.due() {
            Ok(due) => due,
            Err(_) => return Ok(true),
        };
        if due == Due::End && !lacks_records {
            return Ok(true);
        }
        let Some(located) = sections.current()? else { return Ok(true) };
        if sections.holds_too_much() {
            return Ok(false);
        }
        match due {
            Due::Record(cid) if cid == located.cid => return Ok(!lacks_records),
            Due::Record(_) => {
                lacks_records = true;
                pass.pass_record();
            }
            Due::Node(cid) if cid == located.cid => {
                let section = sections.section(&located)?;
                if pass.offer(Some(&section), || sections.bytes_from(&located)).is_err() {
                    return Ok(true);
                }
                sections.pass()?;
            }
            Due::Node(_) | Due::End => return Ok(false),
        }
    }
}

/// Returns the error for a walk that returned another event than it was asked for.
#[cold]
fn unexpected() -> Error {
    debug_assert!(false, "a walk returned an event that was turned off");
    Error::store("a walk returned an event that was turned off")
}

impl<R, P> fmt::Debug for StreamWalk<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWalk")
            .field("commit", &self.commit().cid())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
