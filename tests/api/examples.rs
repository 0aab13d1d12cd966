//! The examples, run.

use std::fs;

use carwalk_testkit::repo::{Order, Repo as KitRepo};

use crate::sample::SAMPLE;

#[cfg(feature = "signature")]
#[allow(dead_code, reason = "the program around it")]
#[path = "../../examples/check_record.rs"]
mod check_record;
#[cfg(feature = "json")]
#[allow(dead_code, reason = "the program around it")]
#[path = "../../examples/export.rs"]
mod export;
#[cfg(feature = "redb")]
#[allow(dead_code, reason = "the program around it")]
#[path = "../../examples/index.rs"]
mod index;
#[allow(dead_code, reason = "the program around it")]
#[path = "../../examples/own_store.rs"]
mod own_store;
#[cfg(feature = "serde")]
#[allow(dead_code, reason = "the program around it")]
#[path = "../../examples/posts.rs"]
mod posts;
#[cfg(feature = "redb")]
#[allow(dead_code, reason = "the program around it")]
#[path = "../../examples/service.rs"]
mod service;
#[allow(dead_code, reason = "the program around it")]
#[path = "../../examples/triage.rs"]
mod triage;

/// What an example prints.
fn printed(
    run: impl FnOnce(&mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<String, String> {
    let mut out = Vec::new();
    run(&mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[cfg(feature = "serde")]
#[test]
fn posts_come_newest_first_and_go_on_after_a_cursor() {
    let page = |cursor| printed(|out| posts::run("samples/repo.car", cursor, out)).unwrap();
    let first = page(None);
    assert_eq!(first.lines().count(), 10);
    assert!(first.starts_with("3l4ozvargq22l  20"), "{first}");
    let last = first.lines().last().unwrap().split("  ").next().unwrap();
    let second = page(Some(last));
    assert_eq!(second.lines().count(), 4);
    assert!(second.lines().next() < first.lines().last());
    assert!(page(Some("2")).is_empty());
}

/// Sends a request to an address, with a body that is said to have so many bytes, and returns the
/// answer.
#[cfg(feature = "redb")]
fn ask(address: std::net::SocketAddr, body: &[u8], len: usize) -> String {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};

    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len}\r\n\r\n").unwrap();
    stream.write_all(body).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Runs a service for so many uploads.
#[cfg(feature = "redb")]
fn with_service(
    service: &service::Service,
    uploads: usize,
    ask_all: impl FnOnce(std::net::SocketAddr),
) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| service::serve(&listener, uploads, service));
        ask_all(listener.local_addr().unwrap());
    });
}

#[cfg(feature = "redb")]
#[test]
fn the_service_answers_uploads_good_and_bad() {
    for (memory_limit, place) in [(8 << 20, "in memory"), (4 << 10, "on disk")] {
        with_service(&service::Service::new(memory_limit, 4 << 30), 4, |address| {
            let good = ask(address, SAMPLE, SAMPLE.len());
            assert!(good.starts_with("HTTP/1.1 200"), "{good}");
            assert!(good.ends_with(&format!("40 records, read {place}\n")), "{good}");
            let cut = ask(address, &SAMPLE[..9000], SAMPLE.len());
            assert!(cut.starts_with("HTTP/1.1 400") && cut.contains("the input ends"), "{cut}");
            let json = ask(address, b"{}", 2);
            assert!(json.starts_with("HTTP/1.1 400") && json.contains("JSON"), "{json}");
            // The client goes away before its request is complete.
            drop(std::net::TcpStream::connect(address).unwrap());
        });
    }
}

