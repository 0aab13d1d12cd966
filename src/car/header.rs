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
/// There is at least one root. In the export of a repository, the first root is the commit; others
/// have no meaning yet. Header fields other than `roots` and `version` must be canonical DAG-CBOR
/// and are otherwise ignored.
///
/// # Examples
///
/// ```
/// use carwalk::car::{SliceReader, Writer};
/// use carwalk::cid::{Cid, Codec};
///
/// let roots = [b"a", b"b"].map(|block| Cid::of(Codec::DagCbor, block));
/// let car = Writer::new(Vec::new(), &roots)?.finish()?;
/// let sections = SliceReader::new(&car)?;
/// assert_eq!(sections.header().root(), roots[0]);
/// assert_eq!(sections.header().roots(), roots);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    root: Cid,
    roots: Roots,
}

/// The roots. Nearly all CARs have one root, which is stored without an allocation.
#[derive(Clone, PartialEq, Eq)]
enum Roots {
    One([Cid; 1]),
    Many(Vec<Cid>),
}

impl Roots {
    fn as_slice(&self) -> &[Cid] {
        match self {
            Roots::One(root) => root,
            Roots::Many(roots) => roots,
        }
    }
}

/// Writes the first root and the number of roots: there may be thousands.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("root", &self.root)
            .field("roots", &self.roots().len())
            .finish()
    }
}

impl Header {
    /// Creates a header with these roots; `None` if there are none.
    #[cfg(feature = "redb")]
    pub(crate) fn of(roots: Vec<Cid>) -> Option<Self> {
        let root = *roots.first()?;
        let roots = if roots.len() == 1 { Roots::One([root]) } else { Roots::Many(roots) };
        Some(Header { root, roots })
    }

    /// Returns the first root: the commit, if the CAR holds a repository.
    #[must_use]
    pub fn root(&self) -> Cid {
        self.root
    }

    /// Returns the first root as the CID of a commit, whose codec must be dag-cbor.
    pub(crate) fn commit(&self) -> Result<Cid> {
        self.root.into_dag_cbor().map_err(|error| error.in_structure(Structure::Header).at(Some(0)))
    }

    /// Returns all roots, including the first. Never empty.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        self.roots.as_slice()
    }

    /// Parses the header that `bytes`, the start of a CAR, begin with. Returns the header and the
    /// position of its end.
    pub(super) fn look(bytes: &[u8], limits: &Limits) -> Result<Look<(Self, usize)>> {
        Self::look_frame(bytes, limits).map_err(|error| explain(decisive(bytes, limits), error))
    }

    /// Returns the error for a CAR that consists of `bytes`, although its header takes `expected`.
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
        let root = *roots.as_slice().first().ok_or_else(|| Error::malformed(Malformed::NoRoots))?;
        Ok(Header { root, roots })
    }
}

fn parse_roots(cursor: &mut Cursor<'_>) -> Result<Roots> {
    let count = cursor.array()?;
    if count == 1 {
        return Ok(Roots::One([cursor.link()?]));
    }
    let mut roots = Vec::new();
    for _ in 0..count {
        roots.push(cursor.link()?);
    }
    Ok(Roots::Many(roots))
}

fn parse_version(cursor: &mut Cursor<'_>) -> Result<()> {
    let at = cursor.position();
    match cursor.uint()? {
        1 => Ok(()),
        found => Err(Error::malformed(Malformed::CarVersion { found }).within(at)),
    }
}

/// Returns the bytes that may decide the error of an invalid header: its length prefix if that is
/// invalid, otherwise the whole header. Later bytes must not change the error, because how many of
/// them were read depends on the source.
#[cold]
fn decisive<'a>(bytes: &'a [u8], limits: &Limits) -> &'a [u8] {
    let len = match varint::decode(bytes) {
        Ok(Some((len, prefix_len))) if len > u64::from(limits.header_len()) => prefix_len,
        Ok(Some((len, prefix_len))) => {
            usize::try_from(len).map_or(prefix_len, |len| len.saturating_add(prefix_len))
        }
        // None of the recognized formats begins with an invalid varint: one byte is enough.
        _ => 1,
    };
    bytes.get(..len).unwrap_or(bytes)
}
