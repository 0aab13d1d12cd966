//! Compressed input: the same output as of what is inside, and damage that is told.

use std::io::Write;
use std::process::Stdio;

use carwalk_testkit::export::Order;
use carwalk_testkit::repo::{self, Repo};
use carwalk_testkit::{car, step, varint};
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::harness::{COMMANDS, Run, TempCar, each_way, export, run_on};

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A zstd frame without checksum whose window has `window` as its descriptor, and one block of the
/// same byte.
fn zstd_run(window: u8, byte: u8, len: u32) -> Vec<u8> {
    let block = (len << 3 | 1 << 1 | 1).to_le_bytes();
    [&b"\x28\xb5\x2f\xfd\0"[..], &[window], &block[..3], &[byte]].concat()
}

/// A skippable frame.
fn skipped(len: u32) -> Vec<u8> {
    [&b"\x5a\x2a\x4d\x18"[..], &len.to_le_bytes(), &vec![7; len as usize]].concat()
}

#[track_caller]
fn assert_says(args: &[&str], bytes: &[u8], message: &str) {
    let error = each_way(args, bytes).one_error(3);
    assert_eq!(error, format!("error: standard input: {message}\n"));
}

#[test]
fn output_is_that_of_what_is_inside() {
    let plain = export(3000, Order::Pds);
    let (front, back) = plain.split_at(plain.len() / 3);
    let packed = [
        gzip(&plain),
        [gzip(front), gzip(b""), gzip(back)].concat(),
        zstd(&plain),
        [skipped(9), zstd(front), skipped(70_000), zstd(back), skipped(0)].concat(),
    ];
    for args in COMMANDS {
        let expected = run_on(args, &plain);
        for packed in &packed {
            for more in [&[][..], &["--memory-limit=100K"], &["--no-mmap"]] {
                assert!(each_way(&[args, more].concat(), packed) == expected, "{args:?} {more:?}");
            }
        }
    }
}

#[test]
fn limits_are_those_of_decompressed_bytes() {
    let plain = export(500, Order::Preorder);
    for packed in [gzip(&plain), zstd(&plain)] {
        let whole = format!("--max-stream={}", plain.len());
        each_way(&["ls", &whole], &packed);
        let less = plain.len() - 1;
        let message = format!("the stream exceeds the limit of {less} bytes (see --max-stream)");
        assert_says(&["ls", &format!("--max-stream={less}")], &packed, &message);
    }
}

#[test]
fn compressed_input_is_kept_as_other_input_is() {
    let plain = export(300, Order::Pds);
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let kept = kept.to_str().unwrap();
    TempCar::new(&gzip(&plain)).run(&["ls", "--keep", kept]).quiet_success();
    let listed = crate::harness::run(["ls", "--kept", kept]);
    assert_eq!(listed, run_on(["ls"], &plain));
}

#[test]
fn cut_anywhere_it_is_never_a_success() {
    let plain = Repo::sample(["com.example.test/one"]).to_bytes(repo::Order::Preorder);
    for (packed, format) in [(gzip(&plain), "gzip"), (zstd(&plain), "zstd")] {
        for len in (4..packed.len()).step_by(step(3)).chain([packed.len() - 1]) {
            let error = run_on(["verify"], &packed[..len]).one_error(3);
            assert!(error.starts_with(&format!("error: standard input: {format} data")), "{error}");
            let end = format!(
                ": the input ends in the middle: {len} compressed bytes are there; the download \
                 was probably cut\n"
            );
            assert!(error.ends_with(&end), "{len}: {error}");
        }
    }
    assert_says(
        &["ls"],
        &gzip(&plain)[..9],
        "gzip data: the input ends in the middle: 9 compressed bytes are there; the download was \
         probably cut",
    );
}

