//! What is kept of a record: all of it, or what a function of the caller's makes of it.

mod value;

use core::fmt;
use core::marker::PhantomData;

#[cfg(feature = "serde")]
pub use self::value::Dag;
pub use self::value::{Cbor, Value};
use crate::cid::Cid;
use crate::error::{Error, Result, Structure};
use crate::store::{Block, Form};

/// Appends what is stored in place of a record.
type StoreFn<P> = fn(&P, &[u8], &mut Vec<u8>) -> Result<()>;

/// What becomes of records: [`Keep`], or [`Processed`] with
/// [`Loader::process`](crate::Loader::process).
///
/// Sealed: these are the two.
pub trait Process: sealed::Sealed {
    /// What a record is in the caller's hands, if a store's blocks are `B`.
    type Value<B: AsRef<[u8]>>;

    /// What makes records into something else while they are loaded from a reader.
    #[doc(hidden)]
    const STORE: Option<StoreFn<Self>>;

    /// The value of a record, from what the store has.
    #[doc(hidden)]
    fn restore<B: AsRef<[u8]>>(&self, stored: B, form: Form) -> Result<Self::Value<B>>;
}

/// Returns the value of a record that a store found.
#[inline]
pub(crate) fn restore<B: AsRef<[u8]>, P: Process>(
    process: &P,
    found: Block<B>,
    cid: Cid,
    key: &[u8],
) -> Result<P::Value<B>> {
    let Block { bytes, form, offset, .. } = found;
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

    const STORE: Option<StoreFn<Self>> = None;

    #[inline]
    fn restore<B: AsRef<[u8]>>(&self, stored: B, form: Form) -> Result<B> {
        match form {
            Form::Original => Ok(stored),
            Form::Value => Err(Error::decode(
                "the store holds processed values, which need their process function",
            )),
        }
    }
}

/// What a function makes of records, which is a `T`. Made by
/// [`Loader::process`](crate::Loader::process).
pub struct Processed<F, T> {
    function: F,
    value: PhantomData<fn() -> T>,
}

impl<F, T> Processed<F, T> {
    pub(crate) fn new(function: F) -> Self {
        Processed { function, value: PhantomData }
    }
}

impl<F, T> sealed::Sealed for Processed<F, T> {}

impl<F: Fn(&[u8]) -> T, T: Value> Process for Processed<F, T> {
    type Value<B: AsRef<[u8]>> = T;

    const STORE: Option<StoreFn<Self>> =
        Some(|this, record, out| (this.function)(record).encode(out).map_err(Error::into_encode));

    fn restore<B: AsRef<[u8]>>(&self, stored: B, form: Form) -> Result<T> {
        let mut bytes = stored.as_ref();
        match form {
            Form::Original => Ok((self.function)(bytes)),
            Form::Value => match T::decode(&mut bytes) {
                Some(value) if bytes.is_empty() => Ok(value),
                _ => Err(Error::decode("what is stored of the record is not of this type")),
            },
        }
    }
}

impl<F: Clone, T> Clone for Processed<F, T> {
    fn clone(&self) -> Self {
        Processed::new(self.function.clone())
    }
}

impl<F, T> fmt::Debug for Processed<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processed").finish_non_exhaustive()
    }
}
