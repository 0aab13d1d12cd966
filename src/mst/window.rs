//! The window of a walk: the wanted keys.

use super::key::Layer;
use super::range::KeyRange;
use crate::error::KeyInterval;

/// The window of a walk: the wanted keys.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// In ascending order, each with a key, and with keys between any two that are in neither.
    /// There are none if all keys are wanted.
    spans: Vec<KeyRange>,
    is_all: bool,
    /// The layer of the key, if only one is wanted.
    layer: Option<Layer>,
}

/// Where a key is, relative to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Before all keys of the window.
    Before,
    Inside,
    /// Not inside, but others are before and after it.
    Between,
    /// After all keys of the window.
    After,
}

impl Window {
    /// Returns the window of all keys.
    pub(super) fn all() -> Self {
        Window { spans: Vec::new(), is_all: true, layer: None }
    }

    /// Returns the window of the keys that are in any of the spans.
    pub(super) fn of(mut spans: Vec<KeyRange>) -> Self {
        spans.retain(|span| !span.is_empty());
        spans.sort_unstable_by(|a, b| a.start.cmp(&b.start));
        spans.dedup_by(|later, span| {
            let is_apart = span.end.as_ref().is_some_and(|end| *end < later.start);
            if !is_apart
                && later
                    .end
                    .as_ref()
                    .is_none_or(|later| span.end.as_ref().is_some_and(|end| end < later))
            {
                span.end = later.end.take();
            }
            !is_apart
        });
        if spans.first().is_some_and(KeyRange::is_all) {
            return Window::all();
        }
        Window { spans, is_all: false, layer: None }
    }

    /// Returns the window of the keys that are in this window and in a range.
    pub(super) fn and(&self, range: &KeyRange) -> Self {
        if self.is_all {
            return Window::of(vec![range.clone()]);
        }
        let spans = self.spans.iter().map(|span| span.and(range)).collect();
        Window { layer: self.layer, ..Window::of(spans) }
    }

    /// Returns the window of the keys that are in this window and in any of the ranges.
    pub(super) fn and_any(&self, ranges: Vec<KeyRange>) -> Self {
        if self.is_all {
            return Window::of(ranges);
        }
        let spans = ranges.iter().flat_map(|range| self.and(range).spans).collect();
        Window { layer: self.layer, ..Window::of(spans) }
    }

    /// Returns the window of one key, or of no key if this window does not have it. Unlike a span
    /// with one key, it excludes subtrees below the key's layer.
    pub(super) fn and_key(&self, key: &[u8]) -> Self {
        Window { layer: Some(Layer::of(key)), ..self.and(&KeyRange::key(key)) }
    }

    /// Returns whether no key is wanted.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_all && self.spans.is_empty()
    }

    /// Returns whether all keys are wanted.
    #[inline]
    pub(super) fn is_all(&self) -> bool {
        self.is_all
    }

    /// Excludes `key` and all keys above it.
    pub(super) fn end_before(&mut self, key: &[u8]) {
        self.make_spans();
        while self.spans.pop_if(|span| span.start.as_slice() >= key).is_some() {}
        if let Some(KeyRange { end, .. }) = self.spans.last_mut()
            && end.as_ref().is_none_or(|end| end.as_slice() > key)
        {
            let end = end.get_or_insert_default();
            end.clear();
            end.extend_from_slice(key);
        }
    }

    /// Excludes `key` and all keys below it.
    pub(super) fn start_after(&mut self, key: &[u8]) {
        self.make_spans();
        self.spans.retain_mut(|span| {
            if span.start.as_slice() <= key {
                span.start.clear();
                span.start.extend_from_slice(key);
                span.start.push(0);
            }
            !span.is_empty()
        });
    }

    /// Turns the window of all keys into a span.
    fn make_spans(&mut self) {
        if core::mem::take(&mut self.is_all) {
            self.spans.push(KeyRange::all());
        }
    }

    /// Returns where a key is.
    #[inline]
    pub(super) fn side(&self, key: &[u8]) -> Side {
        if self.is_all {
            return Side::Inside;
        }
        let number = self
            .spans
            .partition_point(|span| span.end.as_ref().is_some_and(|end| end.as_slice() <= key));
        match self.spans.get(number) {
            None => Side::After,
            Some(span) if span.start.as_slice() <= key => Side::Inside,
            Some(_) if number == 0 => Side::Before,
            Some(_) => Side::Between,
        }
    }

    /// Returns whether all keys strictly inside an interval are in the window.
    pub(super) fn covers(&self, interval: KeyInterval<&[u8]>) -> bool {
        let KeyInterval { lower, upper } = interval;
        let least = Least::after(lower);
        self.is_all
            || self.span_from(least).is_some_and(|span| {
                let ends_after = |end: &Vec<u8>| upper.is_some_and(|upper| upper <= end.as_slice());
                !least.is_below(&span.start) && span.end.as_ref().is_none_or(ends_after)
            })
    }

    /// Returns the first span that has `least` or a key above it.
    fn span_from(&self, least: Least<'_>) -> Option<&KeyRange> {
        let ends_before =
            |span: &KeyRange| span.end.as_ref().is_some_and(|end| !least.is_below(end));
        self.spans.get(self.spans.partition_point(ends_before))
    }

    /// Returns whether a subtree can have a key in the window. The keys of the subtree are strictly
    /// inside `interval`, and its root is on `layer`.
    pub(super) fn touches(&self, interval: KeyInterval<&[u8]>, layer: Option<Layer>) -> bool {
        // A key of a higher layer is in a node further up.
        if self.layer.zip(layer).is_some_and(|(of_key, of_node)| of_node < of_key) {
            return false;
        }
        let KeyInterval { lower, upper } = interval;
        let after_lower = Least::after(lower);
        // The least key that is in the window and above the lower bound.
        let least = if self.is_all {
            after_lower
        } else if let Some(span) = self.span_from(after_lower) {
            match lower {
                Some(lower) if span.start.as_slice() <= lower => after_lower,
                _ => Least::At(&span.start),
            }
        } else {
            return false;
        };
        upper.is_none_or(|upper| least.is_below(upper))
    }
}

