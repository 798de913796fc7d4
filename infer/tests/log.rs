//! `veraray log`, as a person would use it.
#![allow(missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veraray"))
        .current_dir(folder)
        .arg("log")
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn must(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

fn refused(folder: &Path, arguments: &[&str], status: i32, words: &str) {
    let output = run(folder, arguments);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    assert!(said.contains(words), "{words} is not in {said}");
}

/// A log of three images, signed; its public key lies in `vkey`.
fn logged(folder: &Path) {
    for (name, shade) in [("a.png", 10), ("b.png", 20), ("c.png", 30)] {
        image::GrayImage::from_pixel(64, 64, image::Luma([shade]))
            .save(folder.join(name))
            .expect("a picture");
    }
    let vkey = must(
        folder,
        &[
            "init",
            "log",
            "--origin",
            "log.example/test",
            "--key",
            "key",
        ],
    );
    std::fs::write(folder.join("vkey"), vkey).expect("written");
    let indexes = must(
        folder,
        &[
            "append", "log", "--action", "received", "--actor", "test", "a.png", "b.png", "c.png",
        ],
    );
    assert_eq!(indexes, "0\ta.png\n1\tb.png\n2\tc.png\n");
    let checkpoint = must(folder, &["checkpoint", "log", "--key", "key"]);
    std::fs::write(folder.join("checkpoint"), checkpoint).expect("written");
}

#[test]
fn a_proof_verifies_without_the_log_and_only_for_its_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    let proof = must(folder, &["prove", "log", "1"]);
    std::fs::write(folder.join("b.tlog-proof"), &proof).expect("written");
    std::fs::rename(folder.join("log"), folder.join("away")).expect("moved");
    let verify = |file| ["verify", "b.tlog-proof", "--vkey", "vkey", "--file", file];
    let said = must(folder, &verify("b.png"));
    assert!(said.contains("valid: entry 1 of 3"), "{said}");
    assert!(said.contains("pixel_sha256"), "{said}");
    refused(folder, &verify("a.png"), 1, "not valid");
    refused(folder, &verify("gone.png"), 2, "gone.png");
    std::fs::write(folder.join("b.tlog-proof"), proof.replacen('A', "B", 1)).expect("written");
    refused(folder, &verify("b.png"), 1, "not valid");
}

#[test]
fn a_rewritten_or_truncated_log_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    let verify = [
        "verify",
        "log",
        "--vkey",
        "vkey",
        "--remember",
        "checkpoint",
    ];
    let said = must(folder, &verify);
    assert!(
        said.contains("valid: 3 entries, 3 of them signed"),
        "{said}"
    );
    let since = must(folder, &["prove", "log", "--since", "1"]);
    assert!(!since.is_empty());
    let tile = folder.join("log/tile/entries/000.p/3");
    let bytes = std::fs::read(&tile).expect("a tile");
    let mut rewritten = bytes.clone();
    let at = rewritten.len() / 2;
    rewritten[at] ^= 1;
    std::fs::write(&tile, &rewritten).expect("written");
    refused(folder, &verify, 1, "not valid");
    std::fs::write(&tile, &bytes[..at]).expect("written");
    refused(folder, &verify, 1, "not valid");
}

#[test]
fn keys_are_private_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = folder
            .join("key")
            .metadata()
            .expect("a key")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let before = std::fs::read(folder.join("key")).expect("a key");
    refused(
        folder,
        &[
            "init",
            "log",
            "--origin",
            "log.example/test",
            "--key",
            "key",
        ],
        2,
        "already holds a log",
    );
    refused(
        folder,
        &[
            "init",
            "other",
            "--origin",
            "log.example/other",
            "--key",
            "key",
        ],
        2,
        "--key",
    );
    assert_eq!(before, std::fs::read(folder.join("key")).expect("a key"));
}

#[test]
fn one_bad_file_loses_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    let output = run(
        folder,
        &[
            "append", "log", "--action", "received", "--actor", "test", "gone.png", "a.png",
        ],
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\ta.png\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("gone.png"));
}
