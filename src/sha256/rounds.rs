//! The rounds of SHA-256 in vectors, the same for each kind of vector.
//!
//! Names follow [FIPS 180-4](https://doi.org/10.6028/NIST.FIPS.180-4), section 6.2.2.

/// Defines `mix`, which computes the 64 rounds of one block of each message.
///
/// The calling module has `K` and the operations on its vectors: `add`, `xor` of three words,
/// `ror::<RIGHT, LEFT>` (rotates right by `RIGHT` bits; `LEFT` is 32 less `RIGHT`), `shr`, `splat`,
/// `choice` (Ch) and `majority` (Maj). Rounds are unrolled, so that words stay in registers where
/// there are enough.
macro_rules! rounds {
    ($vector:ty, $features:literal) => {
        /// The working variables `a` to `h` of all messages.
        type State = [$vector; 8];

        /// Computes the rounds of one block of each message. A vector of `words` has the same word
        /// of all blocks.
        #[target_feature(enable = $features)]
        #[inline]
        fn mix(state: State, words: [$vector; 16]) -> State {
            let (mut state, mut words) = (state, words);
            let mut rest = K.iter();
            while let Some(k) = rest.next() {
                state = sixteen_rounds(state, &words, k);
                if !rest.as_slice().is_empty() {
                    words = schedule(words);
                }
            }
            state
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn sixteen_rounds(state: State, words: &[$vector; 16], k: &[u32; 16]) -> State {
            let [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15] = *words;
            let [k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, k15] = *k;
            let state = round(round(round(round(state, w0, k0), w1, k1), w2, k2), w3, k3);
            let state = round(round(round(round(state, w4, k4), w5, k5), w6, k6), w7, k7);
            let state = round(round(round(round(state, w8, k8), w9, k9), w10, k10), w11, k11);
            round(round(round(round(state, w12, k12), w13, k13), w14, k14), w15, k15)
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn round(state: State, word: $vector, k: u32) -> State {
            let [a, b, c, d, e, f, g, h] = state;
            let sum1 = xor(ror::<6, 26>(e), ror::<11, 21>(e), ror::<25, 7>(e));
            let t1 = add(add(h, add(word, splat(k))), add(sum1, choice(e, f, g)));
            let sum0 = xor(ror::<2, 30>(a), ror::<13, 19>(a), ror::<22, 10>(a));
            [add(t1, add(sum0, majority(a, b, c))), a, b, c, add(d, t1), e, f, g]
        }

        /// Returns the next sixteen words of the schedule.
        #[target_feature(enable = $features)]
        #[inline]
        fn schedule(words: [$vector; 16]) -> [$vector; 16] {
            let [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15] = words;
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
            [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
        }

        /// Returns the word of the schedule that comes sixteen after `w0`.
        #[target_feature(enable = $features)]
        #[inline]
        fn next_word(w0: $vector, w1: $vector, w9: $vector, w14: $vector) -> $vector {
            let sigma0 = xor(ror::<7, 25>(w1), ror::<18, 14>(w1), shr::<3>(w1));
            let sigma1 = xor(ror::<17, 15>(w14), ror::<19, 13>(w14), shr::<10>(w14));
            add(add(w0, sigma0), add(w9, sigma1))
        }
    };
}

pub(super) use rounds;
