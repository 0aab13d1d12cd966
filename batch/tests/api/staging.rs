//! The rows of a repository are passed on together, or not at all.

use std::io::Read;

use carwalk::KeyRange;
use carwalk_batch::columns::Columns;
use carwalk_batch::staging::{Encode, Encoding, Selection, Staging};
use carwalk_batch::text::Format;
use carwalk_batch::{Failure, Input, Line, Outcome, Reason, Settings, Stop};
use carwalk_testkit::car::Car;
use carwalk_testkit::export::{Export, Order};
use carwalk_testkit::repo;
use flate2::read::MultiGzDecoder;

use crate::common::{Folder, car, worker};

/// Exports a CAR. Returns the pieces and the line.
fn export(bytes: &[u8], encoding: Encoding, selection: &Selection) -> (Vec<Vec<u8>>, Line) {
    let folder = Folder::new();
    let input = Input::new(folder.write("a.car", bytes));
    let (stop, mut rows, mut pieces) = (Stop::new(), encoding.rows(), Vec::new());
    let mut staging = Staging::new(&mut rows, selection, &stop, |piece, bytes| {
        assert!(bytes > 0);
        pieces.push(piece);
        Ok(())
    });
    let line = worker(Settings::new()).process(&input, &mut staging);
    (pieces, line)
}

fn json() -> (Encoding, Selection) {
    (Encoding::new(Format::JsonLines, Columns::DEFAULT), Selection::new(Columns::DEFAULT))
}

fn lines(pieces: &[Vec<u8>]) -> usize {
    pieces.iter().flatten().filter(|byte| **byte == b'\n').count()
}

/// A CAR with more than 8 MiB of rows.
fn large() -> Vec<u8> {
    let mut car = Vec::new();
    Export { records: 25_000, seed: 1, order: Order::Preorder }.write_to(&mut car).unwrap();
    car
}

/// The same without its last record.
fn without_last(car: &[u8]) -> Vec<u8> {
    let mut car = Car::parse(car).unwrap();
    car.sections.pop();
    car.to_bytes()
}

#[test]
fn small_repositories_are_one_piece_and_large_ones_several() {
    let (encoding, selection) = json();
    let (pieces, line) = export(&car(20), encoding, &selection);
    assert_eq!((pieces.len(), lines(&pieces), line.records), (1, 20, Some(20)));
    assert_eq!((line.invalid_paths, line.error), (Some(0), None));
    let (pieces, line) = export(&large(), encoding, &selection);
    assert_eq!((line.outcome, line.records), (Outcome::Done, Some(25_000)));
    assert_eq!(lines(&pieces), 25_000);
    assert!(pieces.len() > 2 && pieces[0].len() >= 8 << 20, "{}", pieces.len());
    assert!(pieces[1..].iter().all(|piece| piece.len() < 1 << 20));
    let (pieces, line) = export(
        &repo::Repo::sample(Vec::<String>::new()).to_bytes(repo::Order::Pds),
        encoding,
        &selection,
    );
    assert_eq!((pieces.len(), line.outcome, line.records), (0, Outcome::Done, Some(0)));
}

#[test]
fn a_missing_record_leaves_no_rows_of_small_and_of_large_repositories() {
    let (encoding, selection) = json();
    for bytes in
        [repo::Repo::sample(["a.b.c/1", "a.b.c/2"]).to_bytes(repo::Order::Preorder), large()]
    {
        for encoding in [encoding, encoding.gzip(true)] {
            let (pieces, line) = export(&without_last(&bytes), encoding, &selection);
            assert_eq!(line.outcome, Outcome::Failed(Reason::Missing));
            assert_eq!((pieces.len(), line.records), (0, None));
        }
        // The twins have the record, or do not need it.
        let (pieces, line) = export(&bytes, encoding, &selection);
        assert_eq!(Some(lines(&pieces) as u64), line.records);
        let columns: Columns = "rkey,cid,time".parse().unwrap();
        let encoding = Encoding::new(Format::Csv, columns);
        let (pieces, line) = export(&without_last(&bytes), encoding, &Selection::new(columns));
        assert_eq!(line.outcome, Outcome::Done);
        assert_eq!(Some(lines(&pieces) as u64), line.records);
    }
}

#[test]
fn rows_after_a_failed_repository_have_none_of_it() {
    let (encoding, selection) = json();
    let folder = Folder::new();
    let good = repo::Repo::sample(["a.b.c/1", "a.b.c/2"]).to_bytes(repo::Order::Preorder);
    let bad = Input::new(folder.write("a.car", &without_last(&good)));
    let good = Input::new(folder.write("b.car", &good));
    for encoding in [encoding, encoding.gzip(true)] {
        let (stop, mut rows, mut text) = (Stop::new(), encoding.rows(), Vec::new());
        let mut worker = worker(Settings::new());
        for input in [&bad, &good, &bad, &good] {
            let mut staging = Staging::new(&mut rows, &selection, &stop, |piece: Vec<u8>, _| {
                text.extend(piece);
                Ok(())
            });
            worker.process(input, &mut staging);
        }
        let mut plain = Vec::new();
        if text.starts_with(b"{") {
            plain = text;
        } else {
            MultiGzDecoder::new(&text[..]).read_to_end(&mut plain).unwrap();
        }
        assert_eq!(lines(&[plain]), 4);
    }
}

