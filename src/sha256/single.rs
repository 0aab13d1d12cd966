//! SHA-256 of one message.

use sha2::{Digest, Sha256};

/// Number of messages that are sorted and hashed together.
pub(crate) const BATCH: usize = 512;

/// Returns the SHA-256 of a message.
#[inline]
pub(crate) fn sha256(message: &[u8]) -> [u8; 32] {
    #[cfg(test)]
    hashed::add(message.len());
    Sha256::digest(message).into()
}

/// Counts the messages and bytes that a thread hashes, for tests.
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
pub(crate) mod hashed {
    use core::cell::Cell;

    /// Numbers of messages and of their bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Hashed {
        pub(crate) messages: usize,
        pub(crate) bytes: usize,
    }

    thread_local! {
        static HASHED: Cell<Hashed> = const { Cell::new(Hashed { messages: 0, bytes: 0 }) };
    }

    pub(in crate::sha256) fn add(len: usize) {
        let Hashed { messages, bytes } = HASHED.get();
        HASHED.set(Hashed { messages: messages + 1, bytes: bytes + len });
    }

    /// Returns how much `run` hashes on this thread, and what it returns.
    pub(crate) fn counted<T>(run: impl FnOnce() -> T) -> (Hashed, T) {
        let before = HASHED.get();
        let returned = run();
        let Hashed { messages, bytes } = HASHED.get();
        (Hashed { messages: messages - before.messages, bytes: bytes - before.bytes }, returned)
    }
}
