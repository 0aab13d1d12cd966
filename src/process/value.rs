//! Values that can be stored instead of a record, and their encoding.

use crate::cid::{self, Cid};
use crate::error::{Error, Result};
use crate::varint;

/// Maximum length of a `Vec` whose items take no bytes. Otherwise a few stored bytes could declare
/// any number of them.
const MAX_EMPTY: usize = 256;

/// A value that can be stored instead of a record.
///
/// [`Cbor`] wraps types that `minicbor` encodes, and `Dag` (feature `serde`) types that `serde`
/// serializes. The implementations of the library have this encoding:
///
/// | types | stored bytes |
/// |---|---|
/// | numbers | their width, little-endian; `usize` and `isize` take 8 bytes |
/// | `bool` | 1 byte, 0 or 1 |
/// | `char` | 4 bytes, as `u32` |
/// | `String` | the length in bytes as a varint, then UTF-8 |
/// | [`Cid`] | 36 bytes |
/// | `Option`, `Result` | 1 byte, 1 for `Some` and `Ok`; then the content |
/// | `Vec` | the number of items as a varint, then the items |
/// | arrays, tuples of up to 8 parts, `Box` | the parts only |
/// | [`Cbor`] | CBOR |
/// | `Dag` | the length in bytes as a varint, then DAG-CBOR |
///
/// A `Vec` of more than 256 items cannot be encoded if they take fewer bytes than there are items,
/// as items of the type `()` do.
///
/// # Examples
///
/// ```
/// use carwalk::process::Value;
///
/// /// A kind of record, and its length.
/// struct Seen(u8, u32);
///
/// impl Value for Seen {
///     fn encode(&self, out: &mut Vec<u8>) -> carwalk::Result<()> {
///         (self.0, self.1).encode(out)
///     }
///
///     fn decode(input: &mut &[u8]) -> Option<Self> {
///         let (kind, len) = Value::decode(input)?;
///         Some(Seen(kind, len))
///     }
/// }
///
/// let mut out = Vec::new();
/// Seen(1, 512).encode(&mut out)?;
/// assert_eq!(out, [1, 0, 2, 0, 0]);
/// let mut input = &out[..];
/// assert_eq!(Seen::decode(&mut input).map(|seen| seen.1), Some(512));
/// assert!(input.is_empty());
/// # Ok::<(), carwalk::Error>(())
/// ```
pub trait Value: Sized {
    /// Appends the encoded value to `out`.
    ///
    /// # Errors
    ///
    /// `Encode`, created with [`Error::encode`], if the value cannot be encoded. The error ends the
    /// load. An error of another kind becomes the source of an `Encode` error.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::process::Value;
    ///
    /// let mut out = Vec::new();
    /// ("post".to_owned(), Some(7u16)).encode(&mut out)?;
    /// assert_eq!(out, b"\x04post\x01\x07\x00");
    /// assert!(vec![(); 257].encode(&mut out).is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn encode(&self, out: &mut Vec<u8>) -> Result<()>;

    /// Decodes a value from the start of `input`, and advances `input` past it. Returns `None` if
    /// the bytes are not a value of this type.
    ///
    /// Must accept everything that [`encode`](Value::encode) appends, and consume exactly that:
    /// bytes that are left after the value of a record are an error of kind `Decode`. Must not
    /// panic on any input: a file may have changed since it was written.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::process::Value;
    ///
    /// let mut input: &[u8] = b"\x04post\x01\x07\x00";
    /// assert_eq!(String::decode(&mut input).as_deref(), Some("post"));
    /// assert_eq!(Option::<u16>::decode(&mut input), Some(Some(7)));
    /// // Nothing is left.
    /// assert_eq!(bool::decode(&mut input), None);
    /// ```
    fn decode(input: &mut &[u8]) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Value for $number {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
                out.extend_from_slice(&self.to_le_bytes());
                Ok(())
            }

            #[inline]
            fn decode(input: &mut &[u8]) -> Option<Self> {
                Some(Self::from_le_bytes(*take_array(input)?))
            }
        })*
    };
}

numbers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64);

/// Stored as 64 bits on every machine.
impl Value for usize {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        (*self as u64).encode(out)
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        u64::decode(input)?.try_into().ok()
    }
}

/// Stored as 64 bits on every machine.
impl Value for isize {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        (*self as i64).encode(out)
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        i64::decode(input)?.try_into().ok()
    }
}

impl Value for bool {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        u8::from(*self).encode(out)
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        match u8::decode(input)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Value for char {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        u32::from(*self).encode(out)
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        char::from_u32(u32::decode(input)?)
    }
}

impl Value for String {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        encode_len(self.len(), out);
        out.extend_from_slice(self.as_bytes());
        Ok(())
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let len = decode_len(input)?;
        String::from_utf8(take(input, len)?.to_vec()).ok()
    }
}

impl Value for Cid {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(self.as_bytes());
        Ok(())
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        Cid::parse(take(input, cid::LEN)?).ok()
    }
}

impl<T: Value> Value for Box<T> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        (**self).encode(out)
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        T::decode(input).map(Box::new)
    }
}