#[test]
fn what_is_there_of_cut_input_is_salvaged() {
    let plain = export(3000, Order::Preorder);
    for packed in [gzip(&plain), zstd(&plain)] {
        let cut = &packed[..packed.len() / 2];
        let listed = each_way(&["ls", "--partial"], cut);
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
        assert!(listed.stdout.lines().count() > 500, "{}", listed.stdout.lines().count());
        let first = listed.stderr.lines().next().unwrap();
        assert!(first.starts_with("damaged from here on: "), "{first}");
        let end = format!(
            ": the input ends in the middle: {} compressed bytes are there; the download was \
             probably cut",
            cut.len()
        );
        assert!(first.ends_with(&end), "{first}");
        // Before the commit there is nothing to salvage.
        let error = each_way(&["inspect"], &packed[..20]).one_error(3);
        assert!(error.contains(" data: the input ends in the middle: 20 "), "{error}");
    }
}

#[test]
fn damage_is_found_by_the_checksum() {
    let plain = export(50, Order::Pds);
    for (packed, sum, format) in [(gzip(&plain), 8, "gzip"), (zstd(&plain), 4, "zstd")] {
        let mut damaged = packed.clone();
        let at = damaged.len() - sum;
        damaged[at] ^= 1;
        let len = plain.len();
        let message = format!(
            "{format} data after {len} decompressed bytes: it is damaged: download it again as \
             binary"
        );
        assert_says(&["verify"], &damaged, &message);
        let run = each_way(&["ls", "--partial"], &damaged);
        assert_eq!(run.stderr, format!("damaged from here on: {message}\n"));
    }
    // The length of a gzip member.
    let mut damaged = gzip(&plain);
    *damaged.last_mut().unwrap() ^= 1;
    let error = each_way(&["ls"], &damaged).one_error(3);
    assert!(error.contains(" decompressed bytes: it is damaged"), "{error}");
}

#[test]
fn what_follows_compressed_data_is_counted() {
    let plain = export(50, Order::Pds);
    let len = plain.len();
    let two = |pack: fn(&[u8]) -> Vec<u8>| [pack(&plain[..99]), pack(&plain[99..])].concat();
    for (packed, format) in [
        (gzip(&plain), "gzip"),
        (two(gzip), "gzip"),
        (zstd(&plain), "zstd"),
        (two(zstd), "zstd"),
        ([zstd(&plain), skipped(9)].concat(), "zstd"),
    ] {
        let end = packed.len();
        for (tail, what, are, them) in [
            (&b"\n"[..], "1 byte", "is", "it"),
            (b"\0", "1 zero byte", "is", "it"),
            (&[0; 512], "512 zero bytes", "are", "them"),
            (&[0; 200_000], "200000 zero bytes", "are", "them"),
            (b"what is this?", "13 bytes", "are", "them"),
            (b"\x1f\x8a", "2 bytes", "are", "them"),
            (b"\x28\xb5\x2f\xfe", "4 bytes", "are", "them"),
        ] {
            let message = format!(
                "{format} data after {len} decompressed bytes: {what} after its end \
                 {are} not part of it; `head -c {end}` removes {them}"
            );
            let bytes = [&packed[..], tail].concat();
            assert_says(&["ls"], &bytes, &message);
            let run = each_way(&["ls", "--partial"], &bytes);
            assert_eq!(run.stderr, format!("damaged from here on: {message}\n"));
            assert_eq!(run.stdout, run_on(["ls"], &plain).stdout);
        }
    }
}

#[test]
fn the_first_bytes_of_another_member_are_a_cut() {
    let plain = export(50, Order::Pds);
    for (packed, magic, format) in [
        (gzip(&plain), &b"\x1f\x8b"[..], "gzip"),
        (zstd(&plain), b"\x28\xb5\x2f\xfd", "zstd"),
        (zstd(&plain), b"\x5f\x2a\x4d\x18", "zstd"),
    ] {
        for more in 1..=magic.len() {
            let bytes = [&packed[..], &magic[..more]].concat();
            let message = format!(
                "{format} data after {} decompressed bytes: the input ends in the middle: {} \
                 compressed bytes are there; the download was probably cut",
                plain.len(),
                bytes.len()
            );
            assert_says(&["ls"], &bytes, &message);
        }
    }
}

