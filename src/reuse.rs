//! Buffers that one load or walk leaves to the next.

use core::fmt;
use core::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum length of a list that is kept for reuse, in bytes. Enough for repositories of 50,000
/// blocks; what a large one leaves is freed.
pub(crate) const MAX_KEPT: usize = 1 << 19;

/// Buffers that can be used again.
pub(crate) trait Reuse: Default {
    /// Removes all content, and frees memory beyond a fixed bound.
    fn reset(&mut self);

    /// Returns the bytes of memory that are held.
    fn held(&self) -> u64;
}

impl<T> Reuse for Vec<T> {
    fn reset(&mut self) {
        self.clear();
        let most = MAX_KEPT.checked_div(size_of::<T>()).unwrap_or(MAX_KEPT);
        if self.capacity() > most {
            *self = Vec::new();
        }
    }

    fn held(&self) -> u64 {
        self.capacity().saturating_mul(size_of::<T>()) as u64
    }
}

/// The place of buffers that are not in use: for at most one.
#[derive(Default)]
pub(crate) struct Shelf<T>(Mutex<Option<T>>);

impl<T: Reuse> Shelf<T> {
    /// Takes the buffers from the shelf, or new ones.
    pub(crate) fn take(&self) -> T {
        self.lock().take().unwrap_or_default()
    }

    /// Puts buffers back. If the shelf has others already, it keeps the larger ones.
    pub(crate) fn put(&self, mut buffers: T) {
        buffers.reset();
        let mut place = self.lock();
        if place.as_ref().is_none_or(|other| other.held() <= buffers.held()) {
            *place = Some(buffers);
        }
    }

    /// Returns the bytes of memory that the shelf holds.
    pub(crate) fn held(&self) -> u64 {
        self.lock().as_ref().map_or(0, Reuse::held)
    }

    /// A poisoned lock is used on: no holder leaves the place inconsistent, even if it panics.
    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

/// Buffers that return to their shelf when they are dropped.
pub(crate) struct Lent<T: Reuse> {
    buffers: T,
    shelf: Option<Arc<Shelf<T>>>,
}

impl<T: Reuse> Lent<T> {
    /// Takes the buffers from a shelf, or new ones.
    pub(crate) fn from(shelf: &Arc<Shelf<T>>) -> Self {
        Lent { buffers: shelf.take(), shelf: Some(shelf.clone()) }
    }
}

/// Buffers that are freed when they are dropped.
impl<T: Reuse> Default for Lent<T> {
    fn default() -> Self {
        Lent { buffers: T::default(), shelf: None }
    }
}

impl<T: Reuse> Deref for Lent<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.buffers
    }
}

impl<T: Reuse> DerefMut for Lent<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.buffers
    }
}

impl<T: Reuse> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(shelf) = &self.shelf {
            shelf.put(core::mem::take(&mut self.buffers));
        }
    }
}

/// Returns an empty list in the memory of another, if their items have the same layout: the
/// standard library collects in place. Otherwise the memory is freed.
pub(crate) fn recycle<A, B>(mut list: Vec<A>) -> Vec<B> {
    list.clear();
    list.into_iter().filter_map(|_| None).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lent_buffers_return_empty() {
        let shelf = Arc::new(Shelf::<Vec<u64>>::default());
        let mut lent = Lent::from(&shelf);
        lent.extend(0..1_000);
        assert_eq!(shelf.held(), 0);
        drop(lent);
        assert!(shelf.held() >= 8_000);
        let again = Lent::from(&shelf);
        assert!(again.is_empty() && again.capacity() >= 1_000);
    }

    #[test]
    fn buffers_beyond_the_bound_are_freed() {
        let shelf = Arc::new(Shelf::<Vec<u64>>::default());
        let most = MAX_KEPT / size_of::<u64>();
        for (len, held) in [(most, MAX_KEPT as u64), (most + 1, 0)] {
            let mut lent = Lent::from(&shelf);
            lent.reserve_exact(len);
            drop(lent);
            assert_eq!(shelf.held(), held);
        }
    }

    #[test]
    fn two_loads_at_a_time_do_not_share_buffers() {
        let shelf = Arc::new(Shelf::<Vec<u64>>::default());
        let (mut one, mut two) = (Lent::from(&shelf), Lent::from(&shelf));
        one.push(1);
        two.push(2);
        assert_eq!((one.as_slice(), two.as_slice()), (&[1][..], &[2][..]));
    }

    #[test]
    fn lists_of_the_same_layout_keep_their_memory() {
        let list: Vec<Option<&'static str>> = Vec::with_capacity(10);
        let text = String::from("text");
        let mut reused: Vec<Option<&str>> = recycle(list);
        assert_eq!(reused.capacity(), 10);
        reused.push(Some(&text));
        assert_eq!(recycle::<_, [u8; 3]>(reused), Vec::<[u8; 3]>::new());
    }
}
