//! Chooses how messages are hashed on this CPU. Nothing else chooses it.
//!
//! A message has blocks of 64 bytes. A lane is the part of a vector that hashes one message.
//! Hashing one block in every lane is a step; it takes the same time if some lanes are idle. So
//! lanes take less time from some number of messages on, which depends on how fast the CPU hashes a
//! single message. Times are relative to that of one single block.
//!
//! | CPU | lanes | a step counts as | lanes are used from | measured |
//! |---|--:|--:|--:|---|
//! | AVX-512 and SHA instructions | 16 | 6.5 single blocks | 7 messages | yes |
//! | AVX-512 | 16 | 2.75 single blocks | 3 messages | SHA instructions not used |
//! | AVX2, no SHA instructions | 8 | 2.75 single blocks | 3 messages | SHA instructions not used |
//! | SHA instructions, no AVX-512 | none | | | no |
//! | other, or not x86-64 | none | | | no |
//!
//! The last column says whether the row was measured, on a CPU that has all instructions.
//! `docs/design.md` has the measurements, and `benches/hash.rs` makes them. With SHA instructions,
//! AVX2 is not used: a step takes as long as its eight blocks one by one. Other CPUs, such as ARM
//! with SHA instructions, hash each message with sha2, which uses the instructions of the CPU.

use std::sync::OnceLock;

/// A method to hash many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// One message at a time.
    Single,
    /// Eight messages at a time, or one where that takes less time.
    #[cfg(target_arch = "x86_64")]
    Avx2(Costs),
    /// Sixteen messages at a time, or one where that takes less time.
    #[cfg(target_arch = "x86_64")]
    Avx512(Costs),
}

/// The time to hash a block in each lane, in eighths of the time to hash a block of a single
/// message.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Costs {
    step: usize,
}

/// With AVX-512, beside SHA instructions.
#[cfg(target_arch = "x86_64")]
const AVX512_BESIDE_SHA: Costs = Costs { step: 52 };

/// With AVX-512, without SHA instructions.
#[cfg(target_arch = "x86_64")]
const AVX512: Costs = Costs { step: 22 };

/// With AVX2, without SHA instructions.
#[cfg(target_arch = "x86_64")]
const AVX2: Costs = Costs { step: 22 };

#[cfg(target_arch = "x86_64")]
impl Costs {
    /// Returns whether hashing messages one by one takes at most as long as in lanes. They have
    /// `blocks` blocks in total, the longest of them has `longest`.
    #[inline]
    pub(super) fn are_lower_alone(self, longest: usize, blocks: usize) -> bool {
        blocks.wrapping_mul(8) <= longest.wrapping_mul(self.step)
    }
}

impl Method {
    /// Returns the way to hash that is fastest on this CPU.
    #[inline]
    pub(super) fn of_cpu() -> Self {
        static METHOD: OnceLock<Method> = OnceLock::new();
        *METHOD.get_or_init(Method::choose)
    }

    #[cfg(target_arch = "x86_64")]
    fn choose() -> Self {
        let has_sha = has_sha_instructions();
        match (has_avx512(), has_sha, has_avx2()) {
            (true, true, _) => Method::Avx512(AVX512_BESIDE_SHA),
            (true, false, _) => Method::Avx512(AVX512),
            (false, false, true) => Method::Avx2(AVX2),
            (false, ..) => Method::Single,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn choose() -> Self {
        Method::Single
    }

    /// Returns all methods that this CPU supports, for tests and benchmarks.
    #[cfg(any(test, feature = "_internals"))]
    pub(super) fn all_of_cpu() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let has_sha = has_sha_instructions();
            let avx512 = if has_sha { AVX512_BESIDE_SHA } else { AVX512 };
            let avx512 = has_avx512().then_some(Method::Avx512(avx512));
            let avx2 = has_avx2().then_some(Method::Avx2(AVX2));
            [Some(Method::Single), avx2, avx512].into_iter().flatten().collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Method::Single]
    }

    /// Returns whether hashing this many messages one by one takes at most as long as in lanes,
    /// even if all have the same length.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn hashes_singly(self, messages: usize) -> bool {
        match self {
            Method::Single => true,
            Method::Avx2(costs) | Method::Avx512(costs) => costs.are_lower_alone(1, messages),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Returns whether sha2 uses the CPU's SHA-256 instructions for single messages.
#[cfg(target_arch = "x86_64")]
fn has_sha_instructions() -> bool {
    !cfg!(sha2_backend = "soft")
        && is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("sse4.1")
}
