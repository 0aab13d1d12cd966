//! Values that can be stored in place of a record, and their bytes.
//!
//! Numbers take their width, little-endian. What has a length says it before, as a varint; what has
//! variants says which, in one byte.

use crate::cid::{self, Cid};
use crate::error::{Error, Result};
use crate::varint;

/// Most items of a `Vec` if they take no bytes: else a few bytes could ask for any number of them.
const MAX_EMPTY: usize = 256;

/// A value that can be stored in place of a record.
///
/// Implemented for numbers, booleans, characters, texts, [`Cid`], and for tuples, arrays, `Vec`,
/// `Option`, `Result` and `Box` of these. [`Cbor`] wraps types that `minicbor` can encode, `Dag`
/// (feature `serde`) those that `serde` can serialize.
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
/// # Ok::<(), carwalk::Error>(())
/// ```
pub trait Value: Sized {
    /// Appends the value's bytes.
    ///
    /// # Errors
    ///
    /// `Encode`, made with [`Error::encode`], if the value cannot be encoded. It ends the load. An
    /// error of another kind becomes the source of an `Encode` error.
    fn encode(&self, out: &mut Vec<u8>) -> Result<()>;

    /// Takes a value off the front of `input`. `None` if that is no value of this type. Must not
    /// panic, whatever the bytes are: a file on a disk may have been changed.
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

/// As 64 bits, whatever the machine's width is.
impl Value for usize {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        (*self as u64).encode(out)
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        u64::decode(input)?.try_into().ok()
    }
}

/// As 64 bits, whatever the machine's width is.
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
        if out.len() == start && self.len() > MAX_EMPTY {
            return Err(Error::encode("more than 256 items that take no bytes"));
        }
        Ok(())
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let len = decode_len(input)?;
        if len > input.len().max(MAX_EMPTY) {
            return None;
        }
        // Room is made as items come: what is declared may not be there.
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

/// So a function that fails can say so for each record: the error is a value like any other.
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
            #[allow(non_snake_case, unused_variables, reason = "one name for type and value; the empty tuple has none")]
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

/// A value as CBOR, for types that `minicbor` can encode and decode.
///
/// ```
/// use carwalk::Loader;
/// use carwalk::process::Cbor;
///
/// # let stream: &[u8] = include_bytes!("../../samples/repo.car");
/// let function = |record: &[u8]| Cbor((record.len(), "kept"[..1].to_owned()));
/// let repo = Loader::new().process(function).from_reader(stream)?;
/// for record in repo.records() {
///     let Cbor((len, _)) = record?.into_value();
///     assert!(len > 0);
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is there to be made and taken apart")]
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

/// A value as DAG-CBOR, for types that `serde` can serialize and deserialize.
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
/// // A record that does not decode is an error of its own, and does not end the load.
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
#[expect(clippy::exhaustive_structs, reason = "it is there to be made and taken apart")]
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

pub(crate) fn encode_len(len: usize, out: &mut Vec<u8>) {
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
