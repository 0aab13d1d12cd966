//! Replays the seeds and regressions of all fuzz targets, with a trial for each. Every target must
//! have seeds, and the files must be those of the generator.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use carwalk_fuzz_bodies::{TARGETS, Target, seeds};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let replays = TARGETS.iter().flat_map(|target| {
        let files = ["seeds", "regressions"]
            .into_iter()
            .flat_map(|kind| files(&folder(kind).join(target.name)));
        files.map(|file| replay(target, file))
    });
    let mut trials: Vec<Trial> = replays.collect();
    trials.push(Trial::test("every_target_has_seeds", || check(every_target_has_seeds())));
    trials.push(Trial::test("seeds_are_those_of_the_generator", || {
        check(seeds_are_those_of_the_generator())
    }));
    trials.push(Trial::test("every_folder_is_a_target", || check(every_folder_is_a_target())));
    trials.push(Trial::test("every_target_is_built", || check(every_target_is_built())));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(kind)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn replay(target: &'static Target, file: PathBuf) -> Trial {
    Trial::test(format!("{}::{}", target.name, name(&file)), move || {
        (target.run)(&fs::read(file)?);
        Ok(())
    })
}

fn check(faults: Vec<String>) -> Result<(), libtest_mimic::Failed> {
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

fn every_target_has_seeds() -> Vec<String> {
    let without =
        TARGETS.iter().filter(|target| files(&folder("seeds").join(target.name)).is_empty());
    without.map(|target| format!("{} has no seeds", target.name)).collect()
}

fn seeds_are_those_of_the_generator() -> Vec<String> {
    let mut expected: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    let mut faults = Vec::new();
    for seed in seeds::all() {
        if expected.insert((seed.target.to_owned(), seed.name.clone()), seed.bytes).is_some() {
            faults.push(format!("{}/{} is generated twice", seed.target, seed.name));
        }
    }
    for folder in files(&folder("seeds")) {
        for file in files(&folder) {
            let found = expected.remove(&(name(&folder), name(&file)));
            if found != fs::read(&file).ok() {
                faults.push(format!(
                    "{} differs from the generated seed: run make-seeds",
                    file.display()
                ));
            }
        }
    }
    faults.extend(
        expected
            .into_keys()
            .map(|(target, name)| format!("{target}/{name} is missing: run make-seeds")),
    );
    faults
}

/// A misspelt folder would never be replayed.
fn every_folder_is_a_target() -> Vec<String> {
    let folders = ["seeds", "regressions"].into_iter().flat_map(|kind| files(&folder(kind)));
    let strays = folders.filter(|folder| !TARGETS.iter().any(|target| name(folder) == target.name));
    strays.map(|folder| format!("{} belongs to no target", folder.display())).collect()
}

/// Each body has a fuzz target and an entry in the manifest, and there are no others.
fn every_target_is_built() -> Vec<String> {
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let mut faults = Vec::new();
    for Target { name, .. } in TARGETS {
        let path = format!("fuzz_targets/{name}.rs");
        let body = fs::read_to_string(folder(&path)).unwrap_or_default();
        if !manifest.contains(&format!("path = \"{path}\""))
            || !body.contains(&format!("target!({name});"))
        {
            faults.push(format!("{name} has no target in fuzz/"));
        }
    }
    if manifest.matches("[[bin]]").count() != TARGETS.len() {
        faults.push("fuzz/ has a target without a body".to_owned());
    }
    faults
}
