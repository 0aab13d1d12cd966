//! SHA-256 of sixteen messages at a time with AVX-512. Each vector has the same word of all
//! messages.

use core::arch::x86_64::{
    __m512i, _mm_set_epi64x, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_loadu_si512,
    _mm512_mask_add_epi32, _mm512_mask_set1_epi8, _mm512_mask_set1_epi64, _mm512_maskz_loadu_epi8,
    _mm512_ror_epi32, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::constants::{INITIAL, K};
use super::groups::{BLOCK, LENGTH, blocks_of};
use super::rounds::rounds;

/// The first byte of the padding.
const MARK: i8 = i8::MIN;

/// Number of messages hashed at a time.
const LANES: usize = 16;

rounds!(__m512i, "avx512f,avx512bw");

/// Returns the digests of messages of which the longest has `blocks` blocks.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn hash_together(messages: &[&[u8]; LANES], blocks: usize) -> [[u32; LANES]; 8] {
    let mut state = INITIAL.map(|word| splat(word));
    for step in 0..blocks {
        let mut running = 0u16;
        let mut vectors = [_mm512_setzero_si512(); LANES];
        for (number, (message, vector)) in messages.iter().zip(&mut vectors).enumerate() {
            *vector = block(message, step);
            running |= u16::from(step < usize::from(blocks_of(message))) << number;
        }
        state = compress(state, transpose(vectors), running);
    }
    let mut words = [[0; LANES]; 8];
    for (words, state) in words.iter_mut().zip(state) {
        store(state, words);
    }
    words
}

/// Returns a block of a padded message. Beyond its last block, the result is arbitrary.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn block(message: &[u8], step: usize) -> __m512i {
    let (whole, rest) = message.as_chunks();
    if let Some(block) = whole.get(step) {
        return load(block);
    }
    let is_first = step == whole.len();
    // An empty slice must point into the message: masked loads from a dangling address are slow.
    let rest = if is_first { rest } else { rest.get(..0).unwrap_or_default() };
    let block =
        _mm512_mask_set1_epi8(load_rest(rest), u64::from(is_first) << (rest.len() % BLOCK), MARK);
    let has_room = rest.len() < BLOCK - LENGTH;
    let length = (message.len() as u64).wrapping_mul(8).swap_bytes();
    _mm512_mask_set1_epi64(block, u8::from(has_room) << 7, length.cast_signed())
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[expect(unsafe_code, reason = "vectors are loaded through pointers")]
fn load(block: &[u8; BLOCK]) -> __m512i {
    // SAFETY: these are 64 bytes that may be read, and need no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// Loads less than a block, followed by zeros.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[expect(unsafe_code, reason = "vectors are loaded through pointers")]
fn load_rest(rest: &[u8]) -> __m512i {
    debug_assert!(rest.len() < BLOCK, "the rest is shorter than a block");
    let mask = (1u64 << (rest.len() % BLOCK)).wrapping_sub(1);
    // SAFETY: only bytes whose bit is set are read. The mask has `rest.len() % 64` bits, which is
    // at most the number of bytes of `rest`.
    unsafe { _mm512_maskz_loadu_epi8(mask, rest.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[expect(unsafe_code, reason = "vectors are stored through pointers")]
fn store(vector: __m512i, words: &mut [u32; LANES]) {
    // SAFETY: these are 64 bytes that may be written, and need no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}

/// Processes one block of each message whose bit in `running` is set.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn compress(state: State, words: [__m512i; 16], running: u16) -> State {
    let mut new = mix(state, words);
    for (new, old) in new.iter_mut().zip(state) {
        *new = _mm512_mask_add_epi32(old, running, *new, old);
    }
    new
}

/// Transposes vectors with a block each into vectors with the same word of all blocks.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn transpose(blocks: [__m512i; LANES]) -> [__m512i; 16] {
    let swap = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
    let mut blocks = blocks;
    for block in &mut blocks {
        *block = _mm512_shuffle_epi8(*block, swap);
    }
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15] = blocks;
    let [p0, p1, p2, p3] = words_together(b0, b1, b2, b3);
    let [q0, q1, q2, q3] = words_together(b4, b5, b6, b7);
    let [r0, r1, r2, r3] = words_together(b8, b9, b10, b11);
    let [s0, s1, s2, s3] = words_together(b12, b13, b14, b15);
    let [w0, w4, w8, w12] = quarters_together(p0, q0, r0, s0);
    let [w1, w5, w9, w13] = quarters_together(p1, q1, r1, s1);
    let [w2, w6, w10, w14] = quarters_together(p2, q2, r2, s2);
    let [w3, w7, w11, w15] = quarters_together(p3, q3, r3, s3);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

/// Transposes the words in each quarter of four vectors: all first words into the first vector, all
/// second words into the second, and so on.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn words_together(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab_low, cd_low),
        _mm512_unpackhi_epi64(ab_low, cd_low),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// Transposes the quarters of four vectors: all first quarters into the first vector, all second
/// quarters into the second, and so on.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn quarters_together(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (ab_even, ab_odd) = (_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
    let (cd_even, cd_odd) = (_mm512_shuffle_i32x4(c, d, 0x88), _mm512_shuffle_i32x4(c, d, 0xdd));
    [
        _mm512_shuffle_i32x4(ab_even, cd_even, 0x88),
        _mm512_shuffle_i32x4(ab_odd, cd_odd, 0x88),
        _mm512_shuffle_i32x4(ab_even, cd_even, 0xdd),
        _mm512_shuffle_i32x4(ab_odd, cd_odd, 0xdd),
    ]
}

/// Rotates each word to the right by `RIGHT` bits. `LEFT` is 32 less `RIGHT`.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn ror<const RIGHT: i32, const LEFT: i32>(words: __m512i) -> __m512i {
    const { assert!(RIGHT + LEFT == 32) };
    _mm512_ror_epi32(words, RIGHT)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn shr<const BITS: u32>(words: __m512i) -> __m512i {
    _mm512_srli_epi32(words, BITS)
}

/// Selects bits of `f` where `e` has ones, and of `g` where it has zeros.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn choice(e: __m512i, f: __m512i, g: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32(e, f, g, 0xca)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn majority(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32(a, b, c, 0xe8)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn add(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(a, b)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32(a, b, c, 0x96)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn splat(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}
