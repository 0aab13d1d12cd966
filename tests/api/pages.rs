//! The links and the length of the pages.

use std::fs;
use std::path::Path;

/// The pages of the repository with relative links.
const PAGES: [&str; 15] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/cost-growth.md",
    "docs/design.md",
    "cli/README.md",
    "fuzz/README.md",
    "benches/compare/README.md",
    "data/python/README.md",
    "data/python/docs/data-frames.md",
    "data/python/docs/duckdb.md",
    "data/python/docs/engines.md",
    "data/python/docs/polars.md",
    "data/python/docs/spark.md",
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

/// Whoever reads these pages in the published package has only the files that it includes.
#[test]
fn links_of_published_pages_lead_into_the_package() {
    let manifest = read("Cargo.toml");
    let (_, included) = manifest.split_once("\ninclude = [").unwrap();
    let included = included.split(']').next().unwrap();
    let included: Vec<&Path> = included
        .split('"')
        .filter_map(|path| path.strip_prefix('/'))
        .filter(|path| !path.contains('*'))
        .map(Path::new)
        .collect();
    for page in ["README.md", "SECURITY.md", "CHANGELOG.md"] {
        assert!(included.contains(&Path::new(page)));
        for link in links(&read(page)) {
            let is_included = included.iter().any(|path| Path::new(link).starts_with(path));
            assert!(is_included, "{page}: {link}");
        }
    }
    assert!(!links(&read("README.md")).is_empty());
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").lines().count() <= 150);
}
