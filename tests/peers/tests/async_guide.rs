//! Compiles and runs the async code of the guide. The library itself depends on no runtime.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

const SAMPLE: &[u8] = include_bytes!("../../../samples/repo.car");

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

mod store_records {
    include!("guide/store_records.rs");

    #[test]
    fn records_of_a_body_reach_the_database() {
        super::runtime().block_on(store_records(super::SAMPLE)).unwrap();
    }

    #[test]
    fn a_body_that_is_cut_is_an_error() {
        let error = super::runtime().block_on(store_records(&super::SAMPLE[..9000])).unwrap_err();
        let class = error.downcast_ref::<carwalk::Error>().map(carwalk::Error::class);
        assert_eq!(class, Some(carwalk::ErrorClass::Truncated));
    }
}

mod chunks {
    include!("guide/chunks.rs");

    use carwalk::{ErrorClass, Repo, Result};
    use tokio::task::spawn_blocking;

    /// Sends a body in chunks, then `error` if there is one, and returns the number of records.
    fn count(body: &'static [u8], error: Option<io::Error>) -> Result<u64> {
        super::runtime().block_on(async {
            let (sender, receiver) = mpsc::channel(4);
            let chunks = Chunks { receiver, rest: Bytes::new() };
            let count = spawn_blocking(move || Repo::from_reader(chunks)?.records().try_count());
            for chunk in body.chunks(1000) {
                // An empty chunk does not end the body.
                sender.send(Ok(Bytes::new())).await.unwrap();
                sender.send(Ok(Bytes::from_static(chunk))).await.unwrap();
            }
            if let Some(error) = error {
                sender.send(Err(error)).await.unwrap();
            }
            drop(sender);
            count.await.unwrap()
        })
    }

    #[test]
    fn a_body_in_chunks_is_read_whole() {
        assert_eq!(count(super::SAMPLE, None).unwrap(), 40);
    }

    #[test]
    fn the_error_of_a_download_is_that_of_the_load() {
        let error = count(&super::SAMPLE[..9000], Some(io::Error::other("reset"))).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Io);
        assert_eq!(error.io_kind(), Some(io::ErrorKind::Other));
        let error = count(&super::SAMPLE[..9000], None).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Truncated);
    }
}

/// The guide shows exactly the code that is compiled here.
#[test]
fn the_guide_has_this_code() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(package.join("../../src/guide/async_and_threads.md")).unwrap();
    let shown: Vec<_> = guide
        .split("```rust,ignore\n")
        .skip(1)
        .map(|part| part.split_once("```").unwrap().0)
        .collect();
    assert_eq!(shown, [include_str!("guide/store_records.rs"), include_str!("guide/chunks.rs")]);
}
