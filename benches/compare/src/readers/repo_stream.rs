//! repo-stream 0.5.0-alpha.10: blocks in a map, or in a database once they reach a limit.

use std::io::{self, BufReader, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use repo_stream_0_5::{DiskBuilder, DriverBuilder, LoadError, MemCar, Output};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Input, Items, Reader, Work, block_on, cid_bytes, cid_of};
use crate::source::Source;
use crate::tally::Tally;
use crate::{Error, Result};

/// In MiB: more than any file.
const NO_LIMIT: usize = 1 << 20;

/// In MiB, for blocks in memory. The cache of the database has its default, 64 MiB: with 16 it
/// takes twice the processor time at 3 million records, though no more at 1 million.
const SPILL_LIMIT: usize = 16;

pub(super) const IN_MEMORY: Reader = Reader {
    name: "repo-stream-0.5",
    title: "repo-stream 0.5.0-alpha.10, in memory",
    input: Input::File,
    items: Items::Records,
    repeats: true,
    checks: "The hash of every block, the order of keys, and that keys are in their layer; not that prefixes are \
             maximal, that nodes are canonical DAG-CBOR with all their fields, or that keys are repo paths. A \
             file that ends inside a length counts as whole.",
    work: Work::Rust(in_memory),
};

pub(super) const KEYS: Reader = Reader {
    name: "repo-stream-0.5-keys",
    title: "repo-stream 0.5.0-alpha.10, keys only",
    items: Items::Entries,
    checks: "As in memory, hashes of records too; but records are not looked up, so that a missing one goes \
             unnoticed.",
    work: Work::Rust(keys),
    ..IN_MEMORY
};

pub(super) const SPILLED: Reader = Reader {
    name: "repo-stream-0.5-spilled",
    title: "repo-stream 0.5.0-alpha.10, spilled at 16 MB, from a pipe",
    input: Input::Pipe,
    repeats: false,
    checks: "As in memory. It writes and its database works on two more threads.",
    work: Work::Rust(spilled),
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

/// A stream that keeps the thread waiting, which is faster than to hand each read to another
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

/// The error may hold what was read, which is borrowed.
fn text<R: AsyncRead + Unpin>(error: LoadError<R>) -> Error {
    error.to_string().into()
}
