//! Keys of the tree: their layers, and mining for keys on a given layer.
//!
//! Every mined key is a repo path in the collection `com.example.test`. A key on layer n takes
//! about 4 to the power of n attempts.

use crate::cid::sha256;

/// The prefix of every mined key.
pub const PREFIX: &str = "com.example.test/";

/// The layer of a key: the leading zero bits of its SHA-256 digest, in pairs.
pub fn layer(key: &[u8]) -> u8 {
    let digest = sha256(key);
    let zero_bytes = digest.iter().take_while(|&&byte| byte == 0).count();
    let zero_bits = digest.get(zero_bytes).map_or(0, |byte| byte.leading_zeros() as usize);
    ((zero_bytes * 8 + zero_bits) / 2) as u8
}

/// The keys of one layer in ascending order.
pub fn at_layer(wanted: u8) -> impl Iterator<Item = Vec<u8>> {
    numbered(0).map(|(_, key)| key).filter(move |key| layer(key) == wanted)
}

/// The n-th key of a layer, counted from 0. Later keys are greater.
pub fn key_at_layer(layer: u8, n: usize) -> Vec<u8> {
    at_layer(layer).nth(n).expect("the numbers do not end")
}

/// Ascending keys on the given layers.
pub fn ascending(layers: &[u8]) -> Vec<Vec<u8>> {
    let mut next = 0;
    layers
        .iter()
        .map(|&wanted| {
            let (number, key) = numbered(next)
                .find(|(_, key)| layer(key) == wanted)
                .expect("the numbers do not end");
            next = number + 1;
            key
        })
        .collect()
}

/// A key on a layer, strictly between two other keys.
///
/// # Panics
///
/// Panics if no such key begins with `low`, because `high` is `low` with a few of the least
/// characters appended.
pub fn between(low: &[u8], high: &[u8], wanted: u8) -> Vec<u8> {
    let found = above_all(low).find(|key| key.as_slice() >= high || layer(key) == wanted);
    found.filter(|key| key.as_slice() < high).expect("no key in between")
}

/// A key on a layer, less than a mined key and greater than all keys of earlier collections.
pub fn below(high: &[u8], layer: u8) -> Vec<u8> {
    between(PREFIX.as_bytes(), high, layer)
}

/// A key on a layer, greater than `low` and less than all mined keys after it.
pub fn above(low: &[u8], wanted: u8) -> Vec<u8> {
    above_all(low).find(|key| layer(key) == wanted).expect("the numbers do not end")
}

/// `low` with endings. The hyphen is the least character of record keys.
fn above_all(low: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..100_000_000_u32).map(move |number| [low, format!("-{number:08}").as_bytes()].concat())
}

fn numbered(first: u32) -> impl Iterator<Item = (u32, Vec<u8>)> {
    (first..100_000_000).map(|number| (number, format!("{PREFIX}{number:08}").into_bytes()))
}

/// Returns whether a key lies strictly between two bounds; `None` is no bound.
pub fn is_between(key: &[u8], lower: Option<&[u8]>, upper: Option<&[u8]>) -> bool {
    lower.is_none_or(|lower| lower < key) && upper.is_none_or(|upper| key < upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_known_keys() {
        assert_eq!(layer(b"2653ae71"), 0);
        assert_eq!(layer(b"blue"), 1);
        assert_eq!(layer(b"app.bsky.feed.post/454397e440ec"), 4);
        assert_eq!(layer(b"app.bsky.feed.post/9adeb165882c"), 8);
    }

    #[test]
    fn mined_keys_have_their_layer_and_order() {
        let keys = ascending(&[0, 3, 1, 0, 2]);
        assert!(keys.is_sorted());
        assert_eq!(keys.iter().map(|key| layer(key)).collect::<Vec<_>>(), [0, 3, 1, 0, 2]);
        assert!(key_at_layer(2, 3) < key_at_layer(2, 4));
    }

    #[test]
    fn keys_fit_between_neighbours() {
        let keys: Vec<_> = at_layer(1).take(2).collect();
        let key = between(&keys[0], &keys[1], 2);
        assert!(keys[0] < key && key < keys[1]);
        assert_eq!(layer(&key), 2);
        assert!(below(&keys[0], 0) < keys[0]);
        assert!(above(&keys[1], 0) > keys[1]);
    }
}
