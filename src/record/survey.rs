//! One pass over a record that finds its oddities and the items without a JSON form.

use core::cmp::Ordering;
use core::ops::Range;
use std::borrow::Cow;
use std::collections::VecDeque;

use super::items::{Container, Item, Items, What};
use super::oddity::{BYTES, CBOR, LINK, MAX_SAFE, Oddity};
use super::origin::Origin;
use super::place::{PlaceText, Segment};
use crate::cbor::compare_keys;
use crate::error::Result;

/// The state of the pass.
#[derive(Clone)]
pub(super) struct Survey<'r> {
    items: Items<'r>,
    /// The items without a JSON form, in the order of the record. None contains another.
    formless: Vec<Range<usize>>,
    open: Vec<OpenContainer>,
    /// The keys so far of all open maps.
    keys: Vec<Key<'r>>,
    /// The oddities of the last item that are still to be returned.
    found: VecDeque<Found>,
    /// The keys of the innermost map, at its end, if some of them may be equal.
    repeats: Option<Repeats>,
    is_over: bool,
}

/// An oddity and its position in the record.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) at: usize,
    pub(super) oddity: Oddity,
    /// The number of open containers around it.
    depth: usize,
}

/// An open container.
#[derive(Clone)]
struct OpenContainer {
    at: usize,
    shape: Container,
    /// Whether it has no JSON form.
    is_formless: bool,
    /// Whether its keys ascend so far.
    ascends: bool,
    /// The numbers of formless items and keys before it.
    formless: usize,
    keys: usize,
    /// The number of its members so far.
    members: usize,
    /// Whether the key of the last member is a text.
    has_text_key: bool,
}

#[derive(Clone)]
struct Key<'r> {
    at: usize,
    text: Cow<'r, str>,
}

/// The sorted keys of a map, from which the repeated ones are returned one by one.
#[derive(Clone)]
struct Repeats {
    /// The key to compare next with the one before it.
    next: usize,
    is_any: bool,
    /// The position of the map's end.
    end: usize,
}

impl<'r> Survey<'r> {
    pub(super) fn new(record: &'r [u8], origin: Origin<'r>) -> Self {
        Survey {
            items: Items::new(record, origin),
            formless: Vec::new(),
            open: Vec::new(),
            keys: Vec::new(),
            found: VecDeque::new(),
            repeats: None,
            is_over: false,
        }
    }

