//! CARs that were written are read back as they were given, whatever the lengths of their parts
//! are.

use std::io::{self, Write};

use carwalk::Cid;
use carwalk::car::{Reader, SliceReader, Writer};
use carwalk::cid::Codec;
use carwalk_testkit::car::Car;
use carwalk_testkit::cases;
use carwalk_testkit::cid::Cid as KitCid;
use carwalk_testkit::random;
use carwalk_testkit::readers::Ragged;
use carwalk_testkit::rng::Rng;

type Block = (Cid, Vec<u8>);

fn block(codec: Codec, bytes: Vec<u8>) -> Block {
    (Cid::of(codec, &bytes), bytes)
}

#[track_caller]
fn written(roots: &[Cid], blocks: &[Block]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), roots).unwrap();
    assert_eq!(writer.sections(), 0);
    for (number, (cid, bytes)) in blocks.iter().enumerate() {
        writer.write(*cid, bytes).unwrap();
        assert_eq!(writer.sections(), number as u64 + 1);
    }
    let len = writer.bytes();
    let car = writer.finish().unwrap();
    assert_eq!(car.len() as u64, len);
    car
}

/// Reads a CAR in each way, and holds it against what was written.
#[track_caller]
fn assert_read_back(car: &[u8], roots: &[Cid], blocks: &[Block]) {
    let sections = SliceReader::new(car).unwrap();
    assert_eq!(sections.header().roots(), roots);
    let found: Vec<Block> =
        sections.map(Result::unwrap).map(|found| (found.cid(), found.block().to_vec())).collect();
    assert!(found == blocks);
    let mut reader = Reader::new(Ragged::new(car, car.len() as u64)).unwrap();
    assert_eq!(reader.header().roots(), roots);
    for expected in blocks {
        let section = reader.read_section().unwrap().unwrap();
        section.verify().unwrap();
        assert!((section.cid(), section.block()) == (expected.0, &expected.1[..]));
    }
    assert!(reader.read_section().unwrap().is_none());
    assert_eq!(reader.position(), car.len() as u64);
}

/// The CAR as the testkit writes it.
fn by_testkit(roots: &[Cid], blocks: &[Block]) -> Vec<u8> {
    let kit = |cid: &Cid| KitCid::from_bytes(cid.as_bytes()).unwrap();
    let mut car = Car::new(&roots.iter().map(kit).collect::<Vec<_>>());
    for (cid, bytes) in blocks {
        car.push(kit(cid), bytes);
    }
    car.to_bytes()
}

/// A section's length takes a byte more from 128, 16,384 and 2,097,152 bytes on, 36 of which are
/// the CID.
#[test]
fn blocks_at_the_borders_of_their_lengths_are_read_back() {
    let lens =
        [0, 1, 2, 90, 91, 92, 93, 16_346, 16_347, 16_348, 16_349, 2_097_115, 2_097_116, 2 << 20];
    let mut blocks = Vec::new();
    for len in lens {
        for codec in [Codec::DagCbor, Codec::Raw] {
            let alone = [block(codec, vec![7; len])];
            let roots = [Cid::of(Codec::DagCbor, b"root")];
            let car = written(&roots, &alone);
            let varint = match len + 36 {
                0..128 => 1,
                128..16_384 => 2,
                16_384..2_097_152 => 3,
                _ => 4,
            };
            assert_eq!(car.len(), 59 + varint + 36 + len, "{len}");
            assert_read_back(&car, &roots, &alone);
            if len < 1 << 20 {
                blocks.extend(alone);
            }
        }
    }
    let roots = [blocks[0].0];
    let car = written(&roots, &blocks);
    assert_eq!(car, by_testkit(&roots, &blocks));
    assert_read_back(&car, &roots, &blocks);
}

#[test]
fn one_root_to_three_hundred_are_read_back() {
    let all: Vec<Cid> =
        (0..300u32).map(|number| Cid::of(Codec::DagCbor, &number.to_be_bytes())).collect();
    let blocks = [block(Codec::Raw, b"block".to_vec())];
    for count in 1..=300 {
        let roots = &all[..count];
        let car = written(roots, &blocks);
        assert_eq!(car, by_testkit(roots, &blocks), "{count}");
        assert_read_back(&car, roots, &blocks);
    }
}

