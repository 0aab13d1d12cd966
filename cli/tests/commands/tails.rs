//! What follows the last section of a CAR, and CARs that were cut.

use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::step;

use crate::compressed::{gzip, zstd};
use crate::harness::{TempCar, each_way, run_on};

fn car() -> Vec<u8> {
    let paths = (0..3000).map(|number| format!("com.example.test/{number:04}"));
    Repo::sample(paths).to_bytes(Order::Preorder)
}

/// Checks what is said of a CAR with a tail, by commands that refuse it and by one that reads what
/// is before it.
#[track_caller]
fn assert_says(car: &[u8], tail: &[u8], message: &str) {
    let whole = run_on(["ls"], car).quiet_success();
    let (len, bytes) = (car.len(), [car, tail].concat());
    let message = format!("section at byte {len}: {message}");
    for command in [&["ls"][..], &["verify"], &["ls", "--memory-limit=1M"]] {
        let error = each_way(command, &bytes).one_error(3);
        assert_eq!(error, format!("error: standard input: {message}\n"));
    }
    let run = each_way(&["ls", "--partial"], &bytes);
    assert_eq!(run.stderr, format!("damaged from here on: {message}\n"));
    assert_eq!((run.code, run.stdout == whole), (Some(0), true));
}

#[test]
fn zero_padding_is_counted() {
    let car = car();
    let len = car.len();
    for zeros in [1, 2, 511, 512, 70_000, 3 << 20] {
        let bytes = if zeros == 1 { "byte" } else { "bytes" };
        let message = format!(
            "padding of {zeros} zero {bytes} at the end is not part of the CAR; `head -c {len}` \
             removes it"
        );
        assert_says(&car, &vec![0; zeros], &message);
    }
}

#[test]
fn zero_bytes_before_others_were_never_written() {
    let message = "700000 zero bytes stand here, and other bytes after them: a part of the file \
                   was never written; download it again";
    assert_says(&car(), &[&vec![0; 700_000][..], b"x"].concat(), message);
    // A few may be anything.
    let message = format!(
        "16 bytes at the end are not part of the CAR; `head -c {}` removes them",
        car().len()
    );
    assert_says(&car(), &[&[0; 15][..], b"x"].concat(), &message);
    let message = "section length 0 leaves no room for a CID of 36 bytes";
    assert_says(&car(), &[&[0; 15][..], &[b'x'; 99]].concat(), message);
}

#[test]
fn white_space_is_named() {
    let car = car();
    let len = car.len();
    for (tail, what) in [
        (&b"\n"[..], "a newline"),
        (b"\r\n", "a newline"),
        (b"\n\n ", "white space of 3 bytes"),
        (b" ", "white space of 1 byte"),
        (&[b'\n'; 70], "white space of 70 bytes"),
        (&[b' '; 200_000], "white space of 200000 bytes"),
        (b"\n\0\0", "padding of 3 bytes (zeros and white space)"),
        (&[[0; 40], [b'\n'; 40]].concat(), "padding of 80 bytes (zeros and white space)"),
    ] {
        let message =
            format!("{what} at the end is not part of the CAR; `head -c {len}` removes it");
        assert_says(&car, tail, &message);
    }
}

#[test]
fn text_is_named() {
    let car = car();
    let len = car.len();
    let page = "<html><body>\u{e9} \u{1F600} and so on, and so on, and so on, and so on".repeat(99);
    let start = "\"<html><body>\u{e9} \u{1F600} and so on, and so on, an\"..";
    for (tail, text) in [
        ("<html>", "\"<html>\""),
        ("\nx", "\"x\""),
        ("\r\n--boundary--\r\n", "\"--boundary--\""),
        ("404 \u{202e}\"", "\"404 \\u{202e}\\\"\""),
        (&page, start),
    ] {
        let message = format!(
            "text of {} bytes at the end is not part of the CAR: {text}; `head -c {len}` removes \
             it",
            tail.len()
        );
        assert_says(&car, tail.as_bytes(), &message);
    }
}

#[test]
fn compressed_data_is_named() {
    let car = car();
    for (packed, format) in [(gzip(&car), "gzip"), (zstd(&car), "zstd")] {
        let len = car.len();
        let message = format!(
            "{format} data from here on is not part of the CAR; `head -c {len}` removes it"
        );
        assert_says(&car, &packed, &message);
    }
}