    /// Returns the next oddity; `None` at the end of the record.
    pub(super) fn next(&mut self) -> Result<Option<Found>> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            if let Some(found) = self.next_repeat() {
                return Ok(Some(found));
            }
            match self.items.next() {
                Ok(Some(item)) => self.take_in(item),
                Ok(None) if self.is_over => return Ok(None),
                Ok(None) => self.finish(),
                Err(error) => {
                    self.is_over = true;
                    return Err(error);
                }
            }
        }
    }

    /// Returns the items without a JSON form, after the last oddity.
    #[cfg(feature = "json")]
    pub(super) fn into_formless(self) -> Vec<Range<usize>> {
        self.formless
    }

    /// Returns the path of the oddity that was returned last.
    #[cold]
    pub(super) fn place(&self, found: &Found) -> Box<str> {
        let mut place = PlaceText::new();
        for (number, open) in self.open.iter().enumerate().take(found.depth) {
            place.push(match open.shape {
                Container::Tagged => continue,
                Container::Array => Segment::Index(open.members.saturating_sub(1)),
                Container::Map if open.has_text_key => match self.last_key(number) {
                    Some(key) => Segment::Name(key),
                    None => continue,
                },
                Container::Map => Segment::OddKey(open.members.saturating_sub(1)),
            });
        }
        if let (Oddity::KeyTwice, Some(key)) = (found.oddity, self.repeated_key()) {
            place.push(Segment::Name(&key.text));
        }
        place.finish()
    }

    /// Returns the last key so far of an open map.
    fn last_key(&self, number: usize) -> Option<&str> {
        let inner = number.checked_add(1).and_then(|number| self.open.get(number));
        let end = inner.map_or(self.keys.len(), |open| open.keys);
        self.keys.get(..end)?.last().map(|key| &*key.text)
    }

    fn take_in(&mut self, item: Item<'r>) {
        let Item { at, end, is_key, what, form } = item;
        if matches!(what, What::End) {
            return self.end(end);
        }
        let is_root = self.open.is_empty();
        self.count_member(is_key, matches!(what, What::Text(_)));
        if let Some(form) = form {
            self.tell(at, form);
        }
        if is_root && !matches!(what, What::Begin(Container::Map)) {
            self.tell(at, Oddity::NoMap);
        }
        if is_key && !matches!(what, What::Text(_)) {
            self.tell(at, Oddity::KeyType);
            self.parent_is_formless();
        }
        match what {
            What::Begin(shape) => self.begin(shape, at),
            What::Text(text) if is_key => self.key(Key { at, text }),
            What::Float(value) => {
                self.tell(at, Oddity::Float(value));
                if !value.is_finite() {
                    self.formless.push(at..end);
                }
            }
            What::Integer(value) if value.unsigned_abs() > u128::from(MAX_SAFE) => {
                self.tell(at, Oddity::UnsafeInteger(value));
            }
            What::Formless(oddity) => {
                self.tell(at, oddity);
                self.formless.push(at..end);
            }
            _ => {}
        }
    }

    fn tell(&mut self, at: usize, oddity: Oddity) {
        self.found.push_back(Found { at, oddity, depth: self.open.len() });
    }

    /// Counts an item of the innermost container.
    fn count_member(&mut self, is_key: bool, is_text: bool) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        if is_key || open.shape == Container::Array {
            open.members = open.members.saturating_add(1);
            open.has_text_key = is_key && is_text;
        }
    }

    fn begin(&mut self, shape: Container, at: usize) {
        let is_formless = shape == Container::Tagged;
        if is_formless {
            self.tell(at, Oddity::Tag);
        }
        self.open.push(OpenContainer {
            at,
            shape,
            is_formless,
            ascends: true,
            formless: self.formless.len(),
            keys: self.keys.len(),
            members: 0,
            has_text_key: false,
        });
    }

    fn end(&mut self, end: usize) {
        match self.open.last() {
            Some(open) if !open.ascends => {
                let keys = self.keys.get_mut(open.keys..).unwrap_or_default();
                keys.sort_by(|a, b| a.text.cmp(&b.text).then(a.at.cmp(&b.at)));
                let next = open.keys.saturating_add(1);
                self.repeats = Some(Repeats { next, is_any: false, end });
            }
            _ => self.close(end, false),
        }
    }

    /// Finds the next key of the innermost map that is equal to an earlier one.
    fn next_repeat(&mut self) -> Option<Found> {
        let repeats = self.repeats.as_mut()?;
        while let Some([a, b]) = self.keys.get(repeats.next.saturating_sub(1)..=repeats.next) {
            repeats.next = repeats.next.saturating_add(1);
            if a.text == b.text {
                repeats.is_any = true;
                let depth = self.open.len().saturating_sub(1);
                return Some(Found { at: b.at, oddity: Oddity::KeyTwice, depth });
            }
        }
        let Repeats { is_any, end, .. } = *repeats;
        self.repeats = None;
        self.close(end, is_any);
        None
    }

    /// Returns the key that was found equal to an earlier one.
    fn repeated_key(&self) -> Option<&Key<'r>> {
        self.keys.get(self.repeats.as_ref()?.next.checked_sub(1)?)
    }

    /// Ends the innermost container.
    fn close(&mut self, end: usize, is_repeated: bool) {
        let Some(open) = self.open.pop() else {
            return;
        };
        self.keys.truncate(open.keys);
        if open.is_formless || is_repeated {
            self.formless.truncate(open.formless);
            self.formless.push(open.at..end);
        }
    }

    fn key(&mut self, key: Key<'r>) {
        if [LINK, BYTES, CBOR].contains(&&*key.text) {
            self.tell(key.at, Oddity::KeyReserved);
            self.parent_is_formless();
        }
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let before = self.keys.get(open.keys..).and_then(<[_]>::last);
        let order = before.map_or(Ordering::Less, |before| {
            compare_keys(before.text.as_bytes(), key.text.as_bytes())
        });
        let is_first_out_of_order = order == Ordering::Greater && open.ascends;
        open.ascends &= order == Ordering::Less;
        if is_first_out_of_order {
            self.tell(key.at, Oddity::KeyOrder);
        }
        self.keys.push(key);
    }

    fn parent_is_formless(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.is_formless = true;
        }
    }

    /// Ends the pass: counts the bytes after the outermost item.
    fn finish(&mut self) {
        self.is_over = true;
        debug_assert!(self.open.is_empty(), "the outermost item is at its end");
        let end = self.items.position();
        let trailing = self.items.record().len().saturating_sub(end);
        if trailing > 0 {
            self.tell(end, Oddity::Trailing(trailing));
        }
    }
}
