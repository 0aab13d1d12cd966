//! The header of a CAR.

use core::fmt;

use super::Look;
use super::look_alike::explain;
use crate::cbor::{Cursor, KeyOrder};
use crate::cid::Cid;
use crate::error::{Error, LimitName, Malformed, Result, Structure};
use crate::limits::Limits;
use crate::varint;

/// The header of a CAR: its roots.
///
/// There is at least one root. The first is the commit of a repository; others have no meaning yet.
/// Header fields that are neither `roots` nor `version` are checked for form and passed over.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    root: Cid,
    roots: Vec<Cid>,
}

/// Without all roots but the first: there may be thousands.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("root", &self.root)
            .field("roots", &self.roots.len())
            .finish()
    }
}

impl Header {
    /// A header with these roots; `None` without any.
    #[cfg(feature = "redb")]
    pub(crate) fn of(roots: Vec<Cid>) -> Option<Self> {
        Some(Header { root: *roots.first()?, roots })
    }

    /// The first root: the commit, if the CAR holds a repository.
    #[must_use]
    pub fn root(&self) -> Cid {
        self.root
    }

    /// The first root as the CID of a commit, which must be one of CBOR.
    pub(crate) fn commit(&self) -> Result<Cid> {
        self.root.into_dag_cbor().map_err(|error| error.in_structure(Structure::Header).at(Some(0)))
    }

    /// All roots, the first included.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// Looks for the header that `bytes`, the start of a CAR, begin with, and for the position of
    /// its end.
    pub(super) fn look(bytes: &[u8], limits: &Limits) -> Result<Look<(Self, usize)>> {
        Self::look_frame(bytes, limits).map_err(|error| explain(decisive(bytes, limits), error))
    }

    /// The error for `bytes` that are all there is, though the header takes `expected`.
    pub(super) fn cut_short(bytes: &[u8], expected: u64) -> Error {
        explain(bytes, Error::truncated(expected, bytes.len()))
    }

    fn look_frame(bytes: &[u8], limits: &Limits) -> Result<Look<(Self, usize)>> {
        let Some((len, prefix_len)) = varint::decode(bytes)? else {
            return Ok(Look::Short { expected: (bytes.len() as u64).saturating_add(1) });
        };
        if len == 0 {
            return Err(Error::malformed(Malformed::HeaderEmpty));
        }
        let max = u64::from(limits.header_len());
        if len > max {
            return Err(Error::limit(LimitName::HeaderLen, max, len));
        }
        let expected = len.saturating_add(prefix_len as u64);
        let frame =
            usize::try_from(expected).ok().and_then(|end| Some((bytes.get(prefix_len..end)?, end)));
        match frame {
            Some((frame, end)) => Ok(Look::Whole((Self::parse(frame)?, end))),
            None => Ok(Look::Short { expected }),
        }
    }

    fn parse(frame: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(frame);
        let count = cursor.map()?;
        let mut keys = KeyOrder::default();
        let (mut roots, mut version) = (None, None);
        for _ in 0..count {
            let key = keys.key(&mut cursor)?;
            match key {
                "roots" => roots = Some(parse_roots(&mut cursor)?),
                "version" => version = Some(parse_version(&mut cursor)?),
                _ => cursor.skip()?,
            }
        }
        cursor.end()?;
        version.ok_or_else(|| Error::malformed(Malformed::FieldMissing("version")))?;
        let roots = roots.ok_or_else(|| Error::malformed(Malformed::FieldMissing("roots")))?;
        let root = *roots.first().ok_or_else(|| Error::malformed(Malformed::NoRoots))?;
        Ok(Header { root, roots })
    }
}

fn parse_roots(cursor: &mut Cursor<'_>) -> Result<Vec<Cid>> {
    let count = cursor.array()?;
    let mut roots = Vec::new();
    for _ in 0..count {
        roots.push(cursor.link()?);
    }
    Ok(roots)
}

fn parse_version(cursor: &mut Cursor<'_>) -> Result<()> {
    let at = cursor.position();
    match cursor.uint()? {
        1 => Ok(()),
        found => Err(Error::malformed(Malformed::CarVersion { found }).within(at)),
    }
}

/// The bytes that a header is refused for: its length if that is bad, else all of it. What comes
/// after must not change the error, because how much of it is there depends on who reads.
#[cold]
fn decisive<'a>(bytes: &'a [u8], limits: &Limits) -> &'a [u8] {
    let len = match varint::decode(bytes) {
        Ok(Some((len, prefix_len))) if len > u64::from(limits.header_len()) => prefix_len,
        Ok(Some((len, prefix_len))) => {
            usize::try_from(len).map_or(prefix_len, |len| len.saturating_add(prefix_len))
        }
        // No file that is named begins with a bad number: its first byte is enough.
        _ => 1,
    };
    bytes.get(..len).unwrap_or(bytes)
}
