//! Reading one input after the other, with the memory of the inputs before.

mod bytes;
mod gauge;
mod map;
mod settings;
mod worker;

pub use self::map::{MAPPED_LEN, map_file};
pub use self::settings::Settings;
pub use self::worker::{Visit, Worker};
