//! The table, the machine and the chart in the repository's README are those of the committed
//! record.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use carwalk_compare::record::{Line, Record};
use carwalk_compare::{bars, table};

fn record() -> Record {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    Record::open(&package.join("records/pds-1200000.jsonl")).unwrap()
}

fn file(name: &str) -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(package.join("../..").join(name)).unwrap()
}

#[test]
fn table_in_the_readme_is_that_of_the_committed_record() {
    let table = table::short(&record());
    assert!(file("README.md").contains(&table), "the README does not have this table:\n{table}");
}

#[test]
fn the_readme_names_the_machine() {
    let machine = record().lines.iter().find_map(|line| match line {
        Line::Setting(setting) => Some(setting.machine.to_string()),
        _ => None,
    });
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&file("README.md")).contains(&machine.unwrap()));
}

#[test]
fn the_chart_is_that_of_the_committed_record() {
    assert!(bars::svg(&record()).unwrap() == file("docs/speed.svg"));
}
