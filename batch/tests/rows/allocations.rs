//! Rows of records of the data model allocate nothing.

use allocation_counter::measure;
use carwalk::mst::Event;
use carwalk_batch::columns::Columns;
use carwalk_batch::row::Row;
use carwalk_batch::text::{Format, RowWriter};
use carwalk_testkit::export::{Export, Order};

#[test]
fn nothing_is_allocated_for_a_row() {
    let mut car = Vec::new();
    Export { records: 500, seed: 3, order: Order::Pds }.write_to(&mut car).unwrap();
    let repo = carwalk::Repo::from_slice(&car[..]).unwrap();
    let (did, rev) = (repo.commit().did(), repo.commit().rev());
    for format in Format::ALL {
        let mut writer = RowWriter::new(format, Columns::ALL);
        let mut out = Vec::new();
        let mut pass = || {
            out.clear();
            let (mut walk, mut allocations, mut rows) = (repo.walk().start(), 0, 0);
            while let Some(event) = walk.next_event().unwrap() {
                let Event::Record { entry, block, .. } = event else { continue };
                let row = Row::new(did, rev, entry.path().unwrap(), entry.cid(), Some(block));
                allocations += measure(|| writer.row(&row, &mut out)).count_total;
                rows += 1;
            }
            (allocations, rows)
        };
        // The buffers grow in the first pass.
        assert_eq!(pass().1, 500);
        assert_eq!(pass(), (0, 500));
    }
}
