//! The commands that messages suggest restore the CAR.

use std::process::{Command, Stdio};

use carwalk_testkit::repo::{Order, Repo};
use data_encoding::{
    BASE64, BASE64_MIME, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXUPPER,
};

use crate::compressed::gzip;
use crate::harness::{TempCar, each_way};

/// CARs of any length modulo 3, so that base64 has every padding. The last is longer than what
/// messages look at.
fn cars() -> impl Iterator<Item = Vec<u8>> {
    let short = ["a", "aa", "aaa"]
        .map(|name| Repo::sample([format!("com.example.test/{name}")]).to_bytes(Order::Preorder));
    short.into_iter().chain([long()])
}

fn long() -> Vec<u8> {
    let paths = (0..300).map(|number| format!("com.example.test/{number:03}"));
    Repo::sample(paths).to_bytes(Order::Preorder)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Returns the commands in a message.
fn commands(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// Returns the first tool of a pipeline that is not installed.
fn missing_tool(script: &str) -> Option<&str> {
    let tools = script.split(" | ").filter_map(|command| command.split(' ').next());
    tools.into_iter().find(|tool| {
        let found = shell(&format!("command -v {tool}"), b"");
        !found.status.success()
    })
}

fn shell(script: &str, input: &[u8]) -> std::process::Output {
    let file = TempCar::new(input);
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).stdin(std::fs::File::open(file.path()).unwrap());
    shell.stderr(Stdio::piped()).output().unwrap()
}

/// Runs a pipeline on what was saved. It must print the CAR, and nothing else.
#[track_caller]
fn assert_prints(script: &str, saved: &[u8], car: &[u8]) {
    if let Some(tool) = missing_tool(script) {
        eprintln!("skipped: {tool} is not installed");
        return;
    }
    let output = shell(script, saved);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
    assert!(output.status.success() && output.stdout == car, "{script}: {}", output.stdout.len());
}

/// Runs what the message on this input suggests, one after the other.
#[track_caller]
fn assert_restores(saved: &[u8], car: &[u8]) {
    let error = each_way(&["ls"], saved).one_error(3);
    let script = commands(&error).join(" | ");
    assert_ne!(script, "", "{error}");
    assert_prints(&script, saved, car);
}

#[test]
fn hex_text() {
    let car = long();
    let hex = HEXLOWER.encode(&car);
    assert_restores(hex.as_bytes(), &car);
    assert_restores(HEXUPPER.encode(&car).as_bytes(), &car);
    let lines = |len: usize, end: &[u8]| hex.as_bytes().chunks(len).collect::<Vec<_>>().join(end);
    assert_restores(&lines(60, b"\n"), &car);
    assert_restores(&lines(60, b"\r\n"), &car);
    assert_restores(&lines(2, b" "), &car);
    for front in ["0x", "\\x", "\u{feff}", "\u{feff}0x", " \r\n\\x"] {
        assert_restores(format!("{front}{hex}\n").as_bytes(), &car);
    }
    assert_restores(&utf16(&format!("\u{feff}{hex}")), &car);
    assert_restores(&utf16(&hex), &car);
}

#[test]
fn hex_dumps() {
    let car = long();
    for dump in ["xxd", "hexdump -C"] {
        if let Some(tool) = missing_tool(dump) {
            eprintln!("skipped: {tool} is not installed");
            continue;
        }
        let dumped = shell(dump, &car).stdout;
        assert_restores(&dumped, &car);
        assert_restores(&[b"\xef\xbb\xbf", &dumped[..]].concat(), &car);
    }
}

#[test]
fn base64_text() {
    let mut rests: Vec<_> = cars().map(|car| car.len() % 3).collect();
    rests.sort_unstable();
    rests.dedup();
    assert_eq!(rests, [0, 1, 2]);
    for car in cars() {
        for encoding in [BASE64, BASE64_MIME, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD] {
            let text = encoding.encode(&car);
            assert_restores(text.as_bytes(), &car);
            assert_restores(format!("{text}\r\n").as_bytes(), &car);
            assert_restores(format!("\"{text}\"\n").as_bytes(), &car);
            assert_restores(format!("\u{feff}{text}").as_bytes(), &car);
            assert_restores(&utf16(&format!("\u{feff}{text}")), &car);
        }
    }
    assert_restores(BASE64_NOPAD.encode(&gzip(&long())).as_bytes(), &gzip(&long()));
}

#[test]
fn text_layers() {
    let car = long();
    let latin1: String = car.iter().copied().map(char::from).collect();
    assert_restores(latin1.as_bytes(), &car);
    assert_restores(format!("\u{feff}{latin1}").as_bytes(), &car);
    assert_restores(&[b"\xef\xbb\xbf", &car[..]].concat(), &car);
}

#[test]
fn archives() {
    let car = long();
    for tool in ["xz", "bzip2"] {
        if missing_tool(tool).is_none() {
            assert_restores(&shell(&format!("{tool} -c"), &car).stdout, &car);
        }
    }
}

#[test]
fn what_follows_a_car() {
    let car = long();
    for tail in [&b"\n"[..], &[0; 512], b"<html>", &gzip(b"x"), b"\x01\x02\x03"] {
        assert_restores(&[&car[..], tail].concat(), &car);
    }
    let packed = gzip(&car);
    assert_restores(&[&packed[..], &[0; 512]].concat(), &packed);
    let other = Repo::sample(["com.example.test/other"]).to_bytes(Order::Pds);
    let both = [&car[..], &other].concat();
    let error = each_way(&["ls"], &both).one_error(3);
    let commands = commands(&error);
    assert_eq!(commands.len(), 2, "{error}");
    assert_prints(commands[0], &both, &car);
    assert_prints(commands[1], &both, &other);
}
