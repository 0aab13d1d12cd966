//! The table of inputs.

use carwalk::Verification;
use carwalk_arrow::{Scan, files_schema};
use carwalk_batch::{Check, Input};
use carwalk_batch::{Inputs, Outcome, Settings, Stop, Worker};
use carwalk_testkit::commit::{DID, REV};
use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::{breakage, legal};

use crate::common::{Cell, Folder, batches, car, gzip, number, rows_of};

type Table = Vec<Vec<Cell>>;

fn table(scan: &Scan) -> Table {
    scan.files().flat_map(|batch| rows_of(&batch.unwrap())).collect()
}

/// Returns what a check of one input after the other finds.
fn checked(inputs: &Inputs) -> Table {
    let stop = Stop::new();
    let mut worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
    let text = |text: Option<String>| text.map_or(Cell::Null, Cell::Text);
    let number = |number: Option<u64>| {
        number.map_or(Cell::Null, |number| Cell::Number(i64::try_from(number).unwrap()))
    };
    let row = |input: &Input| {
        let line = worker.process(input, &mut Check::new(&stop));
        vec![
            text(Some(line.path)),
            number(line.bytes),
            text(Some(line.outcome.name().to_owned())),
            text(line.outcome.reason().map(str::to_owned)),
            text(line.error),
            text(line.did),
            text(line.rev),
            text(line.commit),
            number(line.records),
        ]
    };
    inputs.as_slice().iter().map(row).collect()
}

fn mixed() -> (Folder, Inputs) {
    let folder = Folder::new();
    for breakage in breakage::all() {
        folder.write(&format!("{}.car", breakage.name), &breakage.make().broken);
    }
    for oddity in legal::all() {
        folder.write(&format!("{}.car", oddity.name), &oddity.make());
    }
    folder.write("text.car", b"Not Found");
    folder.write("packed.car.gz", &gzip(&car(5)));
    let mut inputs = folder.inputs();
    inputs.add(folder.path().join("none.car")).unwrap();
    (folder, inputs)
}

#[test]
fn every_input_is_a_row_as_a_check_of_it_says() {
    let (_folder, inputs) = mixed();
    let expected = checked(&inputs);
    let outcome = |name: &str| {
        let is = |row: &&Vec<Cell>| row[2] == Cell::Text(name.to_owned());
        expected.iter().filter(is).count()
    };
    assert!(outcome("done") > 20 && outcome("failed") > 20);
    for (threads, batch_rows) in [(1, 65_536), (4, 7), (3, 1)] {
        let scan =
            Scan::new(inputs.clone()).threads(number(threads)).batch_rows(number(batch_rows));
        assert_eq!(table(&scan), expected);
        assert!(scan.files().all(|batch| batch.unwrap().num_rows() <= batch_rows));
        let mut files = scan.files();
        assert_eq!(files.schema(), files_schema());
        assert!(files.by_ref().all(|batch| batch.unwrap().schema() == files_schema()));
        assert!(files.failures().is_empty());
    }
}

#[test]
fn the_columns_have_their_values() {
    let folder = Folder::new();
    let repo = Repo::sample(["a.b.c/1", "a.b.c/2"]);
    let path = folder.write("a.car", &repo.to_bytes(Order::Pds));
    let text = |text: &str| Cell::Text(text.to_owned());
    let bytes = i64::try_from(repo.to_bytes(Order::Pds).len()).unwrap();
    let expected = vec![
        text(path.to_str().unwrap()),
        Cell::Number(bytes),
        text(Outcome::Done.name()),
        Cell::Null,
        Cell::Null,
        text(DID),
        text(REV),
        text(&repo.commit_cid().to_string()),
        Cell::Number(2),
    ];
    assert_eq!(table(&folder.scan()), [expected]);
}

#[test]
fn whole_inputs_are_verified_whatever_the_rows_of_the_scan() {
    let folder = Folder::new();
    let mut cut = Repo::sample(["a.b.c/1", "a.b.c/2"]).to_car(Order::Preorder);
    cut.sections.pop();
    folder.write("a.car", &cut.to_bytes());
    folder.write("b.car", &Repo::sample(["a.b.c/1", "noslash"]).to_bytes(Order::Pds));
    // A block that the tree does not reach, with another hash than its CID.
    let mut extra = Repo::sample(["a.b.c/1"]).to_car(Order::Preorder);
    let mut unreached = Repo::sample(["a.b.c/2"]).to_car(Order::Preorder).sections.remove(0);
    *unreached.data.last_mut().unwrap() ^= 1;
    extra.sections.push(unreached);
    folder.write("c.car", &extra.to_bytes());
    let scan = folder.scan().columns("rkey".parse().unwrap()).limit(Some(1));
    let scan = scan.verification(Some(Verification::ReachedBlocks));
    assert_eq!(batches(&scan)[0].num_rows(), 1);
    let rows = table(&scan);
    let reasons: Vec<_> = rows.iter().map(|row| row[3].clone()).collect();
    let expected = ["missing", "invalid", "invalid"];
    assert_eq!(reasons, expected.map(|text| Cell::Text(text.to_owned())));
}

#[test]
fn other_accounts_are_skipped_rows() {
    let folder = Folder::new();
    folder.write("a.car", &car(2));
    let rows = table(&folder.scan().dids(["did:plc:other"]));
    let text = |text: &str| Cell::Text(text.to_owned());
    assert_eq!(rows[0][2..4], [text("skipped"), text("not_selected")]);
    assert_eq!((&rows[0][5], &rows[0][8]), (&text(DID), &Cell::Null));
    assert!(table(&Scan::new(Inputs::new())).is_empty());
}

#[test]
fn a_consumer_may_stop_in_the_middle() {
    let (_folder, inputs) = mixed();
    let mut files = Scan::new(inputs).batch_rows(number(2)).files();
    assert_eq!(files.next().unwrap().unwrap().num_rows(), 2);
    drop(files);
}
