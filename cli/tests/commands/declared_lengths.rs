//! Declared lengths over a limit: an option is named only if it can help.

use carwalk_testkit::repo::{Order, Repo};
use carwalk_testkit::varint;

use crate::harness::{Run, TempCar, each_way, run_on};

fn car() -> Vec<u8> {
    let paths = (0..200).map(|number| format!("com.example.test/{number:03}"));
    Repo::sample(paths).to_bytes(Order::Preorder)
}

#[track_caller]
fn assert_says(bytes: &[u8], message: &str) {
    let error = each_way(&["ls"], bytes).one_error(3);
    assert_eq!(error, format!("error: standard input: CAR header at byte 0: {message}\n"));
}

/// Runs `ls` with a limit for streams on a pipe, and on a file that is read. Both say the same.
#[track_caller]
fn within(max: &str, bytes: &[u8]) -> Run {
    let limit = format!("--max-stream={max}");
    let file = TempCar::new(bytes);
    let name = format!("{:?}", file.name());
    let read = file.run(&["ls", "--no-mmap", &limit]);
    let piped = run_on(["ls", &limit], bytes);
    assert_eq!(Run { stderr: read.stderr.replace(&name, "standard input"), ..read }, piped);
    piped
}

#[test]
fn a_header_longer_than_the_input_is_not_for_any_limit() {
    let declared = varint::encode(2 << 20);
    let says = |len: usize| {
        format!(
            "header length of 2097152 exceeds the limit of 1048576, and the input has only {len} \
             bytes: this is not a CAR"
        )
    };
    // With the first byte of a map, it may be a CAR.
    let front = [&varint::encode((2 << 20) - 1)[..], b"\xa2eroots"].concat();
    assert_says(
        &front,
        "header length of 2097151 exceeds the limit of 1048576, and the input has only 10 bytes: \
         it was cut, or is damaged; download it again",
    );
    let short = |len: usize| [&declared[..], &vec![0xff; len - declared.len()]].concat();
    for len in [declared.len(), 5000, 2 << 20] {
        assert_says(&short(len), &says(len));
    }
    // One that may be there is.
    let error = each_way(&["ls"], &short((2 << 20) + declared.len())).one_error(3);
    assert_eq!(
        error,
        "error: standard input: CAR header at byte 0: header length of 2097152 exceeds the limit \
         of 1048576 (see --max-header)\n"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn lengths_of_headers_that_no_limit_allows_have_no_option_named() {
    // A file that takes no room on the disk.
    for (len, is_told) in [(u64::from(u32::MAX), true), (u64::from(u32::MAX) + 1, false)] {
        let file = TempCar::new(&varint::encode(len));
        let open = std::fs::OpenOptions::new().write(true).open(file.path()).unwrap();
        open.set_len(5 << 30).unwrap();
        let error = file.run(&["ls"]).one_error(3);
        assert!(error.contains(&format!("header length of {len} exceeds the limit")), "{error}");
        assert_eq!(error.ends_with("(see --max-header)\n"), is_told, "{error}");
    }
}

#[test]
fn a_block_that_is_longer_than_the_input_is_not_a_matter_of_limits() {
    let car = car();
    let len = car.len();
    let assert_says = |tail: &[u8], message: &str| {
        for command in [&["ls"][..], &["verify"], &["ls", "--partial"]] {
            let error = each_way(command, &[&car[..], tail].concat()).one_error(3);
            assert_eq!(error, format!("error: standard input: section at byte {len}: {message}\n"));
        }
    };
    let says = |found: u64, len: usize, remedy: &str| {
        format!(
            "block length of {found} exceeds the limit of 2097152, and the input has only {len} \
             bytes: {remedy}"
        )
    };
    let before = format!("no section begins here; `head -c {len}` prints the bytes before it");
    let tail = b"\xff\xff\xff\x07qqqqqqqqqq";
    assert_says(tail, &says(16_777_179, len + tail.len(), &before));
    let tail = [&b"\xff\xff\xff\x07\x02"[..], &[3; 200_000]].concat();
    assert_says(&tail, &says(16_777_179, len + tail.len(), &before));
    let cut = [&b"\xff\xff\xff\x07\x01\x71\x12\x20"[..], &[3; 200_000]].concat();
    let remedy = "it was cut, or is damaged; download it again";
    assert_says(&cut, &says(16_777_179, len + cut.len(), remedy));
}

#[test]
fn a_length_beyond_the_limit_for_streams_has_that_limit_named() {
    let car = car();
    let len = car.len();
    let block = [&car[..], b"\xff\xff\xff\x07\x01\x71\x12\x20", &[3; 200_000]].concat();
    let error = within("100K", &block).one_error(3);
    let message = format!(
        "error: standard input: section at byte {len}: block length of 16777179 exceeds the limit \
         of 2097152, and --max-stream allows only 102400 bytes: it is damaged, or needs a higher \
         --max-stream\n"
    );
    assert_eq!(error, message);
    let header = [&varint::encode((2 << 20) - 1)[..], b"\xa2eroots", &[3; 200_000]].concat();
    let error = within("100K", &header).one_error(3);
    let message = "error: standard input: CAR header at byte 0: header length of 2097151 exceeds \
                   the limit of 1048576, and --max-stream allows only 102400 bytes: it is damaged, \
                   or needs a higher --max-stream\n";
    assert_eq!(error, message);
    let other = [&varint::encode(2 << 20)[..], &[0xff; 200_000]].concat();
    let error = within("100K", &other).one_error(3);
    assert!(
        error.ends_with(" and --max-stream allows only 102400 bytes: this is not a CAR\n"),
        "{error}"
    );
}

#[test]
fn a_length_that_both_the_input_and_the_limit_for_streams_allow_has_its_own_limit_named() {
    let car = car();
    let block = [&car[..], b"\xff\xff\xff\x01\x01\x71\x12\x20", &vec![3; 4 << 20]].concat();
    for run in [each_way(&["ls"], &block), within("5M", &block)] {
        let error = run.one_error(3);
        assert!(error.ends_with(" exceeds the limit of 2097152 (see --max-block)\n"), "{error}");
    }
}
