//! SHA-256 of eight messages at a time with AVX2. Each vector has the same word of all messages.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
    _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
    _mm256_xor_si256,
};

use super::constants::{INITIAL, K};
use super::groups::{BLOCK, LENGTH, blocks_of};
use super::rounds::rounds;

/// The first byte of the padding.
const MARK: u8 = 0x80;

/// Number of messages hashed at a time.
const LANES: usize = 8;

rounds!(__m256i, "avx2");

/// Returns the digests of messages of which the longest has `blocks` blocks.
#[target_feature(enable = "avx2")]
pub(super) fn hash_together(messages: &[&[u8]; LANES], blocks: usize) -> [[u32; LANES]; 8] {
    let mut state = INITIAL.map(|word| splat(word));
    for step in 0..blocks {
        let mut running = [0; LANES];
        let mut low = [_mm256_setzero_si256(); LANES];
        let mut high = low;
        let lanes = messages.iter().zip(&mut running).zip(low.iter_mut().zip(&mut high));
        for ((message, running), (low, high)) in lanes {
            *running = if step < usize::from(blocks_of(message)) { u32::MAX } else { 0 };
            let mut padded = [0; BLOCK];
            let (halves, _) = block(message, step, &mut padded).as_chunks();
            if let [first, second] = halves {
                (*low, *high) = (load(first), load(second));
            }
        }
        let [w0, w1, w2, w3, w4, w5, w6, w7] = transpose(low);
        let [w8, w9, w10, w11, w12, w13, w14, w15] = transpose(high);
        let words = [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15];
        state = compress(state, words, load_words(&running));
    }
    let mut words = [[0; LANES]; 8];
    for (words, state) in words.iter_mut().zip(state) {
        store(state, words);
    }
    words
}

/// Returns a block of a padded message. Beyond its last block, the result is arbitrary.
#[inline]
fn block<'b>(message: &'b [u8], step: usize, padded: &'b mut [u8; BLOCK]) -> &'b [u8; BLOCK] {
    let (whole, rest) = message.as_chunks();
    if let Some(block) = whole.get(step) {
        return block;
    }
    if step == whole.len() {
        let (start, end) = padded.split_at_mut_checked(rest.len()).unwrap_or_default();
        start.copy_from_slice(rest);
        if let Some(mark) = end.first_mut() {
            *mark = MARK;
        }
        if rest.len() >= BLOCK - LENGTH {
            return padded;
        }
    }
    if let Some(length) = padded.last_chunk_mut() {
        *length = (message.len() as u64).wrapping_mul(8).to_be_bytes();
    }
    padded
}

#[target_feature(enable = "avx2")]
#[inline]
#[expect(unsafe_code, reason = "vectors are loaded through pointers")]
fn load(half: &[u8; BLOCK / 2]) -> __m256i {
    // SAFETY: these are 32 bytes that may be read, and need no alignment.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
#[expect(unsafe_code, reason = "vectors are loaded through pointers")]
fn load_words(words: &[u32; LANES]) -> __m256i {
    // SAFETY: these are 32 bytes that may be read, and need no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
#[expect(unsafe_code, reason = "vectors are stored through pointers")]
fn store(vector: __m256i, words: &mut [u32; LANES]) {
    // SAFETY: these are 32 bytes that may be written, and need no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

/// Processes one block of each message for which `running` has all bits set.
#[target_feature(enable = "avx2")]
#[inline]
fn compress(state: State, words: [__m256i; 16], running: __m256i) -> State {
    let mut new = mix(state, words);
    for (new, old) in new.iter_mut().zip(state) {
        *new = add(old, _mm256_and_si256(*new, running));
    }
    new
}

/// Transposes vectors with half a block each into vectors with the same word of all halves.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(halves: [__m256i; LANES]) -> [__m256i; 8] {
    let swap = _mm256_setr_epi8(
        3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8,
        15, 14, 13, 12,
    );
    let mut halves = halves;
    for half in &mut halves {
        *half = _mm256_shuffle_epi8(*half, swap);
    }
    let [h0, h1, h2, h3, h4, h5, h6, h7] = halves;
    let [p0, p1, p2, p3] = words_together(h0, h1, h2, h3);
    let [q0, q1, q2, q3] = words_together(h4, h5, h6, h7);
    let lower = |p, q| _mm256_permute2x128_si256(p, q, 0x20);
    let upper = |p, q| _mm256_permute2x128_si256(p, q, 0x31);
    [
        lower(p0, q0),
        lower(p1, q1),
        lower(p2, q2),
        lower(p3, q3),
        upper(p0, q0),
        upper(p1, q1),
        upper(p2, q2),
        upper(p3, q3),
    ]
}

/// Transposes the words in each half of four vectors: all first words into the first vector, all
/// second words into the second, and so on.
#[target_feature(enable = "avx2")]
#[inline]
fn words_together(a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> [__m256i; 4] {
    let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab_low, cd_low),
        _mm256_unpackhi_epi64(ab_low, cd_low),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// Rotates each word to the right by `RIGHT` bits. `LEFT` is 32 less `RIGHT`.
#[target_feature(enable = "avx2")]
#[inline]
fn ror<const RIGHT: i32, const LEFT: i32>(words: __m256i) -> __m256i {
    const { assert!(RIGHT + LEFT == 32) };
    _mm256_or_si256(_mm256_srli_epi32(words, RIGHT), _mm256_slli_epi32(words, LEFT))
}

#[target_feature(enable = "avx2")]
#[inline]
fn shr<const BITS: i32>(words: __m256i) -> __m256i {
    _mm256_srli_epi32(words, BITS)
}

/// Selects bits of `f` where `e` has ones, and of `g` where it has zeros.
#[target_feature(enable = "avx2")]
#[inline]
fn choice(e: __m256i, f: __m256i, g: __m256i) -> __m256i {
    _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)))
}

/// Selects the majority: where `a` and `b` differ, `c` decides.
#[target_feature(enable = "avx2")]
#[inline]
fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    let differ = _mm256_xor_si256(a, b);
    _mm256_xor_si256(a, _mm256_and_si256(differ, _mm256_xor_si256(a, c)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(a, b)
}

#[target_feature(enable = "avx2")]
#[inline]
fn xor(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

#[target_feature(enable = "avx2")]
#[inline]
fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word.cast_signed())
}
