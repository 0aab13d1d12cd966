//! jacquard-repo 0.12.2: blocks in a `BTreeMap`, and a tree over that map.

use std::sync::Arc;

use jacquard_repo::car::reader::parse_car_bytes;
use jacquard_repo::{BlockStore, MemoryBlockStore, Repository};

use super::{Input, Items, Reader, Work, block_on, cid_bytes};
use crate::Result;
use crate::source::Source;
use crate::tally::Tally;

pub(super) const IN_MEMORY: Reader = Reader {
    name: "jacquard-repo",
    title: "jacquard-repo 0.12.2",
    input: Input::File,
    items: Items::Records,
    repeats: true,
    checks: "That nodes are DAG-CBOR with the expected fields; no hash, and neither the order, the layers nor the prefixes \
             of keys. A file that ends inside a length prefix is accepted as complete.",
    work: Work::Rust(|| Box::new(in_memory)),
};

fn in_memory(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let bytes = source.bytes()?;
    block_on(async {
        let parsed = parse_car_bytes(&bytes).await?;
        let store = Arc::new(MemoryBlockStore::new_from_blocks(parsed.blocks));
        let repo = Repository::<String, _>::from_commit(store.clone(), &parsed.root).await?;
        for (key, cid) in repo.mst().leaves_sequential().await? {
            let block =
                store.get(&cid).await?.ok_or_else(|| format!("the block {cid} is missing"))?;
            tally.record(key.as_bytes(), &block, || cid_bytes(&cid));
        }
        Ok(())
    })
}
