//! The folder of temporary spill files.

use std::path::Path;

/// Returns whether a folder is in memory, so that its files take memory instead of disk.
#[cfg(target_os = "linux")]
pub(super) fn is_memory(folder: &Path) -> bool {
    const TMPFS: i128 = 0x0102_1994;
    const RAMFS: i128 = 0x8584_58f6;
    // The type of the field, and so its sign, depends on the processor.
    rustix::fs::statfs(folder)
        .is_ok_and(|stat| [TMPFS, RAMFS].contains(&(i128::from(stat.f_type) & 0xffff_ffff)))
}

/// Returns false: on this system it is unknown whether a folder is in memory.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_memory(_: &Path) -> bool {
    false
}