#[test]
fn a_few_bytes_that_are_no_section_are_counted() {
    let car = car();
    for (tail, what, are, them) in [
        (&b"\x05"[..], "1 byte", "is", "it"),
        (b"\0\0\0\0\0xx", "7 bytes", "are", "them"),
        (b"\x01\x02\x03", "3 bytes", "are", "them"),
        (&[0x7f; 63], "63 bytes", "are", "them"),
    ] {
        let message = format!(
            "{what} at the end {are} not part of the CAR; `head -c {}` removes {them}",
            car.len()
        );
        assert_says(&car, tail, &message);
    }
}

#[test]
fn a_second_car_is_named() {
    let (car, other) = (car(), Repo::sample(["com.example.test/other"]));
    let (len, next) = (car.len(), car.len() + 1);
    let message = format!(
        "a second CAR begins here: `head -c {len}` is the first, `tail -c +{next}` the second"
    );
    assert_says(&car, &other.to_bytes(Order::Pds), &message);
    assert_says(&car, &car, &message);
    assert_says(&car, &other.to_bytes(Order::Pds)[..20], &message);
    // Without roots its header has 17 bytes.
    assert_says(&car, &carwalk_testkit::car::Car::new(&[]).to_bytes(), &message);
}

#[test]
fn what_follows_in_compressed_input_is_named_too() {
    let car = car();
    let len = car.len();
    for packed in [gzip(&[&car[..], &[0; 512]].concat()), zstd(&[&car[..], &[0; 512]].concat())] {
        let error = each_way(&["ls"], &packed).one_error(3);
        let message = format!(
            "section at byte {len}: padding of 512 zero bytes at the end is not part of the CAR; \
             decompressed, `head -c {len}` removes it"
        );
        assert_eq!(error, format!("error: standard input: {message}\n"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_bomb_of_zeros_is_counted_up_to_the_limit_for_streams_in_bounded_memory() {
    let car = car();
    let bomb = TempCar::new(&[gzip(&car), gzip(&vec![0; 1 << 20]).repeat(1 << 9)].concat());
    let mut tool = crate::harness::tool_within(64 << 10);
    tool.args(["ls", "--max-stream=256M"]).arg(bomb.path());
    let error = crate::harness::run_command(&mut tool).without_waiting().one_error(3);
    let zeros =
        error.split_once(": padding of more than ").unwrap().1.split_once(" zero bytes").unwrap().0;
    assert!((200 << 20..=256 << 20).contains(&zeros.parse::<u64>().unwrap()), "{error}");
    assert!(error.contains(&format!("section at byte {}: ", car.len())), "{error}");
}

#[test]
fn a_cut_download_says_how_much_is_there_and_how_much_is_needed() {
    let car = Repo::sample(["com.example.test/one", "com.example.test/two"]);
    let (offsets, bytes) = (car.to_car(Order::Preorder).offsets(), car.to_bytes(Order::Preorder));
    let says = |place: &str, there: usize, needed: usize| {
        let bytes = if there == 1 { "byte is" } else { "bytes are" };
        format!(
            "error: standard input: {place}: the input ends in the middle: {there} {bytes} \
             there, at least {needed} are needed; the download was probably cut\n"
        )
    };
    for len in (1..bytes.len()).step_by(step(3)) {
        let run = each_way(&["ls"], &bytes[..len]);
        if let Some(begin) = offsets.iter().rfind(|&&offset| offset < len) {
            let end = offsets.iter().find(|&&offset| offset > *begin).copied();
            if len < end.unwrap_or(bytes.len()) {
                let needed = if len == begin + 1 && bytes[*begin] & 0x80 != 0 {
                    // The length is not whole.
                    len + 1
                } else {
                    end.unwrap_or(bytes.len())
                };
                let place = format!("section at byte {begin}");
                assert_eq!(run.one_error(3), says(&place, len, needed));
            }
        } else if len < offsets[0] {
            assert_eq!(run.one_error(3), says("CAR header at byte 0", len, offsets[0]));
        }
    }
    let cut = each_way(&["ls", "--partial"], &bytes[..bytes.len() - 1]);
    assert!(cut.stderr.starts_with("damaged from here on: section at byte "), "{}", cut.stderr);
    let len = bytes.len() - 1;
    assert!(cut.stderr.contains(&format!(": {len} bytes are there, at least {} are", len + 1)));
    // Of compressed data it is the decompressed bytes.
    let error = each_way(&["ls"], &gzip(&bytes[..len])).one_error(3);
    assert!(error.contains(&format!("{len} decompressed bytes are there, at least ")), "{error}");
}
