//! The repository's README quotes what was measured, and nothing else.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use carwalk_compare::record::Record;
use carwalk_compare::table;

#[test]
fn table_in_the_readme_is_that_of_the_committed_record() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let record = Record::open(&package.join("records/pds-1200000.jsonl")).unwrap();
    let text = table::markdown(&record);
    let (first, _) = text.split_once("\nWhat is checked:").unwrap();
    let readme = fs::read_to_string(package.join("../../README.md")).unwrap();
    let command = first.lines().next().unwrap();
    assert!(readme.contains(command), "the README does not have this line: {command}");
    for table in first.split("\n\n").filter(|part| part.starts_with('|')) {
        let table = table.trim_end();
        assert!(readme.contains(table), "the README does not have this table:\n{table}");
    }
}
