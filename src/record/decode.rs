//! Decoding of records into the caller's types.

use serde::Deserialize;

use super::origin::Origin;
use crate::error::{Error, ErrorKind, Result};

/// Decodes the bytes of a record into `T`, which may borrow texts and byte strings from them.
///
/// For bytes without a [`Record`](crate::Record): those of a lookup, of an
/// [`Event`](crate::mst::Event), or in a process function. A link decodes into a
/// [`Cid`](crate::Cid). Members that `T` does not have are skipped, and their encoding is not
/// checked.
///
/// # Errors
///
/// `Decode`, of the class `Caller`, if the bytes do not fit `T`, if what `T` reads of them is not
/// strict DAG-CBOR, or if bytes follow the record's end. The cause is the error's source.
///
/// # Examples
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Post<'a> {
///     text: &'a str,
/// }
///
/// // {"text": "hello"}
/// let post: Post = carwalk::decode(b"\xa1\x64text\x65hello")?;
/// assert_eq!(post.text, "hello");
/// // A map without `text`.
/// assert!(carwalk::decode::<Post>(b"\xa0").is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
///
/// A blob, with its link:
///
/// ```
/// use carwalk::Cid;
/// use carwalk::cid::Codec;
///
/// #[derive(serde::Deserialize)]
/// struct Blob {
///     #[serde(rename = "ref")]
///     link: Cid,
/// }
///
/// let cid = Cid::of(Codec::Raw, b"a picture");
/// // {"ref": link}
/// let record = [b"\xa1\x63ref\xd8\x2a\x58\x25\x00", &cid.as_bytes()[..]].concat();
/// assert_eq!(carwalk::decode::<Blob>(&record)?.link, cid);
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn decode<'a, T: Deserialize<'a>>(record: &'a [u8]) -> Result<T> {
    decode_of(record, &Origin::default())
}

pub(super) fn decode_of<'a, T: Deserialize<'a>>(
    record: &'a [u8],
    origin: &Origin<'_>,
) -> Result<T> {
    serde_ipld_dagcbor::from_slice(record)
        .map_err(|source| origin.locate(Error::new(ErrorKind::Decode(source.into()))))
}