#[test]
fn compressed_pieces_are_the_same_text() {
    for bytes in [car(100), large()] {
        for format in Format::ALL {
            let encoding = Encoding::new(format, Columns::DEFAULT);
            let selection = Selection::new(Columns::DEFAULT);
            let (plain, _) = export(&bytes, encoding, &selection);
            let (packed, _) = export(&bytes, encoding.gzip(true), &selection);
            let (plain, packed) = (plain.concat(), packed.concat());
            assert!(packed.len() < plain.len() / 2);
            let mut text = Vec::new();
            MultiGzDecoder::new(&packed[..]).read_to_end(&mut text).unwrap();
            assert!(text == plain);
        }
    }
}

#[test]
fn a_limit_ends_the_walk_before_faults() {
    let (encoding, all) = json();
    for (bytes, most) in [
        (repo::Repo::sample(["a.b.c/1", "a.b.c/2", "a.b.c/3"]).to_bytes(repo::Order::Preorder), 2),
        (large(), 20_000),
    ] {
        let cut = without_last(&bytes);
        let (complete, _) = export(&bytes, encoding, &all);
        for limit in [0, 1, most] {
            let selection = all.clone().limit(Some(limit));
            for car in [&bytes, &cut] {
                let (pieces, line) = export(car, encoding, &selection);
                assert_eq!((line.outcome, line.records), (Outcome::Done, Some(limit)));
                let rows = pieces.concat();
                assert!(complete.concat().starts_with(&rows));
                assert_eq!(lines(&[rows]) as u64, limit);
            }
        }
        let (pieces, line) = export(&cut, encoding, &all.clone().limit(Some(u64::MAX)));
        assert_eq!((pieces.len(), line.outcome), (0, Outcome::Failed(Reason::Missing)));
    }
    assert!(all.clone().limit(Some(1)).is_narrow() && !all.limit(None).is_narrow());
}

#[test]
fn rows_are_passed_on_before_a_failure_only_if_they_need_not_be_whole() {
    let (encoding, whole) = json();
    let (bytes, rest) = (large(), whole.clone().whole(false));
    let (complete, _) = export(&bytes, encoding, &whole);
    let (pieces, line) = export(&bytes, encoding, &rest);
    assert_eq!((pieces.concat(), line.records), (complete.concat(), Some(25_000)));
    assert!(pieces.iter().all(|piece| piece.len() < 1 << 20));
    let (pieces, line) = export(&without_last(&bytes), encoding, &rest);
    assert_eq!((line.outcome, line.records), (Outcome::Failed(Reason::Missing), None));
    assert!(pieces.len() > 10 && complete.concat().starts_with(&pieces.concat()));
}

#[test]
fn only_selected_rows_are_passed_on() {
    let car =
        repo::Repo::sample(["a.b.c/1", "a.b.c/2", "a.b.d/1", "a.b.e/1"]).to_bytes(repo::Order::Pds);
    let columns: Columns = "collection,rkey".parse().unwrap();
    let encoding = Encoding::new(Format::Csv, columns);
    let range = |name: &str| KeyRange::collection(name).unwrap();
    let all = Selection::new(columns);
    for (selection, expected) in [
        (all.clone(), "a.b.c,1\na.b.c,2\na.b.d,1\na.b.e,1\n"),
        (all.clone().ranges(vec![range("a.b.e"), range("a.b.c")]), "a.b.c,1\na.b.c,2\na.b.e,1\n"),
        (all.clone().ranges(vec![]), ""),
        (all.clone().range(KeyRange::from("a.b.c/2"..)), "a.b.c,2\na.b.d,1\na.b.e,1\n"),
        (
            all.clone()
                .ranges(vec![range("a.b.c"), range("a.b.d")])
                .range(KeyRange::from("a.b.c/2"..)),
            "a.b.c,2\na.b.d,1\n",
        ),
    ] {
        let (pieces, line) = export(&car, encoding, &selection);
        assert_eq!(String::from_utf8(pieces.concat()).unwrap(), expected);
        assert_eq!(line.records, Some(lines(&pieces) as u64));
    }
    let (_, line) = export(&car, encoding, &all.ranges(vec![KeyRange::from("b".."a")]));
    assert_eq!(line.outcome, Outcome::Failed(Reason::Invalid), "{line:?}");
}

#[test]
fn invalid_paths_are_counted_and_are_no_rows() {
    let (encoding, selection) = json();
    let odd = repo::Repo::sample(["a.b.c/1", "noslash", "a/b/c"]).to_bytes(repo::Order::Pds);
    let (pieces, line) = export(&odd, encoding, &selection);
    assert_eq!((lines(&pieces), line.outcome), (1, Outcome::Done));
    assert_eq!((line.records, line.invalid_paths), (Some(1), Some(2)));
    let message = line.error.unwrap();
    assert!(message.starts_with("2 paths are invalid, the first: "), "{message}");
}

#[test]
fn a_stopped_export_and_one_that_cannot_send_fail() {
    let folder = Folder::new();
    let input = Input::new(folder.write("a.car", &car(20)));
    let (encoding, selection) = json();
    let (stop, mut rows) = (Stop::new(), encoding.rows());
    let mut staging = Staging::new(&mut rows, &selection, &stop, |_: Vec<u8>, _| {
        Err(Failure::new(Reason::Io, "full"))
    });
    let line = worker(Settings::new()).process(&input, &mut staging);
    assert_eq!(line.error.as_deref(), Some("full"));
    stop.set();
    let mut staging = Staging::new(&mut rows, &selection, &stop, |_: Vec<u8>, _| panic!());
    let line = worker(Settings::new()).process(&input, &mut staging);
    assert_eq!(line.error.as_deref(), Some("stopped"));
}