/// The file of an upload is bounded, too.
#[cfg(feature = "redb")]
#[test]
fn the_service_refuses_what_takes_too_much_room() {
    let service = service::Service::new(4 << 10, 4 << 10);
    with_service(&service, 1, |address| {
        let refused = ask(address, SAMPLE, SAMPLE.len());
        assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
        assert!(refused.contains("limit of 4096"), "{refused}");
    });
    // In memory it needs no file.
    with_service(&service::Service::new(8 << 20, 0), 1, |address| {
        assert!(ask(address, SAMPLE, SAMPLE.len()).starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn a_store_of_ones_own_has_a_revision_and_what_the_next_one_adds() {
    let (old, new) = (KitRepo::sample(["a.b/c"]), KitRepo::sample(["a.b/c", "a.b/d", "a.b/e"]));
    let old_car = old.to_car(Order::Preorder);
    let mut added = new.to_car(Order::Preorder);
    added
        .sections
        .retain(|section| old_car.sections.iter().all(|earlier| earlier.cid != section.cid));
    assert!(added.sections.len() < new.to_car(Order::Preorder).sections.len());
    let shown = printed(|out| own_store::run(&old_car.to_bytes(), &added.to_bytes(), out)).unwrap();
    let counts: Vec<&str> = shown.lines().filter_map(|line| line.rsplit(": ").next()).collect();
    assert_eq!(counts, ["1 records", "3 records"]);
    // Alone it is a partial repository.
    assert!(printed(|out| own_store::run(&added.to_bytes(), &[], out)).is_err());
}

#[cfg(feature = "json")]
#[test]
fn records_are_exported_as_json_lines() {
    let repo = carwalk::Repo::from_reader(SAMPLE).unwrap();
    let lines = printed(|out| export::records(&repo, out)).unwrap();
    let values: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), 40);
    for (value, record) in values.iter().zip(&repo) {
        let record = record.unwrap();
        assert_eq!(value["path"], record.path().as_str());
        assert_eq!(value["cid"], record.cid().to_string());
        assert_eq!(value["value"]["$type"], record.path().collection());
    }
}

#[cfg(feature = "json")]
#[test]
fn blobs_of_both_forms_are_exported_once_each() {
    use carwalk_testkit::cbor::Value;
    use carwalk_testkit::cid::Cid;
    use carwalk_testkit::repo::Record;

    let (one, two) = (Cid::raw(b"a picture"), Cid::raw(b"an old one"));
    let typed = Value::map_sorted([
        ("$type", Value::text("blob")),
        ("ref", Value::Link(one)),
        ("mimeType", Value::text("image/png")),
        ("size", Value::Uint(1234)),
    ]);
    // Whoever uploads a picture names its type: no line may be broken by it.
    let mime_type = Value::text("image/\tx\n");
    let legacy =
        Value::map_sorted([("cid", Value::text(two.to_string())), ("mimeType", mime_type)]);
    let records = [
        ("a.b/c", Value::map_sorted([("avatar", typed.clone()), ("banner", legacy)])),
        ("a.b/d", Value::map_sorted([("avatar", typed)])),
    ];
    let records = records.map(|(path, value)| (path.into(), Record::new(value.encode())));
    let car = KitRepo::new(records).to_bytes(Order::Preorder);
    let repo = carwalk::Repo::from_reader(&car[..]).unwrap();
    let blobs = printed(|out| export::blobs(&repo, out)).unwrap();
    assert_eq!(blobs, format!("{one}\timage/png\t1234\n{two}\timage/\\tx\\n\t-\n"));
    // The sample has none.
    let repo = carwalk::Repo::from_reader(SAMPLE).unwrap();
    assert_eq!(printed(|out| export::blobs(&repo, out)).unwrap(), "");
}

#[cfg(feature = "redb")]
#[test]
fn an_index_is_made_once_and_opened_without_the_car() {
    let folder = tempfile::tempdir().unwrap();
    let (car, path) = (folder.path().join("repo.car"), folder.path().join("index"));
    fs::write(&car, SAMPLE).unwrap();
    let first = printed(|out| index::run(&car, &path, out)).unwrap();
    assert_eq!(first.lines().count(), 2);
    assert!(first.starts_with("app.bsky.feed.post/3l4ozvargq22l  20"), "{first}");
    fs::remove_file(&car).unwrap();
    assert_eq!(printed(|out| index::run(&car, &path, out)).unwrap(), first);
    fs::write(&path, b"damaged").unwrap();
    assert!(printed(|out| index::run(&car, &path, out)).unwrap_err().contains("spill file"));
}

#[cfg(feature = "signature")]
#[test]
fn an_answer_is_checked_for_account_key_and_path() {
    use carwalk_testkit::sample::signing_key;

    let repo = carwalk::Repo::from_slice(SAMPLE).unwrap();
    let (did, key) = (repo.commit().did(), signing_key().did_key());
    let mut answer = Vec::new();
    let proof = repo.prove().key("app.bsky.actor.profile/self");
    proof.key("app.bsky.actor.profile/selg").write(&mut answer).unwrap();
    let checked = |did: &str, key: &str, path: &str| {
        printed(|out| check_record::run(&answer, did, key, path, out))
    };
    let present = checked(did, &key, "app.bsky.actor.profile/self").unwrap();
    assert!(present.starts_with("at 3l4ozvcohu22l: bafyrei") && present.ends_with("128 bytes\n"));
    let absent = checked(did, &key, "app.bsky.actor.profile/selg").unwrap();
    assert_eq!(absent, "at 3l4ozvcohu22l: there is no such record\n");
    let unknown = checked(did, &key, "app.bsky.graph.follow/3l4ojejn3g22l").unwrap();
    assert!(unknown.starts_with("the answer proves nothing: "), "{unknown}");
    assert!(checked("did:web:example.com", &key, "a.b/c").unwrap_err().contains("expected"));
    assert!(checked(did, "did:key:z", "a.b/c").is_err() && checked(did, &key, "typo").is_err());
}

#[test]
fn each_class_of_error_has_its_advice() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let (mut bad, mut partial) =
        (SAMPLE.to_vec(), KitRepo::sample(["a.b/c"]).to_car(Order::Preorder));
    *bad.last_mut().unwrap() ^= 1;
    partial.sections.pop();
    let paths = [
        file("good", SAMPLE),
        file("bad", &bad),
        file("cut", &SAMPLE[..SAMPLE.len() - 1]),
        file("partial", &partial.to_bytes()),
        folder.path().join("absent").into_os_string().into_string().unwrap(),
    ];
    let shown = printed(|out| triage::run(&paths, out)).unwrap();
    let mut lines = shown.lines();
    let mut next = |expected: &str| {
        let line = lines.next().unwrap();
        assert!(line.starts_with(expected), "{line}");
    };
    next(&format!("{}: 40 records", paths[0]));
    next(&format!("report the server: {:?}: section", paths[1]));
    next(&format!("download again: {:?}: section", paths[2]));
    next("fetch what is missing: ");
    next(&format!("look at this machine: {:?}: reading failed", paths[4]));
}
