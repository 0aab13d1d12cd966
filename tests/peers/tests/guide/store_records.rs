use std::io::Read;

use carwalk::store::SpillFile;
use carwalk::{Cid, Loader, RepoPathBuf};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

type Row = (RepoPathBuf, Cid, Vec<u8>);

async fn store_records(body: impl AsyncRead + Unpin + Send + 'static) -> anyhow::Result<()> {
    let (sender, mut batches) = mpsc::channel(4);
    let load = spawn_blocking(move || load(SyncIoBridge::new(body), &sender));
    // Drain the channel first: the load blocks while it is full.
    while let Some(batch) = batches.recv().await {
        insert(batch).await?;
    }
    // The rows are complete only if this succeeds. Otherwise, remove them.
    load.await??;
    Ok(())
}

/// Replace this with your database.
async fn insert(batch: Vec<Row>) -> anyhow::Result<()> {
    println!("{} rows", batch.len());
    Ok(())
}

/// Runs inside `spawn_blocking`.
fn load(body: impl Read, sender: &mpsc::Sender<Vec<Row>>) -> anyhow::Result<()> {
    let loaded = Loader::new().memory_limit(16 << 20).from_reader(body)?;
    let repo = loaded.or_spill(SpillFile::temporary())?;
    let mut records = repo.records();
    loop {
        let chunk = records.next_chunk(256)?;
        if chunk.is_empty() {
            return Ok(());
        }
        // Records borrow from the repository, which stays on this thread.
        let rows = chunk.into_iter().map(|record| {
            let (path, cid, bytes) = record.into_parts();
            (path, cid, bytes.as_ref().to_vec())
        });
        if sender.blocking_send(rows.collect()).is_err() {
            // The receiver was dropped: nobody needs the rest.
            return Ok(());
        }
    }
}
