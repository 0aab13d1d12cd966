//! The folder that temporary spill files lie in.

use std::path::Path;

/// Returns whether files in a folder take memory and not disk.
#[cfg(target_os = "linux")]
pub(super) fn is_memory(folder: &Path) -> bool {
    const TMPFS: i128 = 0x0102_1994;
    const RAMFS: i128 = 0x8584_58f6;
    // The number's type, and with it its sign, is another on other processors.
    rustix::fs::statfs(folder)
        .is_ok_and(|stat| [TMPFS, RAMFS].contains(&(i128::from(stat.f_type) & 0xffff_ffff)))
}

/// Returns false: this system does not tell whether files in a folder take memory.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_memory(_: &Path) -> bool {
    false
}
