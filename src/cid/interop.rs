//! Conversions into and from the types of the crates `cid` and `multihash`.

use super::{Cid, LEN};
use crate::error::{Error, Malformed, Result};

/// Converts into the type of the crate `cid`, version 0.11.
///
/// # Examples
///
/// ```
/// let text = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
/// let ours: carwalk::Cid = text.parse()?;
/// let theirs = cid::Cid::from(ours);
/// assert_eq!(theirs.to_string(), text);
/// # Ok::<(), carwalk::Error>(())
/// ```
impl From<Cid> for cid::Cid {
    fn from(cid: Cid) -> Self {
        cid::Cid::new_v1(u64::from(cid.codec_byte()), cid.into())
    }
}

/// Converts from the type of the crate `cid`, version 0.11.
///
/// # Examples
///
/// ```
/// let ours = carwalk::Cid::of(carwalk::cid::Codec::Raw, b"hello");
/// let theirs = cid::Cid::from(ours);
/// assert_eq!(carwalk::Cid::try_from(&theirs)?, ours);
///
/// // The same digest with the codec dag-pb.
/// let other = cid::Cid::new_v1(0x70, *theirs.hash());
/// assert!(carwalk::Cid::try_from(&other).is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
impl TryFrom<&cid::Cid> for Cid {
    type Error = Error;

    /// Converts a CID of the one form.
    ///
    /// # Errors
    ///
    /// `Malformed` for another length, version, codec, hash function or digest length. The class is
    /// [`Caller`](crate::ErrorClass::Caller).
    fn try_from(cid: &cid::Cid) -> Result<Self> {
        let mut bytes = [0; 4 * LEN];
        let mut rest = &mut bytes[..];
        let len = cid
            .write_bytes(&mut rest)
            .map_err(|_| Error::malformed(Malformed::CidLen { found: cid.encoded_len() }))?;
        Self::parse(bytes.get(..len).unwrap_or_default())
    }
}

/// Converts from the type of the crate `cid`, version 0.11.
///
/// # Examples
///
/// ```
/// // The CID of a block with the codec dag-pb.
/// let theirs: cid::Cid =
///     "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi".parse().unwrap();
/// let error = carwalk::Cid::try_from(theirs).unwrap_err();
/// assert!(error.to_string().contains("0x70"));
/// ```
impl TryFrom<cid::Cid> for Cid {
    type Error = Error;

    /// Converts a CID of the one form.
    ///
    /// # Errors
    ///
    /// `Malformed` for another length, version, codec, hash function or digest length. The class is
    /// [`Caller`](crate::ErrorClass::Caller).
    fn try_from(cid: cid::Cid) -> Result<Self> {
        Cid::try_from(&cid)
    }
}

/// Converts into the multihash of the block, of the crate `multihash`, version 0.19.
///
/// # Examples
///
/// ```
/// let cid = carwalk::Cid::of(carwalk::cid::Codec::Raw, b"hello");
/// let hash = multihash::Multihash::<64>::from(cid);
/// // 0x12 is SHA-256.
/// assert_eq!((hash.code(), hash.digest()), (0x12, &cid.digest()[..]));
/// ```
impl From<Cid> for multihash::Multihash<64> {
    fn from(cid: Cid) -> Self {
        // A digest of 32 bytes always fits into 64.
        multihash::Multihash::wrap(0x12, cid.digest()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::Codec;

    #[test]
    fn the_cid_crate_agrees() {
        let ours = Cid::of(Codec::DagCbor, b"\xa0");
        let theirs = cid::Cid::from(ours);
        assert_eq!(Cid::try_from(&theirs).unwrap(), ours);
        let foreign = cid::Cid::new_v1(0x70, *theirs.hash());
        assert!(Cid::try_from(&foreign).is_err());
    }
}
