//! Broken frames and lengths: a verdict each, never more, and nothing is allocated for them.

use carwalk_testkit::cbor::Value;
use carwalk_testkit::varint;

use super::{frame, identity, message, varints, verdicts};
use crate::harness::run_on;

#[test]
fn a_stream_that_is_cut_has_the_frames_before_the_cut() {
    let frames = [identity(1), message(0).frame(), identity(2)];
    let (stream, ends) = (varints(&frames), [1, 2, 3].map(|count| varints(&frames[..count]).len()));
    // Every byte of the first frame and of the next length, then some.
    let near = (0..ends[0] + 4).chain(ends[1] - 3..stream.len());
    let cuts = near.chain((ends[0]..ends[1]).step_by(97));
    for cut in cuts {
        let run = run_on(["firehose", "--format", "varint"], &stream[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let is_between = cut == 0 || ends.contains(&cut);
        let mut expected = ["passed", "valid", "passed"][..whole].to_vec();
        if !is_between {
            expected.push("invalid frame");
        }
        assert_eq!(verdicts(&run), expected, "{cut}");
        assert_eq!(run.code, Some(if is_between { 0 } else { 3 }), "{cut}");
    }
    let run = run_on(["firehose"], &stream[..ends[0] + 100]);
    let expected = format!("98 bytes of a frame of {}", frames[1].len());
    assert!(run.stdout.contains(&format!("the input ends after {expected}")), "{run:?}");
}

#[test]
fn a_bad_length_ends_the_reading() {
    let (first, after) = (varints([identity(1)]), varints([identity(2)]));
    let read = |between: &[u8]| run_on(["firehose"], &[&first, between, &after].concat());
    assert_eq!(verdicts(&read(&[])), ["passed", "passed"]);
    for (length, message) in [
        (varint::padded(5, 2), "not in its shortest form"),
        (vec![0xff; 9], "longer than nine bytes"),
    ] {
        let run = read(&length);
        assert_eq!(verdicts(&run), ["passed", "invalid frame"], "{run:?}");
        assert_eq!(run.code, Some(3));
        assert!(run.stdout.contains("frame: length of a frame: "), "{message}: {run:?}");
    }
}

#[test]
fn a_frame_that_is_too_long_is_skipped() {
    let padded = |len: usize| {
        let body = |bytes| frame("#labels", &Value::map([("x", Value::Bytes(vec![0; bytes]))]));
        let rest = body(1 << 20).len() - (1 << 20);
        body(len - rest)
    };
    let (longest, longer) = (padded(5_000_000), padded(5_000_001));
    assert_eq!((longest.len(), longer.len()), (5_000_000, 5_000_001));
    let run = run_on(["firehose"], &varints([longest.clone(), longer.clone(), identity(1)]));
    assert_eq!(verdicts(&run), ["passed", "invalid limit", "passed"]);
    let message = "limit: frame length of 5000001 exceeds the limit of 5000000\n";
    assert!(run.stdout.contains(message), "{run:?}");
    assert_eq!(verdicts(&run_on(["firehose"], &longest)), ["passed"]);
    assert_eq!(verdicts(&run_on(["firehose"], &longer)), ["invalid limit"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_huge_length_takes_no_memory() {
    use crate::harness::tool_within;
    use std::io::Write;
    use std::process::Stdio;

    for length in [(1 << 33) + 5, (1 << 63) - 1] {
        let mut tool = tool_within(400 << 10);
        tool.args(["firehose", "--jobs", "2"]).stdin(Stdio::piped());
        tool.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tool.spawn().unwrap();
        let stream = [varints([identity(1)]), varint::encode(length), vec![0; 1 << 20]].concat();
        child.stdin.take().unwrap().write_all(&stream).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.lines().nth(1).unwrap().contains("\tinvalid\tlimit: "), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}

#[test]
fn a_broken_frame_does_not_end_the_reading() {
    let whole = message(0).frame();
    let nested = frame("#commit", &Value::Raw(vec![0x81; 100_000]));
    let trailing = [&whole[..], &[0]].concat();
    let frames =
        [&[][..], &whole[..whole.len() - 1], &trailing, &nested, b"\xa2{}", &whole, b"{\"a\":1}"];
    let run = run_on(["firehose", "--format", "varint"], &varints(frames));
    let mut expected = ["invalid frame"; 7];
    expected[5] = "valid";
    assert_eq!((run.code, verdicts(&run)), (Some(3), expected.map(str::to_owned).to_vec()));
}

#[test]
fn texts_of_the_sender_are_escaped_and_cut() {
    let mut message = message(0);
    message.did = format!("did:\u{1b}[2J\t\u{202e}{}", "x".repeat(100_000));
    for args in [&["firehose"][..], &["firehose", "--json"]] {
        let run = run_on(args, &message.frame());
        assert_eq!(run.code, Some(3));
        assert!(!run.stdout.contains(['\u{1b}', '\u{202e}']) && run.stdout.len() < 6000, "{run:?}");
    }
    let run = run_on(["firehose"], &message.frame());
    assert_eq!(verdicts(&run), ["invalid field"]);
}