impl<T: Value> Value for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        encode_len(self.len(), out);
        let start = out.len();
        self.iter().try_for_each(|item| item.encode(out))?;
        let taken = out.len().saturating_sub(start);
        if self.len() > taken.max(MAX_EMPTY) {
            return Err(Error::encode("a list of more than 256 items that take fewer bytes"));
        }
        Ok(())
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let len = decode_len(input)?;
        if len > input.len().max(MAX_EMPTY) {
            return None;
        }
        // Not `with_capacity`: the declared length may exceed the items that follow.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(T::decode(input)?);
        }
        Some(items)
    }
}

impl<T: Value, const N: usize> Value for [T; N] {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.iter().try_for_each(|item| item.encode(out))
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let mut items = Vec::with_capacity(N);
        for _ in 0..N {
            items.push(T::decode(input)?);
        }
        items.try_into().ok()
    }
}

impl<T: Value> Value for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.is_some().encode(out)?;
        self.iter().try_for_each(|value| value.encode(out))
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        if bool::decode(input)? { T::decode(input).map(Some) } else { Some(None) }
    }
}

/// For process functions that can fail: the error is stored as the value of its record.
///
/// # Examples
///
/// ```
/// use carwalk::Loader;
/// use carwalk::minicbor::Decoder;
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// // The number of elements, if a record is an array. None is.
/// let elements = |record: &[u8]| -> Result<Option<u64>, String> {
///     Decoder::new(record).array().map_err(|error| error.to_string())
/// };
/// let repo = Loader::new().process(elements).from_reader(stream)?;
/// let error = repo.records().next().unwrap()?.into_value().unwrap_err();
/// assert!(error.contains("unexpected type map"));
/// # Ok::<(), carwalk::Error>(())
/// ```
impl<T: Value, E: Value> Value for Result<T, E> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.is_ok().encode(out)?;
        match self {
            Ok(value) => value.encode(out),
            Err(error) => error.encode(out),
        }
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        if bool::decode(input)? { T::decode(input).map(Ok) } else { E::decode(input).map(Err) }
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {
        $(impl<$($name: Value),*> Value for ($($name,)*) {
            #[allow(
                non_snake_case,
                unused_variables,
                reason = "one name for type and value; the empty tuple has none"
            )]
            fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
                let ($($name,)*) = self;
                $($name.encode(out)?;)*
                Ok(())
            }

            #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple has no parts")]
            fn decode(input: &mut &[u8]) -> Option<Self> {
                Some(($($name::decode(input)?,)*))
            }
        })*
    };
}

tuples! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
}

/// A value stored as CBOR, for types that [`minicbor`](crate::minicbor) encodes and decodes.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
///
/// use carwalk::Loader;
/// use carwalk::process::Cbor;
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let sizes = |record: &[u8]| Cbor(BTreeMap::from([("bytes".to_owned(), record.len() as u64)]));
/// let repo = Loader::new().process(sizes).from_reader(stream)?;
/// let Cbor(first) = repo.records().next().unwrap()?.into_value();
/// assert_eq!(first["bytes"], 128);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper that callers construct and match")]
pub struct Cbor<T>(pub T);

impl<T> Value for Cbor<T>
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        minicbor::encode(&self.0, out).map_err(|error| Error::encode(error.to_string()))
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let mut decoder = minicbor::Decoder::new(input);
        let value = decoder.decode().ok()?;
        *input = input.get(decoder.position()..)?;
        Some(Cbor(value))
    }
}

/// A value stored as DAG-CBOR after its length, for types that `serde` serializes and deserializes.
///
/// # Examples
///
/// ```
/// use carwalk::Loader;
/// use carwalk::process::Dag;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Row {
///     text: Option<String>,
/// }
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// // A record that does not decode is stored as an error and does not end the load.
/// let row = |record: &[u8]| {
///     carwalk::decode::<Row>(record).map(Dag).map_err(|error| error.to_string())
/// };
/// let repo = Loader::new().process(row).from_reader(stream)?;
/// let mut with_text = 0;
/// for record in &repo {
///     let Dag(row) = record?.into_value()?;
///     with_text += u32::from(row.text.is_some());
/// }
/// assert_eq!(with_text, 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "serde")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper that callers construct and match")]
pub struct Dag<T>(pub T);

#[cfg(feature = "serde")]
impl<T: serde::Serialize + serde::de::DeserializeOwned> Value for Dag<T> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let bytes = serde_ipld_dagcbor::to_vec(&self.0)
            .map_err(|error| Error::encode(error.to_string()))?;
        encode_len(bytes.len(), out);
        out.extend_from_slice(&bytes);
        Ok(())
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let len = decode_len(input)?;
        serde_ipld_dagcbor::from_slice(take(input, len)?).ok().map(Dag)
    }
}

fn encode_len(len: usize, out: &mut Vec<u8>) {
    varint::encode(len as u64, out);
}

fn decode_len(input: &mut &[u8]) -> Option<usize> {
    let (len, read) = varint::decode(input).ok()??;
    *input = input.get(read..)?;
    len.try_into().ok()
}

fn take<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(taken)
}

fn take_array<'a, const N: usize>(input: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(taken)
}
