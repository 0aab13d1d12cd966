//! What is kept of a record: all of it, or what a function of the caller's makes of it.

mod value;

use core::fmt;
use core::marker::PhantomData;

pub use self::value::{Cbor, Processable};
use crate::cid::Cid;
use crate::error::{Error, Result, Structure};
use crate::store::{Form, Found};

/// Appends what is stored in place of a record.
type ReduceFn<P> = fn(&P, &[u8], &mut Vec<u8>) -> Result<()>;

/// What becomes of records: [`Keep`], or [`Reduce`] with
/// [`Loader::process`](crate::Loader::process).
///
/// Sealed: these are the two.
pub trait Process: sealed::Sealed {
    /// What a record is in the caller's hands, if a store's blocks are `B`.
    type Value<B: AsRef<[u8]>>;

    /// What makes records into something else while they are loaded from a reader.
    #[doc(hidden)]
    const REDUCE: Option<ReduceFn<Self>>;

    /// The value of a record, from what the store has.
    #[doc(hidden)]
    fn restore<B: AsRef<[u8]>>(&self, stored: B, form: Form) -> Result<Self::Value<B>>;
}

/// Returns the value of a record that a store found.
#[inline]
pub(crate) fn restore<B: AsRef<[u8]>, P: Process>(
    process: &P,
    found: Found<B>,
    cid: Cid,
    key: &[u8],
) -> Result<P::Value<B>> {
    let Found { bytes, form, offset, .. } = found;
    let value = process.restore(bytes, form);
    value.map_err(|error| error.in_structure(Structure::Record).at(offset).of_cid(cid).of_key(key))
}

mod sealed {
    pub trait Sealed {}
}

/// Records as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep;

impl sealed::Sealed for Keep {}

impl Process for Keep {
    type Value<B: AsRef<[u8]>> = B;

    const REDUCE: Option<ReduceFn<Self>> = None;

    #[inline]
    fn restore<B: AsRef<[u8]>>(&self, stored: B, form: Form) -> Result<B> {
        match form {
            Form::Raw => Ok(stored),
            Form::Reduced => Err(Error::decode(
                "the store holds reduced records: they need their process function",
            )),
        }
    }
}

/// What a function makes of records, which is a `T`. Made by
/// [`Loader::process`](crate::Loader::process).
pub struct Reduce<F, T> {
    function: F,
    value: PhantomData<fn() -> T>,
}

impl<F, T> Reduce<F, T> {
    pub(crate) fn new(function: F) -> Self {
        Reduce { function, value: PhantomData }
    }
}

impl<F, T> sealed::Sealed for Reduce<F, T> {}

impl<F: Fn(&[u8]) -> T, T: Processable> Process for Reduce<F, T> {
    type Value<B: AsRef<[u8]>> = T;

    const REDUCE: Option<ReduceFn<Self>> =
        Some(|this, record, out| (this.function)(record).encode(out));

    fn restore<B: AsRef<[u8]>>(&self, stored: B, form: Form) -> Result<T> {
        let mut bytes = stored.as_ref();
        match form {
            Form::Raw => Ok((self.function)(bytes)),
            Form::Reduced => match T::decode(&mut bytes) {
                Some(value) if bytes.is_empty() => Ok(value),
                _ => Err(Error::decode("what is stored of the record is not of this type")),
            },
        }
    }
}

impl<F: Clone, T> Clone for Reduce<F, T> {
    fn clone(&self) -> Self {
        Reduce::new(self.function.clone())
    }
}

impl<F, T> fmt::Debug for Reduce<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reduce").finish_non_exhaustive()
    }
}
