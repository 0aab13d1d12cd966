//! The bodies of the fuzz targets: one function for each structure or property.
//!
//! Each takes any bytes, and panics if its property does not hold for them. The targets in `fuzz/`
//! and the test that replays seeds and regressions call the same functions, so every input that
//! fails in the fuzzer also fails under `cargo test`.
//!
//! Bytes are read in one of two ways. Where a structure is parsed, they are the structure. Where a
//! repository is needed, they are choices: the number of records, their keys, the rule to break.
//! All hashes are computed afterwards. A mutated CAR would almost always fail at its hashes;
//! [`car_rehashed`] therefore repairs them.
//!
//! The expectations come from the testkit, which shares no code with the library.

mod breaks;
mod broken;
mod builder;
mod car;
mod choices;
mod cid;
mod commit;
#[path = "../../common/mod.rs"]
mod common;
mod diff;
mod edits;
mod export;
mod falsified;
mod frame;
mod framing;
mod judge;
mod node;
mod one_pass;
mod partial;
mod path;
mod process;
mod proofs;
mod record;
mod rehash;
pub mod seeds;
mod seen;
mod signature;
mod spill_file;
mod stores;
mod varint;

pub use self::broken::broken_rule;
pub use self::builder::builder;
pub use self::car::{car, car_header, chunk_independence, section};
pub use self::cid::cid;
pub use self::commit::commit;
pub use self::diff::diff;
pub use self::falsified::falsified_commit;
pub use self::frame::frame;
pub use self::judge::{car_rehashed, walk_oracle};
pub use self::node::node;
pub use self::one_pass::one_pass;
pub use self::partial::partial_trees;
pub use self::path::path;
pub use self::process::{process, processable};
pub use self::proofs::proofs;
pub use self::record::record;
pub use self::signature::signature;
pub use self::spill_file::spill_file;
pub use self::stores::store_independence;
pub use self::varint::varint;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the target, of its function, and of its folders of seeds and regressions.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident)*) => {
        &[$(Target { name: stringify!($name), run: $name }),*]
    };
}

/// All targets.
pub const TARGETS: &[Target] = targets! {
    varint cid car_header section commit node path processable record
    car car_rehashed chunk_independence
    walk_oracle broken_rule partial_trees proofs signature builder diff
    frame falsified_commit
    store_independence one_pass process spill_file
};