#[test]
fn roots_of_any_number_and_codec_that_headers_may_have_are_read_back() {
    // Two bytes of the array's length, and a header that takes a varint of three bytes.
    for count in [255, 256, 400, 1000, 20_000] {
        let roots = vec![Cid::of(Codec::DagCbor, b"root"); count];
        let car = written(&roots, &[]);
        assert_eq!(car, by_testkit(&roots, &[]), "{count}");
        assert_read_back(&car, &roots, &[]);
    }
    let roots = [
        Cid::of(Codec::DagCbor, b"root"),
        Cid::of(Codec::Raw, b"other"),
        Cid::of(Codec::DagCbor, b"root"),
    ];
    assert_read_back(&written(&roots, &[]), &roots, &[]);
}

/// What belongs into a CAR is the caller's to know: blocks twice, strays, and such as do not have
/// their CID.
#[test]
fn blocks_are_taken_as_they_are() {
    let good = block(Codec::DagCbor, b"good".to_vec());
    let bad = (Cid::of(Codec::DagCbor, b"bad"), b"otherwise".to_vec());
    let blocks = [good.clone(), bad.clone(), good, bad];
    let car = written(&[Cid::of(Codec::DagCbor, b"root")], &blocks);
    let found: Vec<_> = SliceReader::new(&car).unwrap().map(Result::unwrap).collect();
    assert_eq!(found.len(), 4);
    assert_eq!(
        found.iter().map(|section| section.verify().is_ok()).collect::<Vec<_>>(),
        [true, false, true, false]
    );
}

#[test]
fn an_export_read_and_written_again_is_the_same_byte_for_byte() {
    for seed in 0..cases(40) {
        let car = random::repo(seed, 60).car;
        let sections = SliceReader::new(&car).unwrap();
        let mut writer = Writer::new(Vec::new(), sections.header().roots()).unwrap();
        for section in sections {
            let section = section.unwrap();
            // The writer stands where the section that comes next began.
            assert_eq!(writer.bytes(), section.offset());
            writer.write(section.cid(), section.block()).unwrap();
        }
        assert!(writer.finish().unwrap() == car, "seed {seed}");
    }
}

/// Takes little at a time, is interrupted, and says whether it was flushed.
struct RaggedWriter {
    taken: Vec<u8>,
    rng: Rng,
    flushed: bool,
}

impl Write for RaggedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.rng.chance(1, 4) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = bytes.len().min(self.rng.range(1, 20));
        self.taken.extend_from_slice(&bytes[..len]);
        self.flushed = false;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = true;
        Ok(())
    }
}

#[test]
fn an_output_that_takes_little_at_a_time_gets_all_and_is_flushed() {
    let blocks: Vec<_> = (0..20).map(|len| block(Codec::Raw, vec![1; len * 30])).collect();
    let roots = [blocks[3].0];
    let output = RaggedWriter { taken: Vec::new(), rng: Rng::new(1), flushed: false };
    let mut writer = Writer::new(output, &roots).unwrap();
    for (cid, bytes) in &blocks {
        writer.write(*cid, bytes).unwrap();
    }
    let output = writer.finish().unwrap();
    assert!(output.flushed);
    assert_eq!(output.taken, written(&roots, &blocks));
}

/// Room for so many bytes; what is beyond is not taken.
#[test]
fn an_output_without_room_fails_wherever_it_ends() {
    let blocks = [block(Codec::Raw, vec![1; 200]), block(Codec::Raw, Vec::new())];
    let roots = [blocks[0].0];
    let whole = written(&roots, &blocks);
    for room in 0..=whole.len() {
        let mut buffer = vec![0; room];
        let write = |buffer: &mut [u8]| -> io::Result<()> {
            let mut writer = Writer::new(buffer, &roots)?;
            for (cid, bytes) in &blocks {
                let before = writer.sections();
                let result = writer.write(*cid, bytes);
                assert_eq!(writer.sections(), before + u64::from(result.is_ok()));
                result?;
            }
            writer.finish().map(|_| ())
        };
        match write(&mut buffer) {
            Ok(()) => assert_eq!(room, whole.len()),
            Err(error) => {
                assert_eq!((error.kind(), room < whole.len()), (io::ErrorKind::WriteZero, true))
            }
        }
        assert_eq!(buffer, whole[..room]);
    }
}
