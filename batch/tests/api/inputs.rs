//! Listing of files, folders and lists.

use std::fs;
use std::io::{self, Read};

use carwalk_batch::{Inputs, ListError};

use crate::common::Folder;

/// The names of the inputs, without that of the folder.
fn names(inputs: &Inputs, folder: &Folder) -> Vec<String> {
    let prefix = format!("{}/", folder.path().display());
    let inputs = inputs.as_slice().iter();
    inputs.map(|input| input.name().strip_prefix(&prefix).unwrap().to_owned()).collect()
}

#[test]
fn folders_have_the_cars_below_them_in_byte_order_of_their_paths() {
    let folder = Folder::new();
    for name in ["b.car", "a/z.car.gz", "a/z.car", "a.car", "B.car", "a/b/c/d.car.zst", "a-.car"] {
        folder.write(name, b"123");
    }
    for other in ["b.cars", "car", "a/b.CAR", "c.car.xz", "d.gz", ".carwalk-abcdef"] {
        folder.write(other, b"123");
    }
    fs::create_dir(folder.path().join("folder.car")).unwrap();
    let mut inputs = Inputs::new();
    inputs.add(folder.path()).unwrap();
    let expected =
        ["B.car", "a-.car", "a.car", "a/b/c/d.car.zst", "a/z.car", "a/z.car.gz", "b.car"];
    assert_eq!(names(&inputs, &folder), expected);
    assert_eq!(inputs.bytes(), 3 * 7);
}

#[test]
fn files_are_taken_whatever_their_names_and_as_often_as_they_are_named() {
    let folder = Folder::new();
    let file = folder.write("some.bin", b"12");
    let mut inputs = Inputs::new();
    inputs.add(&file).unwrap();
    inputs.add(&file).unwrap();
    assert_eq!(names(&inputs, &folder), ["some.bin", "some.bin"]);
}

#[test]
fn a_folder_without_cars_is_refused_by_name() {
    let folder = Folder::new();
    folder.write("sub/readme.txt", b"");
    let error = Inputs::new().add(folder.path()).unwrap_err();
    assert!(matches!(&error, ListError::NoCars { folder: path } if path == folder.path()));
    let expected = format!(
        "no CARs in {:?}: it has no files named *.car, *.car.gz or *.car.zst",
        folder.path()
    );
    assert_eq!(error.to_string(), expected);
    folder.write("sub/repo.car", b"");
    assert!(Inputs::new().add(folder.path()).is_ok());
}

#[test]
fn a_folder_without_cars_does_not_stop_the_others() {
    let folder = Folder::new();
    let file = folder.write("a.car", b"");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let mut inputs = Inputs::new();
    assert!(inputs.check().is_ok());
    inputs.add_one_of(&empty);
    inputs.add_one_of(&empty);
    // Nothing is to be read.
    let error = inputs.check().unwrap_err();
    assert!(matches!(&error, ListError::NoCars { folder } if *folder == empty), "{error}");
    let list = format!("{}\n{}\n", file.display(), empty.display());
    inputs.add_list(list.as_bytes(), "the list").unwrap();
    inputs.check().unwrap();
    assert_eq!(names(&inputs, &folder), ["empty", "empty", "a.car", "empty"]);
    let problem = inputs.as_slice()[0].problem().unwrap();
    assert_eq!(problem.to_string(), "the folder has no CARs");
    assert!(inputs.as_slice()[2].problem().is_none());
}

#[test]
fn a_file_that_is_not_there_is_an_input_with_a_problem() {
    let folder = Folder::new();
    let mut inputs = Inputs::new();
    inputs.add(folder.path().join("none.car")).unwrap();
    let input = &inputs.as_slice()[0];
    assert_eq!(input.problem().unwrap().kind(), io::ErrorKind::NotFound);
    assert_eq!((input.bytes(), input.modified()), (None, None));
}

