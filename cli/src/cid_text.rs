//! The text of a CID without formatting: listings write it for every record.

use carwalk::Cid;
use carwalk::cid::TEXT_LEN;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The text of a CID: `b` and base32. Ordered as text is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CidText([u8; TEXT_LEN]);

impl CidText {
    pub(crate) fn of(cid: &Cid) -> Self {
        let mut text = [b'b'; TEXT_LEN];
        let (_, digits) = text.split_at_mut(1);
        for (bytes, digits) in cid.as_bytes().chunks(5).zip(digits.chunks_mut(8)) {
            // The five bytes in front of a word: the next digit is always in the upper bits.
            let mut word = [0; 8];
            word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            let mut bits = u64::from_be_bytes(word);
            for digit in digits {
                let [upper, ..] = bits.to_be_bytes();
                *digit = ALPHABET.get(usize::from(upper >> 3)).copied().unwrap_or(b'?');
                bits <<= 5;
            }
        }
        CidText(text)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use carwalk::cid::Codec;

    use super::*;

    #[test]
    fn text_is_that_of_the_library() {
        for number in 0..1000u32 {
            let codec = if number % 2 == 0 { Codec::Raw } else { Codec::DagCbor };
            let cid = Cid::of(codec, &number.to_be_bytes());
            assert_eq!(CidText::of(&cid).as_str(), cid.to_string());
        }
    }
}
