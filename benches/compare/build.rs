//! Keeps which compiler built the readers: it belongs to what is measured.

use std::process::Command;

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc)
        .arg("--version")
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    println!("cargo::rustc-env=COMPARE_RUSTC={}", String::from_utf8_lossy(&said).trim());
    println!("cargo::rerun-if-changed=build.rs");
}
