//! SHA-256 of eight messages at a time with AVX2. Each vector has the same word of all messages.
//!
//! Names follow [FIPS 180-4](https://doi.org/10.6028/NIST.FIPS.180-4), section 6.2.2.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
    _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
    _mm256_xor_si256,
};

use super::constants::{INITIAL, K};
use super::groups::{BLOCK, LENGTH, blocks_of};

/// The first byte of the padding.
const MARK: u8 = 0x80;

/// Number of messages hashed at a time.
const LANES: usize = 8;

/// The working variables `a` to `h` of all messages.
type State = [__m256i; 8];

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
        state = compress(state, (transpose(low), transpose(high)), load_words(&running));
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
fn compress(
    state: State,
    (mut low, mut high): ([__m256i; 8], [__m256i; 8]),
    running: __m256i,
) -> State {
    let mut new = state;
    let mut rest = K.iter();
    while let Some(k) = rest.next() {
        new = rounds(new, &low, &high, k);
        if !rest.as_slice().is_empty() {
            (low, high) = schedule(low, high);
        }
    }
    for (new, old) in new.iter_mut().zip(state) {
        *new = add(old, _mm256_and_si256(*new, running));
    }
    new
}

/// Computes sixteen rounds.
#[target_feature(enable = "avx2")]
#[inline]
fn rounds(state: State, low: &[__m256i; 8], high: &[__m256i; 8], k: &[u32; 16]) -> State {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = *low;
    let [w8, w9, w10, w11, w12, w13, w14, w15] = *high;
    let [k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, k15] = *k;
    let state = round(round(round(round(state, w0, k0), w1, k1), w2, k2), w3, k3);
    let state = round(round(round(round(state, w4, k4), w5, k5), w6, k6), w7, k7);
    let state = round(round(round(round(state, w8, k8), w9, k9), w10, k10), w11, k11);
    round(round(round(round(state, w12, k12), w13, k13), w14, k14), w15, k15)
}

#[target_feature(enable = "avx2")]
#[inline]
fn round(state: State, word: __m256i, k: u32) -> State {
    let [a, b, c, d, e, f, g, h] = state;
    let sum1 = xor(ror::<6, 26>(e), ror::<11, 21>(e), ror::<25, 7>(e));
    // Selects bits of `f` where `e` has ones, and of `g` where it has zeros.
    let choice = _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)));
    let t1 = add(add(h, add(word, splat(k))), add(sum1, choice));
    let sum0 = xor(ror::<2, 30>(a), ror::<13, 19>(a), ror::<22, 10>(a));
    // Where `a` and `b` agree, both have the majority; elsewhere `c` decides.
    let differ = _mm256_xor_si256(a, b);
    let majority = _mm256_xor_si256(a, _mm256_and_si256(differ, _mm256_xor_si256(a, c)));
    [add(t1, add(sum0, majority)), a, b, c, add(d, t1), e, f, g]
}

/// Returns the next sixteen words of the schedule.
#[target_feature(enable = "avx2")]
#[inline]
fn schedule(low: [__m256i; 8], high: [__m256i; 8]) -> ([__m256i; 8], [__m256i; 8]) {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = low;
    let [w8, w9, w10, w11, w12, w13, w14, w15] = high;
    let w0 = next_word(w0, w1, w9, w14);
    let w1 = next_word(w1, w2, w10, w15);
    let w2 = next_word(w2, w3, w11, w0);
    let w3 = next_word(w3, w4, w12, w1);
    let w4 = next_word(w4, w5, w13, w2);
    let w5 = next_word(w5, w6, w14, w3);
    let w6 = next_word(w6, w7, w15, w4);
    let w7 = next_word(w7, w8, w0, w5);
    let w8 = next_word(w8, w9, w1, w6);
    let w9 = next_word(w9, w10, w2, w7);
    let w10 = next_word(w10, w11, w3, w8);
    let w11 = next_word(w11, w12, w4, w9);
    let w12 = next_word(w12, w13, w5, w10);
    let w13 = next_word(w13, w14, w6, w11);
    let w14 = next_word(w14, w15, w7, w12);
    let w15 = next_word(w15, w0, w8, w13);
    ([w0, w1, w2, w3, w4, w5, w6, w7], [w8, w9, w10, w11, w12, w13, w14, w15])
}

/// Returns the word of the schedule that comes sixteen after `w0`.
#[target_feature(enable = "avx2")]
#[inline]
fn next_word(w0: __m256i, w1: __m256i, w9: __m256i, w14: __m256i) -> __m256i {
    let sigma0 = xor(ror::<7, 25>(w1), ror::<18, 14>(w1), _mm256_srli_epi32(w1, 3));
    let sigma1 = xor(ror::<17, 15>(w14), ror::<19, 13>(w14), _mm256_srli_epi32(w14, 10));
    add(add(w0, sigma0), add(w9, sigma1))
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
