//! Sections of a CAR, read from a slice and from streams. Their blocks are not parsed.

use std::io::Read;

use carwalk::car::{Reader, SliceReader};
use carwalk::{Cid, Limits, Result};
use carwalk_testkit::readers::OneByte;

/// The result of framing: the roots, the offset, CID and block of each section, and the error that
/// ended it.
#[derive(Debug, PartialEq)]
pub(crate) struct Frames {
    pub(crate) roots: Vec<Cid>,
    pub(crate) sections: Vec<(u64, Cid, Vec<u8>)>,
    pub(crate) error: Option<String>,
}

impl Frames {
    /// Reads a slice.
    pub(crate) fn of_slice(car: &[u8], limits: &Limits) -> Result<Self> {
        let mut reader = SliceReader::with_limits(car, limits.clone())?;
        let mut frames =
            Frames { roots: reader.header().roots().to_vec(), sections: Vec::new(), error: None };
        for section in reader.by_ref() {
            match section {
                Ok(section) => frames.sections.push((
                    section.offset(),
                    section.cid(),
                    section.block().to_vec(),
                )),
                Err(error) => frames.error = Some(crate::common::details(&error)),
            }
        }
        assert!((0..3).all(|_| reader.next().is_none()));
        Ok(frames)
    }

    /// Reads a stream.
    pub(crate) fn of_stream(car: impl Read, limits: &Limits) -> Result<Self> {
        let mut reader = Reader::with_limits(car, limits.clone())?;
        let mut frames =
            Frames { roots: reader.header().roots().to_vec(), sections: Vec::new(), error: None };
        loop {
            match reader.read_section() {
                Ok(Some(section)) => {
                    frames.sections.push((
                        section.offset(),
                        section.cid(),
                        section.block().to_vec(),
                    ));
                }
                Ok(None) => break,
                Err(error) => {
                    frames.error = Some(crate::common::details(&error));
                    break;
                }
            }
        }
        assert!((0..3).all(|_| reader.read_section().unwrap().is_none()));
        Ok(frames)
    }

    /// Reads a slice, and asserts that streams give the same result.
    pub(crate) fn of(car: &[u8], limits: &Limits) -> Result<Self> {
        let by_slice = Self::of_slice(car, limits);
        for by_stream in [Self::of_stream(car, limits), Self::of_stream(OneByte(car), limits)] {
            match (&by_slice, &by_stream) {
                (Ok(slice), Ok(stream)) => assert_eq!(slice, stream),
                (Err(slice), Err(stream)) => {
                    assert_eq!(crate::common::details(slice), crate::common::details(stream));
                }
                _ => panic!("slice: {by_slice:?}, stream: {by_stream:?}"),
            }
        }
        by_slice
    }
}