#[test]
#[cfg(unix)]
fn links_to_files_are_followed_and_links_to_folders_are_not() {
    use std::os::unix::fs::symlink;
    let (folder, other) = (Folder::new(), Folder::new());
    let file = other.write("far.car", b"1234");
    let link = |target: &std::path::Path, name: &str| {
        symlink(target, folder.path().join(name)).unwrap();
    };
    folder.write("a/near.car", b"12");
    link(&file, "link.car");
    link(&file, "link.txt");
    link(other.path(), "folder.car");
    link(folder.path(), "a/loop");
    link("none".as_ref(), "dangling.car");
    let mut inputs = Inputs::new();
    inputs.add(folder.path()).unwrap();
    assert_eq!(names(&inputs, &folder), ["a/near.car", "dangling.car", "link.car"]);
    // Nothing is lost silently.
    assert!(inputs.as_slice()[1].problem().is_some());
    assert_eq!(inputs.as_slice()[2].bytes(), Some(4));
    // A link that is named is followed.
    let mut named = Inputs::new();
    named.add(folder.path().join("folder.car")).unwrap();
    assert_eq!(names(&named, &folder), ["folder.car/far.car"]);
}

#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_read_is_an_input_with_a_problem() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.write("a.car", b"");
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).unwrap();
    // Permissions do not bind the superuser.
    if fs::read_dir(&closed).is_err() {
        let mut inputs = Inputs::new();
        inputs.add(folder.path()).unwrap();
        assert_eq!(names(&inputs, &folder), ["a.car", "closed"]);
        let problem = inputs.as_slice()[1].problem().unwrap();
        assert_eq!(problem.kind(), io::ErrorKind::PermissionDenied);
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn lists_have_one_path_per_line() {
    let folder = Folder::new();
    let paths = ["a.car", "sub/b.car", "c d.car"].map(|name| folder.write(name, b""));
    let [one, two, three] = paths.each_ref().map(|path| path.to_str().unwrap());
    let sub = folder.path().join("sub");
    for list in [
        format!("{three}\n\n{one}\n{}\n", sub.display()),
        format!("{three}\n{one}\n{two}"),
        format!("{three}\r\n\r\n{one}\r\n{two}\r"),
    ] {
        let mut inputs = Inputs::new();
        inputs.add_list(list.as_bytes(), "the list").unwrap();
        assert_eq!(names(&inputs, &folder), ["c d.car", "a.car", "sub/b.car"]);
    }
}

#[test]
fn errors_of_lists_name_the_list_and_the_line() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let error = Inputs::new().add_list(Fails, "\"paths.txt\"").unwrap_err().to_string();
    assert!(error.starts_with("cannot read \"paths.txt\": "), "{error}");
    let error = Inputs::new().add_list(&b"a.car\n-\n"[..], "\"paths.txt\"").unwrap_err();
    let expected = "\"paths.txt\": line 2: standard input cannot be one of several inputs";
    assert_eq!(error.to_string(), expected);
    assert!(Inputs::new().add_list(&b"./-\n"[..], "\"paths.txt\"").is_ok());
    let long = format!("a.car\n{}\n", "x".repeat(1 << 20));
    let error = Inputs::new().add_list(long.as_bytes(), "\"paths.txt\"").unwrap_err();
    assert_eq!(error.to_string(), "\"paths.txt\": line 2: it is too long for a path");
    let most = format!("a.car\n{}\n", "x".repeat((1 << 20) - 1));
    assert!(Inputs::new().add_list(most.as_bytes(), "\"paths.txt\"").is_ok());
}

#[test]
#[cfg(unix)]
fn lists_have_paths_of_any_bytes() {
    let mut inputs = Inputs::new();
    inputs.add_list(&b"no\xff.car\nno\xfe.car\n"[..], "the list").unwrap();
    let names: Vec<_> = inputs.as_slice().iter().map(|input| input.name()).collect();
    assert_eq!(names, ["\"no\\xFF.car\"", "\"no\\xFE.car\""]);
}
