//! repo-stream 0.2.2, the latest version that is not a preview.

use repo_stream_0_2::{Driver, DriverBuilder};

use super::{Input, Items, Reader, Work, block_on, cid_of};
use crate::Result;
use crate::source::Source;
use crate::tally::Tally;

/// Memory limit in MiB that no file reaches.
const NO_LIMIT: usize = 1 << 20;

pub(super) const IN_MEMORY: Reader = Reader {
    name: "repo-stream-0.2",
    title: "repo-stream 0.2.2, in memory",
    input: Input::File,
    items: Items::Records,
    repeats: true,
    checks: "The order and the layers of keys; no hash, and nothing that 0.5 leaves unchecked.",
    work: Work::Rust(|| Box::new(in_memory)),
};

fn in_memory(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let bytes = source.bytes()?;
    block_on(async {
        let loaded = DriverBuilder::new().with_mem_limit_mb(NO_LIMIT).load_car(&*bytes).await?;
        let Driver::Memory(_, mut driver) = loaded else {
            return Err("the memory limit was reached".into());
        };
        while let Some(chunk) = driver.next_chunk(256).await? {
            for (key, block) in chunk {
                tally.record(key.as_bytes(), &block, || cid_of(&block));
            }
        }
        Ok(())
    })
}