#[test]
fn damage_anywhere_is_an_error_and_nothing_worse() {
    let plain = Repo::sample(["com.example.test/one"]).to_bytes(repo::Order::Preorder);
    let sound = run_on(["ls"], &plain).quiet_success();
    for packed in [gzip(&plain), zstd(&plain)] {
        for at in (4..packed.len()).step_by(step(7)) {
            for change in [1, 0x80, 0xff] {
                let mut damaged = packed.clone();
                damaged[at] ^= change;
                let run = run_on(["ls"], &damaged);
                // Some bits are not used, and some data has several encodings: then the bytes of
                // the CAR are the same.
                if run.code == Some(0) {
                    assert_eq!(run.quiet_success(), sound, "{at}");
                    continue;
                }
                // The reader of the CAR may find it first.
                let code = if run.code == Some(4) { 4 } else { 3 };
                assert!(run.one_error(code).contains("standard input: "), "{at}");
            }
        }
    }
}

#[test]
fn large_windows_are_refused_before_memory_is_taken() {
    // 8 MiB, the next larger one, and the largest there is.
    let sound = zstd_run(13 << 3, 0, 100);
    let error = each_way(&["ls"], &sound).one_error(3);
    assert!(error.contains("CAR header"), "{error}");
    let long = ": decompress it first, with `zstd -d --long=31`";
    let longer = ", and the 2147483648 of `zstd -d --long=31`: it is probably damaged; download it \
                  again as binary";
    for (window, bytes, remedy) in [
        (13 << 3 | 1, 9_437_184_u64, long),
        (21 << 3, 2 << 30, long),
        (21 << 3 | 1, 9 << 28, longer),
        (30 << 3 | 7, 2_061_584_302_080, longer),
    ] {
        let message =
            format!("zstd data: a window of {bytes} bytes exceeds the limit of 8388608{remedy}");
        assert_says(&["ls"], &zstd_run(window, 0, 100), &message);
        assert_says(&["inspect"], &zstd_run(window, 0, 100), &message);
    }
    let dictionary = b"\x28\xb5\x2f\xfd\x01\x00\x07\x23\x03\x00\x00";
    assert_says(
        &["ls"],
        dictionary,
        "zstd data: it was compressed with a dictionary: decompress it first, with `zstd -d -D \
         DICTIONARY`",
    );
}

#[test]
fn input_that_is_compressed_twice_is_named() {
    let plain = Repo::sample(["com.example.test/one"]).to_bytes(repo::Order::Preorder);
    for (packed, outer, inner) in [
        (gzip(&gzip(&plain)), "gzip", "gzip"),
        (zstd(&gzip(&plain)), "zstd", "gzip"),
        (gzip(&zstd(&plain)), "gzip", "zstd"),
    ] {
        let message = format!(
            "{outer} data: the input is compressed twice, there is \
             {inner} data inside: decompress it once first, with `{outer} -d`"
        );
        assert_says(&["ls"], &packed, &message);
        assert_says(&["inspect"], &packed, &message);
    }
}

/// Most compressed bytes that are read without content.
const MAX_EMPTY: usize = 16 << 20;

/// A gzip member that has so many deflate blocks without content before those of `bytes`.
fn gzip_with_empty_blocks(count: usize, bytes: &[u8]) -> Vec<u8> {
    let packed = gzip(bytes);
    let (header, rest) = packed.split_at(10);
    [header, &b"\0\0\0\xff\xff".repeat(count), rest].concat()
}

/// A zstd frame that has so many blocks, all without content.
fn zstd_of_empty_blocks(count: usize) -> Vec<u8> {
    let run = zstd_run(0, 0, 0);
    let (header, _) = run.split_at(6);
    [header, &b"\0\0\0".repeat(count - 1), b"\x01\0\0"].concat()
}

