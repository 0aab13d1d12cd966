//! Values that can be stored in place of a record: they come back from their bytes, and any bytes
//! are read without harm.

use crate::common;
use core::fmt::Debug;

use carwalk::cid::Codec;
use carwalk::process::{Cbor, Value};
use carwalk::{Cid, ErrorKind};
use carwalk_testkit::cases;
use carwalk_testkit::rng::Rng;

#[track_caller]
fn encoded<T: Value>(value: &T) -> Vec<u8> {
    let mut out = b"before".to_vec();
    value.encode(&mut out).unwrap();
    assert_eq!(out[..6], *b"before");
    out.split_off(6)
}

/// The value comes back, alone and before others; nothing comes of it cut short.
#[track_caller]
fn comes_back<T: Value + PartialEq + Debug>(value: T) {
    let bytes = encoded(&value);
    let mut input = &bytes[..];
    assert_eq!(T::decode(&mut input).as_ref(), Some(&value));
    assert!(input.is_empty());
    let followed = [&bytes[..], b"after"].concat();
    let mut input = &followed[..];
    assert_eq!(T::decode(&mut input), Some(value));
    assert_eq!(input, b"after");
    for end in (0..bytes.len()).step_by(1 + bytes.len() / 50).chain(bytes.len().checked_sub(1)) {
        assert_eq!(T::decode(&mut &bytes[..end]), None, "cut at {end} of {}", bytes.len());
    }
}

fn text(rng: &mut Rng) -> String {
    let len = rng.below(200);
    (0..len).map(|_| char::from_u32(rng.next_u64() as u32 % 0x11_0000).unwrap_or('x')).collect()
}

fn any_cid(rng: &mut Rng) -> Cid {
    Cid::of(
        if rng.chance(1, 2) { Codec::Raw } else { Codec::DagCbor },
        &rng.next_u64().to_be_bytes(),
    )
}

#[test]
fn values_come_back_from_their_bytes_and_not_from_fewer() {
    for seed in 0..cases(100) {
        let rng = &mut Rng::new(seed);
        let number = rng.next_u64() >> rng.below(64);
        comes_back(number as u8);
        comes_back(number as u16);
        comes_back(number as u32);
        comes_back(number);
        comes_back(u128::from(number) << 60 | 7);
        comes_back(number as i8);
        comes_back(number as i16);
        comes_back(number as i32);
        comes_back(number as i64);
        comes_back(-i128::from(number) << 50);
        comes_back(number as usize);
        comes_back(number as isize);
        comes_back(number & 1 == 0);
        comes_back(char::from_u32(number as u32 % 0x11_0000).unwrap_or('x'));
        comes_back(number as f64 / 3.0);
        comes_back(number as f32 / 3.0);
        comes_back(text(rng));
        comes_back(any_cid(rng));
        comes_back(Box::new(text(rng)));
        comes_back((0..rng.below(20)).map(|_| text(rng)).collect::<Vec<_>>());
        comes_back((0..rng.below(40)).map(|_| Some(any_cid(rng))).collect::<Vec<_>>());
        comes_back([text(rng), text(rng), text(rng)]);
        comes_back(Some(Some(number)));
        comes_back(Some(None::<u64>));
        comes_back(None::<Option<u64>>);
        comes_back(Ok::<u64, String>(number));
        comes_back(Err::<u64, String>(text(rng)));
        comes_back((
            number,
            text(rng),
            any_cid(rng),
            Some(number as i8),
            vec![number],
            [number; 2],
            true,
            'x',
        ));
        comes_back(Cbor((number, text(rng), vec![Some(number)])));
        comes_back(vec![
            (Cbor(text(rng)), Ok::<Cbor<u32>, String>(Cbor(number as u32)));
            rng.below(5)
        ]);
        comes_back(vec![vec![vec![(); rng.below(9)]; rng.below(9)]; rng.below(9)]);
    }
    comes_back(());
    comes_back([0u8; 0]);
    comes_back(((), [(); 3]));
    comes_back(String::new());
    comes_back(vec![(); 256]);
    comes_back(vec![7u8; 200_000]);
    comes_back((u128::MAX, i128::MIN, usize::MAX, isize::MIN));
    for bits in
        [f64::NAN, f64::INFINITY, -0.0, f64::from_bits(0x7ff8_dead_beef_0001)].map(f64::to_bits)
    {
        assert_eq!(f64::decode(&mut &encoded(&f64::from_bits(bits))[..]).unwrap().to_bits(), bits);
    }
}

