//! Process functions, which are applied to each record while loading, and the values they return.
//!
//! [`Loader::process`](crate::Loader::process) sets the function. Its result, a [`Value`], is
//! stored instead of the record, in memory or in a spill file.
//!
//! # Examples
//!
//! ```
//! use carwalk::Loader;
//! use carwalk::minicbor::Decoder;
//!
//! # let stream: &[u8] = include_bytes!("../../samples/repo.car");
//! // Only the number of fields of each record is stored.
//! let fields = |record: &[u8]| Decoder::new(record).map().ok().flatten();
//! let repo = Loader::new().process(fields).from_reader(stream)?;
//! let mut more_than_three = 0;
//! for record in &repo {
//!     if record?.into_value() > Some(3) {
//!         more_than_three += 1;
//!     }
//! }
//! assert_eq!(more_than_three, 14);
//! # Ok::<(), carwalk::Error>(())
//! ```

mod value;

use core::fmt;
use core::marker::PhantomData;

#[cfg(feature = "serde")]
pub use self::value::Dag;
pub use self::value::{Cbor, Value};
use crate::cid::Cid;
use crate::error::{Error, Result, Structure};
use crate::store::{Block, Form};

/// Appends the bytes that are stored instead of a record.
type StoreFn<P> = fn(&P, &[u8], &mut Vec<u8>) -> Result<()>;

/// Whether a repository has its records themselves ([`Keep`]) or processed values ([`Processed`]).
///
/// The type parameter `P` of [`Loader`](crate::Loader), [`Repo`](crate::Repo) and
/// [`Records`](crate::Records). Sealed: there are no other implementations.
///
/// # Examples
///
/// A function over repositories with and without a process function:
///
/// ```
/// use carwalk::store::BlockStore;
/// use carwalk::{Loader, Process, Repo, Result};
///
/// fn paths<S: BlockStore, P: Process>(repo: &Repo<S, P>) -> Result<Vec<String>> {
///     repo.records().map(|record| Ok(record?.path().to_string())).collect()
/// }
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let records = Repo::from_reader(stream)?;
/// let lengths = Loader::new().process(|record| record.len()).from_reader(stream)?;
/// assert_eq!(paths(&records)?, paths(&lengths)?);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub trait Process: sealed::Sealed {
    /// The value of a record from a store whose blocks are `B`: `B` itself, or the type that the
    /// process function returns.
    type Value<B: AsRef<[u8]>>;

    /// Encodes the value of a record. `None` if records are stored themselves.
    #[doc(hidden)]
    const STORE: Option<StoreFn<Self>>;

    /// Returns the value of a record from its stored bytes.
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

/// No process function: records are stored as they are, and the value of a record is its bytes.
///
/// The default of the type parameter `P` of [`Loader`](crate::Loader) and [`Repo`](crate::Repo).
///
/// # Examples
///
/// ```
/// use carwalk::store::MemoryStore;
/// use carwalk::{Keep, Repo};
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// // The full type of a `Repo` without parameters.
/// let repo: Repo<MemoryStore, Keep> = Repo::from_reader(stream)?;
/// let bytes: &[u8] = repo.records().next().unwrap()?.into_value();
/// assert_eq!(bytes.len(), 128);
/// # Ok::<(), carwalk::Error>(())
/// ```
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
                "a processed value instead of a record: open the store with its process function",
            )),
        }
    }
}

/// A process function `F`, and the type `T` of its values. Created by
/// [`Loader::process`](crate::Loader::process).
///
/// # Examples
///
/// A closure has no name. With a function pointer, the type of the repository can be written:
///
/// ```
/// use carwalk::store::MemoryStore;
/// use carwalk::{Loader, Processed, Repo};
///
/// struct Lengths(Repo<MemoryStore, Processed<fn(&[u8]) -> u32, u32>>);
///
/// fn len(record: &[u8]) -> u32 {
///     record.len().try_into().unwrap_or(u32::MAX)
/// }
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let loader = Loader::new().process(len as fn(&[u8]) -> u32);
/// let lengths = Lengths(loader.from_reader(stream)?);
/// assert_eq!(*lengths.0.records().next().unwrap()?.value(), 128);
/// # Ok::<(), carwalk::Error>(())
/// ```
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
                _ => Err(Error::decode(
                    "the stored value is not of the type that the process function returns",
                )),
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
