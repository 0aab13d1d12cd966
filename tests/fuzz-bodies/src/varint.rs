use carwalk::ErrorClass;
use carwalk::varint::{MAX_LEN, decode};
use carwalk_testkit::varint::encode;

/// A varint that decodes has the shortest encoding, and every shorter prefix is incomplete.
/// Incomplete bytes can be completed.
pub fn varint(data: &[u8]) {
    match decode(data) {
        Ok(Some((value, len))) => {
            assert!(len <= MAX_LEN);
            assert_eq!(encode(value), data[..len]);
            for end in 0..len {
                assert_eq!(decode(&data[..end]).unwrap(), None);
            }
            assert_eq!(decode(&data[..len]).unwrap(), Some((value, len)));
        }
        Ok(None) => {
            assert!(data.len() < MAX_LEN && data.iter().all(|byte| byte & 0x80 != 0));
            assert!(decode(&[data, &[1]].concat()).unwrap().is_some());
        }
        Err(error) => {
            assert_eq!(error.class(), ErrorClass::Caller);
            let end = data.iter().position(|byte| byte & 0x80 == 0);
            assert!(end.is_none_or(|end| end >= MAX_LEN || (end > 0 && data[end] == 0)), "{error}");
        }
    }
}
