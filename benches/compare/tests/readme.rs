//! The tables, machines and the chart in the README files are those of the committed records.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use carwalk_compare::record::{Line, Record};
use carwalk_compare::{bars, table};

/// The records and the README in which each is shown.
const SHOWN: [(&str, &str); 2] =
    [("network-3000", "README.md"), ("pds-1200000", "benches/compare/README.md")];

fn record(name: &str) -> Record {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    Record::open(&package.join(format!("records/{name}.jsonl"))).unwrap()
}

fn file(name: &str) -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(package.join("../..").join(name)).unwrap()
}

#[test]
fn tables_in_the_readme_files_are_those_of_the_committed_records() {
    for (name, readme) in SHOWN {
        let table = table::short(&record(name));
        assert!(file(readme).contains(&table), "{readme} does not have this table:\n{table}");
    }
}

#[test]
fn the_readme_files_name_the_machines() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, readme) in SHOWN {
        let machine = record(name).lines.iter().find_map(|line| match line {
            Line::Setting(setting) => Some(setting.machine.to_string()),
            _ => None,
        });
        assert!(words(&file(readme)).contains(&machine.unwrap()), "{readme}");
    }
}

#[test]
fn the_chart_is_that_of_the_committed_record() {
    assert!(bars::svg(&record("pds-1200000")).unwrap() == file("docs/speed.svg"));
}
