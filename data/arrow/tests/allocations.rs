//! Rows of records of the data model allocate nothing, except that buffers grow.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests fail by panicking")]

use allocation_counter::measure;
use carwalk::mst::Event;
use carwalk_arrow::ArrowRows;
use carwalk_batch::columns::Columns;
use carwalk_batch::row::Row;
use carwalk_batch::staging::Rows;
use carwalk_testkit::export::{Export, Order};

#[test]
fn no_row_allocates_unless_a_buffer_doubles() {
    let mut car = Vec::new();
    Export { records: 5_000, seed: 3, order: Order::Pds }.write_to(&mut car).unwrap();
    let repo = carwalk::Repo::from_slice(&car[..]).unwrap();
    let (did, rev) = (repo.commit().did(), repo.commit().rev());
    let mut rows = ArrowRows::new(Columns::ALL);
    let mut pass = || {
        let (mut walk, mut allocations) = (repo.walk().start(), 0);
        while let Some(event) = walk.next_event().unwrap() {
            let Event::Record { entry, block, .. } = event else { continue };
            let row = Row::new(did, rev, entry.path().unwrap(), entry.cid(), Some(block));
            allocations += measure(|| rows.push(&row)).count_total;
        }
        let (batch, _) = rows.take(true).unwrap().unwrap();
        (allocations, batch.num_rows())
    };
    // Eleven columns, each with up to two buffers that grow to at most a few MiB.
    for _ in 0..2 {
        let (allocations, rows) = pass();
        assert_eq!(rows, 5_000);
        assert!(allocations < 11 * 2 * 20, "{allocations}");
    }
}
