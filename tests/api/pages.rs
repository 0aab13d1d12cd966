//! The links and the length of the pages.

use std::fs;
use std::path::Path;

/// The pages of the repository with relative links.
const PAGES: [&str; 8] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/design.md",
    "cli/README.md",
    "fuzz/README.md",
    "benches/compare/README.md",
];

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap()
}

/// The targets of the relative links of a page, without their anchors.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter_map(|target| target.split('#').next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn relative_links_lead_to_files() {
    for page in PAGES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        for link in links(&read(page)) {
            assert!(folder.parent().unwrap().join(link).exists(), "{page}: {link}");
        }
    }
}

/// Whoever reads the README in the published package has only the files that it includes.
#[test]
fn links_of_the_readme_lead_into_the_package() {
    let manifest = read("Cargo.toml");
    let (_, included) = manifest.split_once("\ninclude = [").unwrap();
    let included = included.split(']').next().unwrap();
    let readme = read("README.md");
    assert!(!links(&readme).is_empty());
    for link in links(&readme) {
        let first = link.split('/').next().unwrap();
        assert!(included.contains(&format!("\"/{first}\"")), "{link}");
    }
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").lines().count() <= 150);
}
