//! What is odd about a record, told before it is written.

use core::cmp::Ordering;
use core::ops::Range;
use std::borrow::Cow;

use super::items::{Container, Item, Items, Refusal, What};
use super::oddity::Oddity;
use super::{BYTES, CBOR, LINK};

/// Largest integer that a 64-bit float has with all below it.
const MAX_SAFE: i128 = (1 << 53) - 1;

/// A record that was looked through.
pub(crate) struct Survey<'b> {
    pub(super) record: &'b [u8],
    /// The items that JSON has no form for, in the order of the record. None lies in another.
    pub(super) formless: Vec<Range<usize>>,
}

impl<'b> Survey<'b> {
    /// Looks a record through. Tells each odd thing, and at which byte of the record it is.
    pub(crate) fn new(record: &'b [u8], tell: impl FnMut(usize, &Oddity)) -> Result<Self, Refusal> {
        let mut surveyor =
            Surveyor { tell, formless: Vec::new(), open: Vec::new(), keys: Vec::new() };
        let mut items = Items::new(record);
        let mut end = 0;
        while let Some(item) = items.next()? {
            end = item.end;
            surveyor.take_in(item);
        }
        let trailing = record.len().saturating_sub(end);
        if trailing > 0 {
            (surveyor.tell)(end, &Oddity::Trailing(trailing));
        }
        Ok(Survey { record, formless: surveyor.formless })
    }
}

struct Surveyor<'b, F> {
    tell: F,
    formless: Vec<Range<usize>>,
    open: Vec<OpenContainer>,
    /// The keys of all open maps so far.
    keys: Vec<Key<'b>>,
}

/// A container whose end is still to come.
struct OpenContainer {
    at: usize,
    /// Whether JSON has no form for it.
    is_formless: bool,
    /// Whether its keys ascend so far.
    ascends: bool,
    /// The number of formless items before it, and of keys.
    formless: usize,
    keys: usize,
}

struct Key<'b> {
    at: usize,
    text: Cow<'b, str>,
}

impl<'b, F: FnMut(usize, &Oddity)> Surveyor<'b, F> {
    fn take_in(&mut self, item: Item<'b>) {
        let Item { at, end, is_key, what, form } = item;
        if let Some(form) = form {
            (self.tell)(at, &form);
        }
        if self.open.is_empty()
            && at == 0
            && !matches!(what, What::Begin(Container::Map) | What::End)
        {
            (self.tell)(at, &Oddity::NoMap);
        }
        if is_key && !matches!(what, What::Text(_)) {
            (self.tell)(at, &Oddity::KeyType);
            self.parent_is_formless();
        }
        match what {
            What::Begin(shape) => self.begin(shape, at),
            What::End => self.end(end),
            What::Text(text) if is_key => self.key(Key { at, text }),
            What::Float(value) => {
                (self.tell)(at, &Oddity::Float(value));
                if !value.is_finite() {
                    self.formless.push(at..end);
                }
            }
            What::Integer(value) if value.abs() > MAX_SAFE => {
                (self.tell)(at, &Oddity::UnsafeInteger(value))
            }
            What::Formless(oddity) => {
                (self.tell)(at, &oddity);
                self.formless.push(at..end);
            }
            _ => {}
        }
    }

    fn begin(&mut self, shape: Container, at: usize) {
        let is_formless = shape == Container::Tagged;
        if is_formless {
            (self.tell)(at, &Oddity::Tag);
        }
        let (formless, keys) = (self.formless.len(), self.keys.len());
        self.open.push(OpenContainer { at, is_formless, ascends: true, formless, keys });
    }

    fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let is_repeated = !open.ascends && self.tell_repeated(open.keys);
        self.keys.truncate(open.keys);
        if open.is_formless || is_repeated {
            self.formless.truncate(open.formless);
            self.formless.push(open.at..end);
        }
    }

    fn key(&mut self, key: Key<'b>) {
        if [LINK, BYTES, CBOR].contains(&&*key.text) {
            (self.tell)(key.at, &Oddity::KeyReserved);
            self.parent_is_formless();
        }
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let before = self.keys.get(open.keys..).and_then(<[_]>::last);
        let order = before.map_or(Ordering::Less, |before| canonical(&before.text, &key.text));
        if order == Ordering::Greater && open.ascends {
            (self.tell)(key.at, &Oddity::KeyOrder);
        }
        open.ascends &= order == Ordering::Less;
        self.keys.push(key);
    }

    fn parent_is_formless(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.is_formless = true;
        }
    }

    /// Finds keys of the innermost map that are equal, wherever they are in it; says whether there
    /// are any.
    #[cold]
    fn tell_repeated(&mut self, first: usize) -> bool {
        let keys = self.keys.get_mut(first..).unwrap_or_default();
        keys.sort_by(|a, b| a.text.cmp(&b.text).then(a.at.cmp(&b.at)));
        let mut is_any = false;
        for pair in keys.windows(2) {
            if let [a, b] = pair
                && a.text == b.text
            {
                (self.tell)(b.at, &Oddity::KeyTwice);
                is_any = true;
            }
        }
        is_any
    }
}

/// The order of keys in DAG-CBOR: the shorter first, then bytes decide.
fn canonical(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
