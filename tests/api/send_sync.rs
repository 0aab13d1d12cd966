//! What may be moved to, and shared between, threads. Compiling is the test.

use carwalk::car::{Header, Reader, Section, SliceReader};
use carwalk::error::KeyInterval;
use carwalk::mst::{Entry, Event, Gaps, Layer, Node, Walk, Walker};
use carwalk::record::{Blob, Blobs, Links, OddItem, Oddities, Oddity};
use carwalk::store::{Block, CarStats, MemoryStore, Reached, SliceStore};
use carwalk::{
    Cid, Collections, Commit, Entries, Error, Gap, KeyRange, Limits, Loaded, Loader, Lookup,
    ProofBuilder, Record, Records, Repo, RepoEntry, RepoPath, RepoPathBuf, Suspended, Tree,
};

fn is_send<T: Send>() {}

fn is_send_and_sync<T: Send + Sync>() {}

type Slice = SliceStore<&'static [u8]>;
type Owned = SliceStore<Vec<u8>>;

#[test]
fn repositories_and_stores_are_send_and_sync() {
    is_send_and_sync::<Repo<Slice>>();
    is_send_and_sync::<Repo<Owned>>();
    is_send_and_sync::<Repo<MemoryStore>>();
    is_send_and_sync::<Repo<&MemoryStore>>();
    is_send_and_sync::<Tree<Slice>>();
    is_send_and_sync::<Tree<MemoryStore>>();
    #[cfg(feature = "mmap")]
    {
        is_send_and_sync::<carwalk::store::MappedFile>();
        is_send_and_sync::<Repo<SliceStore<carwalk::store::MappedFile>>>();
    }
}

#[test]
fn walks_are_send_and_sync() {
    is_send_and_sync::<Walk<'_, Slice>>();
    is_send_and_sync::<Walk<'_, MemoryStore>>();
    is_send_and_sync::<Walker<'_, Slice>>();
    is_send_and_sync::<Walker<'_, MemoryStore>>();
    is_send_and_sync::<Collections<'_, Slice>>();
    is_send_and_sync::<Collections<'_, MemoryStore>>();
    is_send_and_sync::<Gaps<'_, Slice>>();
    is_send_and_sync::<Gaps<'_, MemoryStore>>();
    is_send_and_sync::<ProofBuilder<'_, Slice>>();
    is_send_and_sync::<ProofBuilder<'_, MemoryStore>>();
    is_send_and_sync::<carwalk::RepoWriter<'_, MemoryStore>>();
    is_send_and_sync::<Repo<carwalk::store::Union<MemoryStore>>>();
    is_send_and_sync::<Records<'_, Slice>>();
    is_send_and_sync::<Records<'_, Owned>>();
    is_send_and_sync::<Records<'_, MemoryStore>>();
    is_send_and_sync::<Entries<'_, Slice>>();
    is_send_and_sync::<Entries<'_, MemoryStore>>();
    is_send_and_sync::<Event<'_>>();
}

#[test]
fn values_are_send_and_sync() {
    is_send_and_sync::<Error>();
    is_send_and_sync::<Commit<'_>>();
    is_send_and_sync::<Record<&[u8]>>();
    is_send_and_sync::<Record<Vec<u8>>>();
    is_send_and_sync::<Links<'_>>();
    is_send_and_sync::<Blobs<'_>>();
    is_send_and_sync::<Blob<'_>>();
    is_send_and_sync::<Oddities<'_>>();
    is_send_and_sync::<OddItem>();
    is_send_and_sync::<Oddity>();
    is_send_and_sync::<RepoEntry>();
    is_send_and_sync::<Lookup<&[u8]>>();
    is_send_and_sync::<Lookup<Record<&[u8]>>>();
    is_send_and_sync::<Gap>();
    is_send_and_sync::<KeyRange>();
    is_send_and_sync::<Cid>();
    is_send_and_sync::<Limits>();
    is_send_and_sync::<Header>();
    is_send_and_sync::<Section<'_>>();
    is_send_and_sync::<SliceReader<'_>>();
    is_send_and_sync::<Reader<std::fs::File>>();
    is_send_and_sync::<Entry<'_>>();
    is_send_and_sync::<Layer>();
    is_send_and_sync::<Node<'_>>();
    is_send_and_sync::<Block<&[u8]>>();
    is_send_and_sync::<CarStats>();
    is_send_and_sync::<Reached>();
    is_send_and_sync::<KeyInterval>();
    is_send_and_sync::<RepoPath<'_>>();
    is_send_and_sync::<RepoPathBuf>();
}