#[test]
fn more_items_without_bytes_than_could_be_read_back_are_not_stored() {
    let mut out = Vec::new();
    vec![(); 256].encode(&mut out).unwrap();
    let error = vec![(); 257].encode(&mut out).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Encode(_)), "{error}");
    let error = Some(vec![[[0u8; 0]; 2]; 70_000]).encode(&mut out).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Encode(_)), "{error}");
}

#[test]
fn bytes_that_are_no_value_are_none() {
    assert_eq!(bool::decode(&mut &[2][..]), None);
    assert_eq!(Option::<u8>::decode(&mut &[2, 0][..]), None);
    assert_eq!(Result::<u8, u8>::decode(&mut &[0xff, 0][..]), None);
    assert_eq!(char::decode(&mut &0xd800u32.to_le_bytes()[..]), None);
    assert_eq!(char::decode(&mut &0x11_0000u32.to_le_bytes()[..]), None);
    assert_eq!(String::decode(&mut &[1, 0xff][..]), None);
    assert_eq!(String::decode(&mut &[0x81, 0x00, b'x'][..]), None);
    assert_eq!(Cid::decode(&mut &[0; 36][..]), None);
    assert_eq!(
        Vec::<u8>::decode(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..]),
        None
    );
    assert_eq!(
        Vec::<()>::decode(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..]),
        None
    );
    assert_eq!(Vec::<()>::decode(&mut &[0x81, 0x80, 0x04][..]), None);
    assert_eq!(
        Cbor::<Vec<u8>>::decode(&mut &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..]),
        None
    );
    assert_eq!(
        Cbor::<String>::decode(&mut &[0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..]),
        None
    );
}

#[test]
fn any_bytes_are_decoded_without_a_panic_and_what_comes_out_is_a_value() {
    fn decode<T: Value>(bytes: &[u8]) {
        let mut input = bytes;
        if let Some(value) = T::decode(&mut input) {
            // What was taken is what was read, and no more is left than there was.
            assert!(bytes.ends_with(input));
            let mut out = Vec::new();
            let _ = value.encode(&mut out);
        }
    }
    for seed in 0..cases(5_000) {
        let rng = &mut Rng::new(seed);
        let len = rng.below(80);
        let mut bytes = rng.bytes(len);
        // Lengths and variants that say something more often than chance.
        for byte in bytes.iter_mut().take(rng.below(6)) {
            *byte = *rng.pick(&[0, 1, 2, 3, 36, 0x7f, 0x80, 0xff, 0x9b, 0xbb, 0x5b]);
        }
        decode::<(u8, u16, u32, u64, u128, i8, i16, i32)>(&bytes);
        decode::<(i64, i128, usize, isize, f32, f64, bool, char)>(&bytes);
        decode::<String>(&bytes);
        decode::<Vec<String>>(&bytes);
        decode::<Vec<Vec<u16>>>(&bytes);
        decode::<Vec<()>>(&bytes);
        decode::<Vec<Option<Cid>>>(&bytes);
        decode::<[Result<bool, char>; 5]>(&bytes);
        decode::<Box<Option<Result<String, Vec<u8>>>>>(&bytes);
        decode::<common::Summary>(&bytes);
        decode::<Cbor<Vec<String>>>(&bytes);
        decode::<Cbor<(u64, Option<Vec<u8>>, [u16; 3])>>(&bytes);
        decode::<Vec<Cbor<u32>>>(&bytes);
    }
}
