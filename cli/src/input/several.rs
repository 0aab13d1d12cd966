//! Several CARs as one repository.

use std::io;
use std::path::{Path, PathBuf};

use carwalk::store::Union;
use carwalk::{Cid, ErrorKind, Repo, Tree};

use super::Input;
use super::loaded::LoadedCar;
use super::opened::{Opened, OpenedRepo};
use super::store::{InputStore, all_commits};
use crate::commits;
use crate::failure::{Cause, Failure};

/// The CARs that are one repository, by their arguments. Never empty: without an argument, standard
/// input is read.
pub(crate) struct Several(Vec<Input>);

/// The tree of a CAR.
pub(crate) struct OpenedTree {
    pub(crate) tree: Tree<LoadedCar>,
    /// The DID in the commit; `None` without a commit.
    pub(crate) account: Option<String>,
}

/// An error, and the number of its CAR unless it is about all of them.
pub(crate) struct Fault {
    input: Option<usize>,
    cause: Cause,
}

impl Fault {
    /// An error of one CAR, or of all.
    pub(crate) fn of(input: Option<usize>, cause: Cause) -> Self {
        Fault { input, cause }
    }
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
    pub(crate) fn check(&self, is_bare: bool) -> Result<(), Cause> {
        let Several(inputs) = self;
        if is_bare {
            inputs.iter().try_for_each(Input::check_bare)?;
        }
        if inputs.iter().filter(|input| input.is_stdin()).count() > 1 {
            return Err(Cause::STDIN_TWICE);
        }
        if inputs.len() > 1 && inputs.iter().any(|input| input.storage.keeps()) {
            return Err(Cause::Usage("--keep needs a single CAR"));
        }
        inputs.iter().try_for_each(|input| input.storage.check())
    }

    /// Returns whether one of the CARs comes from standard input.
    pub(crate) fn read_stdin(&self) -> bool {
        self.0.iter().any(Input::is_stdin)
    }

    /// Opens the tree of each CAR. With `is_bare`, their first roots are nodes, not commits.
    pub(crate) fn open_trees(&self, is_bare: bool) -> Result<Vec<OpenedTree>, Fault> {
        self.each(|input| input.open_tree(is_bare))
    }

    /// Loads all CARs, without opening their commits.
    pub(crate) fn load(&self) -> Result<Union<InputStore>, Fault> {
        let load = |input: &Input| input.opened::<LoadedCar>().map(InputStore::new);
        self.each(load).map(Union::new)
    }

    /// Does something with each CAR. An error is about that CAR.
    fn each<T>(&self, act: impl Fn(&Input) -> Result<T, Cause>) -> Result<Vec<T>, Fault> {
        let Several(inputs) = self;
        let done = inputs.iter().enumerate().map(|(number, input)| {
            act(input).map_err(|cause| Fault {
                input: Some(number),
                cause: cause.of_spill_file(input.use_of_file()),
            })
        });
        done.collect()
    }

    /// Opens the newest revision in the CARs, or the commit of `--commit`.
    pub(crate) fn open(&self, cars: Union<InputStore>) -> Result<Repo<Union<InputStore>>, Fault> {
        let Some(first) = self.0.first() else {
            return Err(Cause::Usage("no CAR given").into());
        };
        let loader = first.bounded();
        let mut evidence: Vec<_> = cars.stores().iter().map(InputStore::evidence).collect();
        let opened = match first.commit {
            Some(commit) => loader.from_store(cars, commit),
            None => {
                let roots: Vec<Cid> = cars.stores().iter().map(InputStore::root).collect();
                loader.from_newest(cars, &roots)
            }
        };
        opened.map_err(|error| {
            let is_single = evidence.len() == 1;
            let input = error.input().or(is_single.then_some(0));
            // One of several CARs may have only a header.
            let is_explained = is_single || !matches!(error.kind(), ErrorKind::MissingCommit);
            match input.and_then(|number| evidence.get_mut(number)) {
                Some(evidence) if is_explained => {
                    Fault { input, cause: first.explain(error, evidence) }
                }
                _ => error.into(),
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
        let Some((root, first)) = root.zip(self.0.first()) else {
            return Err(Cause::Usage("no CAR given").into());
        };
        Ok(first.bare_tree(cars, root)?)
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

    fn open_tree(&self, is_bare: bool) -> Result<OpenedTree, Cause> {
        if is_bare {
            let car = self.opened::<LoadedCar>()?;
            let root = car.root();
            return Ok(OpenedTree { tree: self.bare_tree(car, root)?, account: None });
        }
        let (car, commit) = self.opened::<OpenedRepo>()?.into_parts();
        let tree = self.bounded().tree_from_store(car, commit.data());
        Ok(OpenedTree { tree, account: Some(commit.did().to_owned()) })
    }

    /// Opens the CAR, which must not be damaged.
    fn opened<O: Opened>(&self) -> Result<O, Cause> {
        Ok(self.open(self.source()?, false)?.0)
    }
}