#[test]
fn data_without_content_is_not_read_on_and_on() {
    let plain = export(50, Order::Pds);
    let says = |format: &str, decoded: usize, read: usize| {
        let after = if decoded == 0 {
            String::new()
        } else {
            format!(" after {decoded} decompressed bytes")
        };
        format!(
            "{format} data{after}: {read} compressed bytes have next to no content: it is probably \
             damaged; download it again as binary"
        )
    };
    for (format, empty) in [
        ("gzip", gzip_with_empty_blocks(MAX_EMPTY / 5 + 1, b"")),
        ("zstd", zstd_of_empty_blocks(MAX_EMPTY / 3 + 1)),
        ("zstd", skipped(1 << 20).repeat(17)),
        ("zstd", skipped(17 << 20)),
    ] {
        assert_says(&["ls"], &empty, &says(format, 0, MAX_EMPTY));
        // Content allows more, but not without end. It is not salvaged.
        let pack = if format == "gzip" { gzip } else { zstd };
        let (len, packed) = (plain.len(), pack(&plain));
        let bytes = [&packed[..], &empty, &empty].concat();
        let message = says(format, len, MAX_EMPTY + 2 * len);
        assert_says(&["inspect"], &bytes, &message);
    }
}

#[test]
fn some_data_without_content_is_passed_over() {
    let plain = export(50, Order::Pds);
    let listed = run_on(["ls"], &plain);
    let (member, frame) = (gzip(b""), zstd(b""));
    for packed in [
        [member.repeat(1 << 10), gzip(&plain), member.repeat(1 << 10)].concat(),
        gzip_with_empty_blocks(1 << 20, &plain),
        [frame.repeat(1 << 10), zstd(&plain), frame.repeat(1 << 10)].concat(),
        [skipped(15 << 20), zstd(&plain)].concat(),
    ] {
        assert!(each_way(&["ls"], &packed) == listed);
    }
}

#[test]
fn endless_data_without_content_ends() {
    let run = |unit: Vec<u8>| {
        let mut tool = crate::harness::tool();
        tool.arg("ls").stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tool.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let piece = unit.repeat((1 << 16) / unit.len());
        while stdin.write_all(&piece).is_ok() {}
        child.wait_with_output().unwrap()
    };
    for unit in [gzip(b""), zstd(b""), skipped(9)] {
        let output = run(unit);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(" compressed bytes have next to no content: "), "{error}");
        assert_eq!(output.status.code(), Some(3));
    }
}

/// A CAR that goes on for half a GiB, in members or frames of 1 MiB.
fn bombs() -> [Vec<u8>; 2] {
    let repo = Repo::sample(["com.example.test/one"]);
    let front = repo.to_bytes(repo::Order::Preorder);
    let zeros = vec![0; 1 << 20];
    let section = car::section(carwalk_testkit::cid::Cid::raw(&zeros).as_bytes(), &zeros);
    let head = &section[..section.len() - zeros.len()];
    assert_eq!(varint::encode((1 << 20) + 36), head[..3]);
    let runs = zstd_run(8 << 3, 0, 1 << 17).repeat(8);
    [
        [gzip(&front), gzip(&section).repeat(1 << 9)].concat(),
        [zstd(&front), [zstd(head), runs].concat().repeat(1 << 9)].concat(),
    ]
}

#[test]
#[cfg(target_os = "linux")]
fn bombs_stop_at_the_limit_for_streams_in_bounded_memory() {
    for bomb in bombs() {
        assert!(bomb.len() < 3 << 20, "{}", bomb.len());
        let file = TempCar::new(&bomb);
        for (options, kib) in [
            // What the stream may have is in memory.
            (&["--max-stream=64M"][..], 200 << 10),
            // Here it is not. The limit is four times as much memory as there may be.
            (&["--max-stream=200M", "--memory-limit=1M"], 100 << 10),
        ] {
            let mut tool = crate::harness::tool_within(kib);
            let run = crate::harness::run_command(tool.arg("ls").args(options).arg(file.path()));
            let lines = run.stderr.lines().filter(|line| !line.starts_with("warning: the folder"));
            let stderr = lines.map(|line| format!("{line}\n")).collect();
            let error = Run { stderr, ..run }.one_error(3);
            assert!(error.ends_with(" bytes (see --max-stream)\n"), "{error}");
        }
    }
}