#[test]
fn loaders_are_send_and_sync() {
    is_send_and_sync::<Loader>();
    is_send_and_sync::<carwalk::LoadScratch>();
    is_send_and_sync::<carwalk::BoundedLoader>();
    is_send::<Suspended<std::fs::File>>();
    is_send::<Loaded<std::fs::File>>();
    is_send::<Suspended<Box<dyn std::io::Read + Send>>>();
    is_send::<Loaded<Box<dyn std::io::Read + Send>>>();
    is_send_and_sync::<carwalk::StreamWalk<std::fs::File>>();
    is_send_and_sync::<carwalk::StreamRecords<std::fs::File>>();
    is_send_and_sync::<carwalk::StreamEntries<std::fs::File>>();
    is_send::<carwalk::StreamWalk<Box<dyn std::io::Read + Send>>>();
    is_send::<carwalk::Streamed<std::fs::File>>();
}

#[cfg(feature = "redb")]
#[test]
fn files_and_what_is_in_them_are_send_and_sync() {
    use carwalk::store::{AnyBytes, AnyStore, RedbStore, SpillFile, StoredBlock};
    type Made = carwalk::Processed<fn(&[u8]) -> u32, u32>;
    is_send_and_sync::<SpillFile>();
    is_send_and_sync::<RedbStore>();
    is_send_and_sync::<StoredBlock>();
    is_send_and_sync::<Block<StoredBlock>>();
    is_send_and_sync::<Record<StoredBlock>>();
    is_send_and_sync::<Repo<RedbStore>>();
    is_send_and_sync::<Repo<RedbStore, Made>>();
    is_send_and_sync::<AnyStore>();
    is_send_and_sync::<AnyBytes<'_>>();
    is_send_and_sync::<Record<AnyBytes<'_>>>();
    is_send_and_sync::<Repo<AnyStore>>();
    is_send_and_sync::<Walk<'_, RedbStore>>();
    is_send_and_sync::<Walker<'_, RedbStore>>();
    is_send_and_sync::<Walker<'_, AnyStore>>();
    is_send_and_sync::<Records<'_, AnyStore>>();
    is_send_and_sync::<Collections<'_, AnyStore>>();
    is_send_and_sync::<Gaps<'_, AnyStore>>();
    is_send_and_sync::<ProofBuilder<'_, AnyStore>>();
    is_send_and_sync::<Records<'_, RedbStore>>();
    is_send_and_sync::<Records<'_, RedbStore, Made>>();
    is_send_and_sync::<Entries<'_, RedbStore>>();
}

#[test]
fn loads_with_process_functions_are_send() {
    type Made = carwalk::Processed<fn(&[u8]) -> u32, u32>;
    is_send_and_sync::<Loader<Made>>();
    is_send_and_sync::<carwalk::BoundedLoader<Made>>();
    is_send::<Suspended<std::fs::File, Made>>();
    is_send::<Loaded<std::fs::File, Made>>();
    is_send_and_sync::<Repo<MemoryStore, Made>>();
}

#[cfg(feature = "signature")]
#[test]
fn public_keys_and_checked_proofs_are_send_and_sync() {
    is_send_and_sync::<carwalk::RecordProof<'_>>();
    is_send_and_sync::<carwalk::VerifyingKey>();
    is_send_and_sync::<carwalk::signature::Curve>();
}
