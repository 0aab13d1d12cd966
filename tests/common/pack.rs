//! The CAR that a writer must write, made from the testkit's tree.

use std::collections::HashSet;

use carwalk_testkit::car::Car;
use carwalk_testkit::repo::Repo;
use carwalk_testkit::tree::Step;

/// The commit, then nodes and records in the order of the walk: each node at its place, and each
/// record once, or with `repeats` for each of its entries. The repository has fewer records than a
/// writer remembers.
pub(crate) fn packed(repo: &Repo, repeats: bool) -> Car {
    let mut car = Car::new(&[repo.commit_cid()]);
    car.push(repo.commit_cid(), &repo.commit_block());
    push_tree(repo, repeats, &mut car);
    car
}

/// The same CAR without its commit.
pub(crate) fn packed_tree(repo: &Repo) -> Car {
    let mut car = Car::new(&[repo.root.cid()]);
    push_tree(repo, false, &mut car);
    car
}

fn push_tree(repo: &Repo, repeats: bool, car: &mut Car) {
    let mut written = HashSet::new();
    for step in repo.root.preorder() {
        match step {
            Step::Node { cid, block, .. } => car.push(cid, &block),
            Step::Entry { value, .. } => {
                let cid = value.unwrap();
                if written.insert(cid) || repeats {
                    car.push(cid, &repo.records[&cid].bytes);
                }
            }
        }
    }
}
