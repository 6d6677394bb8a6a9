//! Release signatures from a folder, in either layout, and nothing else from the disk.

use std::fs;

use super::*;

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn ask_in(folder: &Path, path: &str) -> Reply {
    let house = serving();
    let door = Door::Main {
        prefix: "/api".to_owned(),
        signatures: Some(folder.to_owned()),
    };
    let request = Request::builder().uri(path).body(()).unwrap();
    door.respond(&request, &house.served, &house.metrics)
}

#[test]
fn signatures_are_served_from_the_layout_of_a_store_and_of_the_reference() {
    for layout in [format!("sha256={DIGEST}"), format!("sha256/{DIGEST}")] {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(layout);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("signature-1"), "signed").unwrap();

        let path = format!("/api/signatures/sha256={DIGEST}/signature-1");
        let first = ask_in(folder.path(), &path);
        let second = ask_in(folder.path(), &path.replace("-1", "-2"));

        assert_eq!(
            (first.status(), text(&first)),
            (200.try_into().unwrap(), "signed".to_owned())
        );
        assert_eq!(second.status(), 404);
        assert!(text(&second).contains("does_not_exist"));
    }
}

#[test]
fn nothing_but_signatures_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(folder.path().join("signature-1"), "secret").unwrap();

    let paths = [
        "/api/signatures/sha256=../signature-1".to_owned(),
        "/api/signatures/sha256=..%2f/signature-1".to_owned(),
        "/api/signatures/../signature-1".to_owned(),
        format!("/api/signatures/md5={DIGEST}/signature-1"),
        format!("/api/signatures/sha256={DIGEST}/../signature-1"),
        format!("/api/signatures/sha256={DIGEST}/signature-0"),
        format!("/api/signatures/sha256={DIGEST}/signature-+1"),
        format!("/api/signatures/sha256={DIGEST}/signature-100"),
        format!(
            "/api/signatures/sha256={}/signature-1",
            DIGEST.to_uppercase()
        ),
        "/api/signatures/".to_owned(),
    ];
    for path in paths {
        let reply = ask_in(&inner, &path);
        assert_eq!(reply.status(), 400, "{path}");
        assert!(text(&reply).contains("invalid_params"), "{path}");
    }
}

#[test]
fn a_file_that_is_too_large_to_be_a_signature_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(format!("sha256={DIGEST}"));
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("signature-1"), vec![0; 51 << 10]).unwrap();

    let reply = ask_in(
        folder.path(),
        &format!("/api/signatures/sha256={DIGEST}/signature-1"),
    );

    assert_eq!(reply.status(), 500);
    assert!(text(&reply).contains("file_open_err"));
}

#[test]
fn without_a_folder_there_are_no_signatures() {
    let reply = get(
        &serving(),
        &format!("/api/signatures/sha256={DIGEST}/signature-1"),
    );

    assert_eq!(reply.status(), 404);
}
