//! The folder of the test vectors: external data that is not part of the project.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of the vectors: the one that `CARWALK_VECTORS` names, or `shared/vectors` beside the
/// repository.
///
/// `None` if the folder is missing.
pub fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = env::var_os("CARWALK_VECTORS").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Whether tests must fail without the vectors, because `CARWALK_REQUIRE_VECTORS` is 1.
pub fn are_required() -> bool {
    env::var_os("CARWALK_REQUIRE_VECTORS").is_some_and(|value| value == "1")
}
