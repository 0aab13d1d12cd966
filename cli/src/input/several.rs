//! Several CARs as one repository.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use carwalk::store::{AnyStore, Union};
use carwalk::{Cid, Repo, Tree};

use super::store::{InputStore, Place, all_commits};
use super::stream::Stream;
use super::{Input, Origin, is_too_large};
use crate::failure::{Cause, Failure};
use crate::progress::{SharedProgress, Unit};
use crate::{commits, map};

/// The CARs that are one repository, by their arguments. Never empty: without an argument, standard
/// input is read.
pub(crate) struct Several(Vec<Input>);

/// An error, and the number of its CAR unless it is about all of them.
pub(crate) struct Fault {
    input: Option<usize>,
    cause: Cause,
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Fault { input: None, cause }
    }
}

impl From<carwalk::Error> for Fault {
    fn from(error: carwalk::Error) -> Self {
        Fault { input: error.input(), cause: error.into() }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault { input: None, cause: error.into() }
    }
}

impl Several {
    /// The CAR of `first`, and further ones with the same settings.
    pub(crate) fn new(first: &Input, more: &[PathBuf]) -> Self {
        let others = more.iter().map(|path| Input { file: Some(path.clone()), ..first.clone() });
        Several([first.clone()].into_iter().chain(others).collect())
    }

    /// Checks the arguments before anything is read.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        let Several(inputs) = self;
        if inputs.iter().filter(|input| input.is_stdin()).count() > 1 {
            return Err(Cause::Usage("standard input can be read only once"));
        }
        if inputs.len() > 1 && inputs.iter().any(|input| input.storage.keeps()) {
            return Err(Cause::Usage("--keep needs a single CAR"));
        }
        inputs.iter().try_for_each(|input| input.storage.check())
    }

    /// Loads all CARs.
    pub(crate) fn load(&self) -> Result<Union<InputStore>, Fault> {
        let load = |(number, input): (usize, &Input)| {
            let loaded =
                input.load_store().map_err(|cause| cause.of_spill_file(input.use_of_file()));
            loaded.map_err(|cause| Fault { input: Some(number), cause })
        };
        let stores = self.0.iter().enumerate().map(load);
        stores.collect::<Result<_, _>>().map(Union::new)
    }

    /// Opens the newest revision in the CARs, or the commit of `--commit`.
    pub(crate) fn open(&self, cars: Union<InputStore>) -> Result<Repo<Union<InputStore>>, Fault> {
        let Some(first) = self.0.first() else {
            return Err(Cause::Usage("no CAR given").into());
        };
        let loader = first.loader(false).memory_limit(first.storage.memory_limit());
        Ok(match first.commit {
            Some(commit) => loader.from_store(cars, commit)?,
            None => {
                let roots: Vec<Cid> = cars.stores().iter().map(InputStore::root).collect();
                loader.from_newest(cars, &roots)?
            }
        })
    }

    /// Adds to the fault of a missing block another commit whose tree is complete.
    pub(crate) fn hint(&self, fault: Fault, repo: &Repo<Union<InputStore>>) -> Fault {
        let rules = self.0.first().map(Input::commit_rules).unwrap_or_default();
        let cause = commits::hint_among(fault.cause, repo, all_commits(repo.store(), rules), rules);
        Fault { cause, ..fault }
    }

    /// Opens the tree whose root node is the root of the first CAR.
    pub(crate) fn open_tree(
        &self,
        cars: Union<InputStore>,
    ) -> Result<Tree<Union<InputStore>>, Fault> {
        let root = cars.stores().first().map(InputStore::root);
        let root = root.ok_or_else(|| Fault::from(Cause::Usage("no CAR given")))?;
        Ok(Tree::new(cars, root))
    }

    /// Returns the failure of a command over the CARs.
    pub(crate) fn failure(&self, fault: Fault, is_binary: bool) -> Failure {
        let Fault { input, cause } = fault;
        let cause = match self.0.first() {
            Some(first) => cause.of_spill_file(first.use_of_file()),
            None => cause,
        };
        Failure { input: self.name(input), cause, has_partial: false, is_binary }
    }

    /// Returns the name of one CAR, or of all.
    fn name(&self, input: Option<usize>) -> String {
        let Several(inputs) = self;
        let first = inputs.first().map(Input::name).unwrap_or_default();
        match (input.and_then(|number| inputs.get(number)), inputs.len()) {
            (Some(input), _) => input.name(),
            (None, 0 | 1) => first,
            (None, len) => format!("{first} and {} more", len.saturating_sub(1)),
        }
    }
}

impl Input {
    fn is_stdin(&self) -> bool {
        self.file.as_deref().is_none_or(|path| path == Path::new("-"))
    }

    /// Loads the CAR without opening its commit.
    fn load_store(&self) -> Result<InputStore, Cause> {
        let place = match self.source()? {
            Origin::Stdin => Place::Read(self.load_stream(io::stdin().lock(), None)?),
            Origin::File { file, len } => Place::Read(self.load_stream(file, len)?),
            Origin::Mapped { file, len } => self.load_mapped(file, len)?,
            Origin::Kept(path) => {
                let loader = self.loader(false).memory_limit(self.storage.cache_size());
                Place::Read(AnyStore::File(loader.from_spill_file(path)?.into_store()))
            }
        };
        Ok(InputStore::new(place))
    }

    fn load_mapped(&self, file: File, len: u64) -> Result<Place, Cause> {
        match self.map(&file, len, false, map::load) {
            // Some file systems cannot map.
            Err(Cause::Map(error)) if !is_too_large(&error) => {
                self.load_stream(file, Some(len)).map(Place::Read)
            }
            store => store.map(Place::Mapped),
        }
    }

    fn load_stream(&self, source: impl Read, len: Option<u64>) -> Result<AnyStore, Cause> {
        let mut stream =
            Stream::new(source, self.limits().stream_len(), false).map_err(carwalk::Error::from)?;
        let len = len.filter(|_| !stream.is_compressed());
        let progress = SharedProgress::new(Unit::Bytes, len);
        let loader = self.loader(false).progress(progress.follow());
        let loaded = self.storage.load(loader, &mut stream, |note| progress.note(note));
        loaded.map_err(|cause| match cause {
            Cause::Car(error) => self.explain(error, &mut stream),
            cause => cause,
        })
    }
}