/// The least key of a set, without a copy of it.
#[derive(Clone, Copy)]
enum Least<'k> {
    At(&'k [u8]),
    /// The key with a zero byte after it.
    Above(&'k [u8]),
}

impl<'k> Least<'k> {
    /// The least of all keys above the lower bound of an interval.
    fn after(lower: Option<&'k [u8]>) -> Self {
        lower.map_or(Least::At(&[]), Least::Above)
    }

    fn is_below(self, bound: &[u8]) -> bool {
        #[cfg(test)]
        tests::COMPARISONS.set(tests::COMPARISONS.get().saturating_add(1));
        match self {
            Least::At(key) => key < bound,
            Least::Above(key) => key < bound && bound.strip_prefix(key) != Some(&[0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::ops::{Bound, RangeBounds};

    use super::*;
    use crate::testing::Rng;

    thread_local! {
        /// The number of comparisons of keys with bounds of spans.
        pub(super) static COMPARISONS: Cell<u64> = const { Cell::new(0) };
    }

    /// Returns all keys of up to three bytes over three byte values: dense enough for every border.
    fn keys() -> Vec<Vec<u8>> {
        let mut keys = vec![vec![]];
        for len in 0..3 {
            let longer: Vec<Vec<u8>> =
                keys.iter().filter(|key| key.len() == len).cloned().collect();
            for key in longer {
                for byte in [0, 1, 0xff] {
                    keys.push([&key[..], &[byte]].concat());
                }
            }
        }
        keys.sort();
        keys
    }

    fn bounds(keys: &[Vec<u8>]) -> Vec<Bound<Vec<u8>>> {
        let mut bounds = vec![Bound::Unbounded];
        for key in keys.iter().filter(|key| key.len() < 3) {
            bounds.extend([Bound::Included(key.clone()), Bound::Excluded(key.clone())]);
        }
        bounds
    }

    #[test]
    fn sides_are_those_of_the_range() {
        let keys = keys();
        for start in bounds(&keys) {
            for end in bounds(&keys) {
                let range = (start.clone(), end);
                let window = Window::of(vec![KeyRange::of(range.clone())]);
                for key in &keys {
                    assert_eq!(
                        window.side(key) == Side::Inside,
                        range.contains(key),
                        "{range:?} {key:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_interval_touches_a_window_exactly_if_they_share_a_key() {
        let keys = keys();
        let few: Vec<&Vec<u8>> = keys.iter().filter(|key| key.len() < 3).collect();
        let ends: Vec<Option<&[u8]>> =
            core::iter::once(None).chain(few.iter().map(|key| Some(key.as_slice()))).collect();
        for start in bounds(&keys) {
            for end in bounds(&keys) {
                let window = Window::of(vec![KeyRange::of((start.clone(), end.clone()))]);
                for &lower in &ends {
                    for &upper in &ends {
                        let inside = |key: &[u8]| {
                            lower.is_none_or(|lower| key > lower)
                                && upper.is_none_or(|upper| key < upper)
                                && window.side(key) == Side::Inside
                        };
                        // If two sets with such borders share keys, they share one that is at most
                        // one byte longer.
                        let expected = keys.iter().any(|key| inside(key));
                        let found = window.touches(KeyInterval { lower, upper }, None);
                        assert_eq!(found, expected, "{window:?} {lower:?} {upper:?}");
                    }
                }
            }
        }
    }

    type IsIn = Box<dyn Fn(&[u8]) -> bool>;

    /// A span of any kind, and the test whether a key is in it.
    fn any_span(keys: &[Vec<u8>], rng: &mut Rng) -> (KeyRange, IsIn) {
        let short: Vec<&Vec<u8>> = keys.iter().filter(|key| key.len() < 3).collect();
        let key = (*rng.pick(&short)).clone();
        match rng.below(6) {
            0 => (KeyRange::key(&key), Box::new(move |other| other == key)),
            1 => (KeyRange::prefix(&key), Box::new(move |other| other.starts_with(&key))),
            _ => {
                let bounds = bounds(keys);
                let range = (rng.pick(&bounds).clone(), rng.pick(&bounds).clone());
                (
                    KeyRange::of(range.clone()),
                    Box::new(move |other| range.contains(&other.to_vec())),
                )
            }
        }
    }

    /// Windows of several spans, and the keys that are in them.
    fn windows(count: u64) -> impl Iterator<Item = (Window, Vec<Vec<u8>>)> {
        let keys = keys();
        (0..count).map(move |seed| {
            let mut rng = Rng::new(seed);
            let (spans, tests): (Vec<_>, Vec<_>) =
                (0..rng.below(6)).map(|_| any_span(&keys, &mut rng)).unzip();
            let inside =
                keys.iter().filter(|key| tests.iter().any(|test| test(key))).cloned().collect();
            (Window::of(spans), inside)
        })
    }

    #[track_caller]
    fn assert_holds(window: &Window, inside: &[Vec<u8>]) {
        assert!(window.spans.iter().all(|span| !span.is_empty()), "{window:?}");
        for pair in window.spans.windows(2) {
            assert!(pair[0].end.as_ref().is_some_and(|end| *end < pair[1].start), "{window:?}");
        }
        for key in keys() {
            let expected = if inside.contains(&key) {
                Side::Inside
            } else if inside.iter().all(|other| *other < key) {
                Side::After
            } else if inside.iter().all(|other| *other > key) {
                Side::Before
            } else {
                Side::Between
            };
            assert_eq!(window.side(&key), expected, "{window:?} {key:?}");
        }
        assert_touches(window, inside);
    }

    #[track_caller]
    fn assert_touches(window: &Window, inside: &[Vec<u8>]) {
        let keys = keys();
        let few: Vec<&[u8]> = keys.iter().map(Vec::as_slice).filter(|key| key.len() < 3).collect();
        let ends = || core::iter::once(None).chain(few.iter().copied().map(Some));
        for lower in ends() {
            // The keys are in order, so the first one above the lower end decides.
            let least = inside.iter().find(|key| lower.is_none_or(|lower| key.as_slice() > lower));
            for upper in ends() {
                let expected =
                    least.is_some_and(|key| upper.is_none_or(|upper| key.as_slice() < upper));
                let found = window.touches(KeyInterval { lower, upper }, None);
                assert_eq!(found, expected, "{window:?} {lower:?} {upper:?}");
            }
        }
    }

    #[test]
    fn a_window_of_several_spans_has_the_keys_of_each_and_no_others() {
        let (mut apart, mut none) = (0, 0);
        for (window, inside) in windows(2000) {
            assert_holds(&window, &inside);
            assert_eq!(
                window.is_all(),
                inside.len() == keys().len()
                    && window.spans.first().is_none_or(|span| span.end.is_none()),
                "{window:?}"
            );
            apart += usize::from(window.spans.len() > 2);
            none += usize::from(window.is_empty());
        }
        assert!(apart > 100 && none > 50, "{apart}, {none}");
    }

    #[test]
    fn the_order_and_number_of_spans_make_no_difference() {
        for (window, _) in windows(200) {
            let mut spans = window.spans.clone();
            spans.extend(spans.clone());
            let mut rng = Rng::new(spans.len() as u64);
            spans.sort_by_cached_key(|_| rng.below(1000));
            assert_eq!(Window::of(spans).spans, window.spans);
        }
    }

    #[test]
    fn a_window_and_several_ranges_share_the_keys_of_both() {
        let mut shared = 0;
        for ((window, inside), (other, of_other)) in windows(400).zip(windows(800).skip(400)) {
            let both: Vec<_> = inside.into_iter().filter(|key| of_other.contains(key)).collect();
            let spans = if other.is_all() { vec![KeyRange::all()] } else { other.spans };
            assert_holds(&window.and_any(spans), &both);
            shared += usize::from(!both.is_empty());
        }
        assert!(shared > 50, "{shared}");
    }

    #[test]
    fn spans_that_only_meet_become_one() {
        let span =
            |start: &[u8], end: &[u8]| KeyRange { start: start.to_vec(), end: Some(end.to_vec()) };
        let window = Window::of(vec![
            span(b"c", b"d"),
            span(b"a", b"b"),
            span(b"b", b"c"),
            span(b"d\0", b"e"),
        ]);
        assert_eq!(window.spans, [span(b"a", b"d"), span(b"d\0", b"e")]);
        assert_eq!(window.side(b"d"), Side::Between);
    }

    #[test]
    fn a_window_cut_at_either_end_has_the_keys_that_are_left() {
        let short: Vec<Vec<u8>> = keys().into_iter().filter(|key| key.len() < 3).collect();
        for (number, (mut window, mut inside)) in windows(1000).enumerate() {
            let mut rng = Rng::new(number as u64);
            for _ in 0..=rng.below(4) {
                let key = rng.pick(&short);
                if rng.chance(1, 2) {
                    window.end_before(key);
                    inside.retain(|other| other < key);
                } else {
                    window.start_after(key);
                    inside.retain(|other| other > key);
                }
                assert!(!window.is_all());
                assert_holds(&window, &inside);
            }
        }
    }

    /// A proof of many keys compares each node on its way with the spans.
    #[test]
    fn an_interval_is_not_held_against_each_of_many_spans() {
        let key = |number: u32| number.to_be_bytes();
        let window = Window::of((0..60_000).map(|number| KeyRange::key(key(number))).collect());
        let before = COMPARISONS.get();
        for number in 0..60_000 {
            let (lower, upper) = (key(number), [&key(number)[..], &[0, 0]].concat());
            assert!(!window.covers(KeyInterval { lower: Some(&lower), upper: Some(&upper) }));
            assert!(window.touches(KeyInterval { lower: None, upper: Some(&upper) }, None));
        }
        // A linear search would make billions of comparisons. A binary search takes 16 steps.
        let each = (COMPARISONS.get() - before).div_ceil(2 * 60_000);
        assert!((10..=20).contains(&each), "{each}");
    }

    #[test]
    fn one_key_touches_no_node_below_its_layer() {
        let (one, range) =
            (Window::all().and_key(b"blue"), Window::of(vec![KeyRange::key(b"blue")]));
        let (layer, below) = (Layer::of(b"blue"), Layer::of(b"blue").below().unwrap());
        let interval = || KeyInterval { lower: None, upper: None };
        assert!(one.layer.is_some() && range.layer.is_none());
        assert!(one.touches(interval(), Some(layer)) && one.touches(interval(), None));
        assert!(!one.touches(interval(), Some(below)));
        assert!(range.touches(interval(), Some(below)));
    }

    /// Both answers are right for an interval without keys.
    #[test]
    fn a_window_covers_an_interval_exactly_if_it_has_all_its_keys() {
        let all = keys();
        let few: Vec<&[u8]> = all.iter().map(Vec::as_slice).filter(|key| key.len() < 3).collect();
        let ends = || core::iter::once(None).chain(few.iter().copied().map(Some));
        let (mut covered, mut cut) = (0, 0);
        for (window, inside) in windows(1000) {
            // The keys where a span ends may be others, and are in no span.
            let span_ends: Vec<_> =
                window.spans.iter().filter_map(|span| span.end.clone()).collect();
            assert!(span_ends.iter().all(|key| window.side(key) != Side::Inside));
            let is_endless =
                window.is_all() || window.spans.last().is_some_and(|span| span.end.is_none());
            for lower in ends() {
                for upper in ends() {
                    let fits = |key: &&Vec<u8>| {
                        lower.is_none_or(|lower| &key[..] > lower)
                            && upper.is_none_or(|upper| &key[..] < upper)
                    };
                    let count = all.iter().filter(fits).count();
                    if count == 0 {
                        continue;
                    }
                    let has_all = inside.iter().filter(fits).count() == count
                        && !span_ends.iter().any(|key| fits(&key));
                    let expected = has_all && (upper.is_some() || is_endless);
                    let found = window.covers(KeyInterval { lower, upper });
                    assert_eq!(found, expected, "{window:?} {lower:?} {upper:?}");
                    *if found { &mut covered } else { &mut cut } += 1;
                }
            }
        }
        assert!(covered > 1000 && cut > 1000, "{covered}, {cut}");
    }
}
