//! The machine on which a comparison ran.

use std::fmt;
use std::fs;

use nix::sys::utsname::uname;
use serde::{Deserialize, Serialize};

use crate::Result;

/// A machine, and the compiler that was used on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Name of the processor, followed by its family and model numbers if the system reports them.
    pub cpu: String,
    /// Whether the processor has instructions for SHA-256.
    pub sha_extension: bool,
    /// Number of processors that the process can use.
    pub cores: usize,
    /// Name and release of the kernel.
    pub kernel: String,
    /// Version of the compiler that built the readers.
    pub rustc: String,
}

impl Machine {
    /// Describes this machine.
    ///
    /// # Errors
    ///
    /// If `/proc/cpuinfo` cannot be read, or the system does not report its processors or its
    /// kernel.
    pub fn this() -> Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo")?;
        let field = |name: &str| {
            let fields = || info.lines().filter_map(|line| line.split_once(':'));
            fields().find(|(found, _)| found.trim() == name).map_or("", |(_, value)| value.trim())
        };
        let number = |name| {
            Some(field(name))
                .filter(|value| !value.is_empty())
                .map(|value| format!("{name} {value}"))
        };
        let cpu: Vec<_> =
            [Some(field("model name").to_owned()), number("cpu family"), number("model")]
                .into_iter()
                .flatten()
                .filter(|part| !part.is_empty())
                .collect();
        let system = uname()?;
        Ok(Self {
            cpu: cpu.join(", "),
            sha_extension: [field("flags"), field("Features")]
                .into_iter()
                .flat_map(str::split_whitespace)
                .any(|flag| flag == "sha_ni" || flag == "sha2"),
            cores: std::thread::available_parallelism()?.get(),
            kernel: format!(
                "{} {}",
                system.sysname().to_string_lossy(),
                system.release().to_string_lossy()
            ),
            rustc: env!("COMPARE_RUSTC").to_owned(),
        })
    }
}

/// Omits the suffix of the kernel's release, which names a distribution or a build.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha = if self.sha_extension { "with" } else { "without" };
        let kernel = self.kernel.split(['-', '+']).next().unwrap_or_default();
        write!(
            f,
            "{}, {sha} SHA extension, {} cores, {}, {}",
            self.cpu, self.cores, kernel, self.rustc
        )
    }
}
