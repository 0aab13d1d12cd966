//! repo-stream 0.5.0-alpha.10: blocks in a map, or in a database after they reach a limit.

use std::io::{self, BufReader, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use repo_stream_0_5::{DiskBuilder, DriverBuilder, LoadError, MemCar, Output};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Input, Items, Reader, Work, block_on, cid_bytes, cid_of};
use crate::source::Source;
use crate::tally::Tally;
use crate::{Error, Result};

/// Memory limit in MiB that no file reaches.
const NO_LIMIT: usize = 1 << 20;

/// Memory limit for blocks in MiB. The cache of the database has its default of 64 MiB. With 16
/// MiB, 3 million records take twice the processor time, but 1 million take no more.
const SPILL_LIMIT: usize = 16;

pub(super) const IN_MEMORY: Reader = Reader {
    name: "repo-stream-0.5",
    title: "repo-stream 0.5.0-alpha.10, in memory",
    input: Input::File,
    items: Items::Records,
    repeats: true,
    checks: "The hash of every block, and the order and the layers of keys; not that prefixes are maximal, that nodes \
             are canonical DAG-CBOR with all their fields, or that keys are repo paths. A file that ends \
             inside a length prefix is accepted as complete.",
    work: Work::Rust(|| Box::new(in_memory)),
};

pub(super) const KEYS: Reader = Reader {
    name: "repo-stream-0.5-keys",
    title: "repo-stream 0.5.0-alpha.10, keys only",
    items: Items::Entries,
    checks: "As in memory, including the hashes of records. Records are not looked up, so missing records go \
             unnoticed.",
    work: Work::Rust(|| Box::new(keys)),
    ..IN_MEMORY
};

pub(super) const SPILLED: Reader = Reader {
    name: "repo-stream-0.5-spilled",
    title: "repo-stream 0.5.0-alpha.10, spilled at 16 MiB, from a pipe",
    input: Input::Pipe,
    repeats: false,
    checks: "As in memory. Two more threads write the blocks and run the database.",
    work: Work::Rust(|| Box::new(spilled)),
    ..IN_MEMORY
};

fn in_memory(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let bytes = source.bytes()?;
    block_on(async { walk(load(&*bytes, NO_LIMIT).await.map_err(text)?, tally) })
}

fn keys(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let bytes = source.bytes()?;
    block_on(async {
        let mut car = load(&*bytes, NO_LIMIT).await.map_err(text)?;
        while let Some((key, cid)) = car.next_keys_strict()? {
            tally.entry(key.as_bytes(), || cid_bytes(&cid));
        }
        Ok(())
    })
}

fn spilled(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let stream = Blocking(BufReader::with_capacity(1 << 16, source.stream()?));
    block_on(async {
        let partial = match load(stream, SPILL_LIMIT).await {
            Err(LoadError::MemoryLimitReached(partial)) => partial,
            loaded => return walk(loaded.map_err(text)?, tally),
        };
        let store = DiskBuilder::new().open(folder.path().join("blocks")).await?;
        let (_, _, mut driver) = partial.finish_loading(store).await?;
        while let Some((key, block)) = driver.next_blocking()? {
            tally.record(key.as_bytes(), &block, || cid_of(&block));
        }
        Ok(())
    })
}

async fn load<R: AsyncRead + Unpin>(input: R, mebibytes: usize) -> Result<MemCar, LoadError<R>> {
    DriverBuilder::new().with_mem_limit_mb(mebibytes).load_car(input).await
}

fn walk(mut car: MemCar, tally: &mut Tally) -> Result<()> {
    while let Some(Output { key, cid, data }) = car.next_strict()? {
        tally.record(key.as_bytes(), &data, || cid_bytes(&cid));
    }
    Ok(())
}

/// An async stream whose reads block the thread. This is faster than handing each read to another
/// thread.
struct Blocking<R>(R);

impl<R: Read + Unpin> AsyncRead for Blocking<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.0.read(buf.initialize_unfilled())?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// Converts an error to text, because it may hold the borrowed input.
fn text<R: AsyncRead + Unpin>(error: LoadError<R>) -> Error {
    error.to_string().into()
}
