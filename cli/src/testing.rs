//! An entry for unit tests, which use no files: the published package does not have the sample.

use carwalk::car::Writer;
use carwalk::cid::{Cid, Codec};
use carwalk::mst::{Entry, Event, Walk};
use carwalk::store::SliceStore;

/// Calls `run` with the entry of a tree with one key, which is a repo path.
pub(crate) fn with_entry<T>(run: impl FnOnce(Entry<'_>) -> T) -> T {
    let record = Cid::of(Codec::DagCbor, b"\xa0");
    let mut node = b"\xa2\x61e\x81\xa4\x61k\x47posts/1\x61p\x00\x61t\xf6\x61v".to_vec();
    node.extend([b"\xd8\x2a\x58\x25\x00", &record.as_bytes()[..], b"\x61l\xf6"].concat());
    let root = Cid::of(Codec::DagCbor, &node);
    let mut car = Writer::new(Vec::new(), &[root]).unwrap();
    car.write(root, &node).unwrap();
    let store = SliceStore::new(car.finish().unwrap()).unwrap();
    let mut walk = Walk::new(&store, root).records(false).start();
    let Some(Event::Entry { entry, .. }) = walk.next_event().unwrap() else { panic!() };
    run(entry)
}
