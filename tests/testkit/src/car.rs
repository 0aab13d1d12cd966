//! CAR version 1, in parts that tests can change byte by byte.
//!
//! ```text
//! CAR     = header section*
//! header  = varint(length of body) body
//! section = varint(length of CID and data) CID data
//! ```

use crate::cbor::Value;
use crate::cid::Cid;
use crate::rng::Rng;
use crate::varint;

/// A CAR as its parts. [`Car::to_bytes`] writes them one after the other without checking them.
#[derive(Clone, Debug, PartialEq)]
pub struct Car {
    /// The varint before the header.
    pub header_length: Vec<u8>,
    /// The header's CBOR.
    pub header: Vec<u8>,
    /// The sections.
    pub sections: Vec<Section>,
    /// Bytes after the last section.
    pub trailing: Vec<u8>,
}

impl Car {
    /// A CAR without sections.
    pub fn new(roots: &[Cid]) -> Self {
        Self::with_header(header(roots))
    }

    /// A CAR without sections, with any bytes as the header's body.
    pub fn with_header(header: Vec<u8>) -> Self {
        Self {
            header_length: varint::encode(header.len() as u64),
            header,
            sections: Vec::new(),
            trailing: Vec::new(),
        }
    }

    /// Replaces the header's body, and sets the matching length.
    pub fn set_header(&mut self, header: Vec<u8>) {
        self.header_length = varint::encode(header.len() as u64);
        self.header = header;
    }

    /// Adds a block at the end.
    pub fn push(&mut self, cid: Cid, block: &[u8]) {
        self.sections.push(Section::new(cid.as_bytes(), block));
    }

    /// Adds a DAG-CBOR block at the end and returns its CID.
    pub fn push_block(&mut self, block: &[u8]) -> Cid {
        let cid = Cid::dag_cbor(block);
        self.push(cid, block);
        cid
    }

    /// The index of the first section with a CID.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub fn index_of(&self, cid: &Cid) -> usize {
        let index = self.sections.iter().position(|section| section.cid == cid.as_bytes());
        index.unwrap_or_else(|| panic!("no section has the CID {cid}"))
    }

    /// Drops all sections with a CID.
    pub fn remove(&mut self, cid: &Cid) {
        self.sections.retain(|section| section.cid != cid.as_bytes());
    }

    /// Shuffles the sections.
    pub fn shuffle(&mut self, seed: u64) {
        Rng::new(seed).shuffle(&mut self.sections);
    }

    /// The offset of each section in the output.
    pub fn offsets(&self) -> Vec<usize> {
        let mut offset = self.header_length.len() + self.header.len();
        let starts = self.sections.iter().map(|section| {
            let start = offset;
            offset += section.len();
            start
        });
        starts.collect()
    }

    /// The offset of the first section with a CID in the output.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub fn offset_of(&self, cid: &Cid) -> usize {
        self.offsets()[self.index_of(cid)]
    }

    /// The whole CAR.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = [&self.header_length[..], &self.header].concat();
        for section in &self.sections {
            section.write_into(&mut out);
        }
        out.extend_from_slice(&self.trailing);
        out
    }

    /// Parses a well-framed CAR: minimal varints and 36-byte CIDs. Checks neither the header's body
    /// nor the hashes.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (header, mut rest) = split_frame(bytes)?;
        let mut car = Self::with_header(header.to_vec());
        while !rest.is_empty() {
            let (frame, after) = split_frame(rest)?;
            let (cid, data) = frame.split_at_checked(36).ok_or("section shorter than a CID")?;
            let cid = Cid::from_bytes(cid).ok_or("CID of another form")?;
            car.push(cid, data);
            rest = after;
        }
        Ok(car)
    }
}

fn split_frame(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (len, start) = varint::decode(bytes)?;
    let len = usize::try_from(len).map_err(|_| "length beyond memory")?;
    bytes[start..].split_at_checked(len).ok_or("end inside a frame".into())
}

/// A section as its parts, which need not match each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The varint before the section.
    pub length: Vec<u8>,
    /// The CID.
    pub cid: Vec<u8>,
    /// The block.
    pub data: Vec<u8>,
}

impl Section {
    /// A section with the matching length.
    pub fn new(cid: &[u8], data: &[u8]) -> Self {
        let length = varint::encode((cid.len() + data.len()) as u64);
        Self { length, cid: cid.to_vec(), data: data.to_vec() }
    }

    /// The section's length in the output, its varint included.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.length.len() + self.cid.len() + self.data.len()
    }

    /// Sets the length that matches the other parts.
    pub fn fit_length(&mut self) {
        self.length = varint::encode((self.cid.len() + self.data.len()) as u64);
    }

    fn write_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.length);
        out.extend_from_slice(&self.cid);
        out.extend_from_slice(&self.data);
    }
}

/// The body of a version 1 header.
pub fn header(roots: &[Cid]) -> Vec<u8> {
    header_value(roots).encode()
}

/// The body of a version 1 header, as a value that tests can change.
pub fn header_value(roots: &[Cid]) -> Value {
    let roots = roots.iter().copied().map(Value::Link).collect();
    Value::map([("roots", Value::Array(roots)), ("version", Value::Uint(1))])
}

/// One section's bytes.
pub fn section(cid: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Section::new(cid, data).write_into(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_header_is_59_bytes() {
        let car = Car::new(&[Cid::dag_cbor(b"x")]).to_bytes();
        assert_eq!(car.len(), 59);
        assert_eq!(car[..7], *b"\x3a\xa2\x65root");
    }

    #[test]
    fn offsets_point_at_sections() {
        let mut car = Car::new(&[]);
        let small = car.push_block(b"\xf6");
        let large = car.push_block(&[0; 300]);
        let bytes = car.to_bytes();
        assert_eq!(bytes[car.offset_of(&small)], 37);
        assert_eq!(bytes[car.offset_of(&large)..][..2], varint::encode(336));
        assert_eq!(Car::parse(&bytes), Ok(car));
    }
}
