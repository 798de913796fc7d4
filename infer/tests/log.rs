//! `veraray log`, as a person would use it.
#![allow(missing_docs)]

mod common;

use std::path::{Path, PathBuf};
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

/// Exchanges the log's files for those of another history under the same key.
fn rebuilt(folder: &Path, files: &[&str]) {
    std::fs::remove_dir_all(folder.join("log")).expect("removed");
    let init = [
        "init",
        "log",
        "--origin",
        "log.example/test",
        "--key",
        "key",
    ];
    must(folder, &init);
    if !files.is_empty() {
        append(folder, files);
    }
    must(folder, &["checkpoint", "log", "--key", "key"]);
}

fn append(folder: &Path, files: &[&str]) -> String {
    let flags = ["append", "log", "--action", "received", "--actor", "test"];
    must(folder, &[&flags[..], files].concat())
}

#[test]
fn histories_rebuilt_with_the_key_are_found() {
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
    for (files, finding) in [
        (&["b.png", "a.png", "c.png"][..], "Forked"),
        (&["a.png", "b.png"], "Truncated"),
        (&[], "Truncated"),
        (&["a.png", "a.png", "c.png", "b.png"], "Forked"),
    ] {
        rebuilt(folder, files);
        refused(folder, &verify, 1, finding);
        // Without a checkpoint kept elsewhere nobody can tell: that is what it is for.
        must(folder, &verify[..4]);
    }
    // Under another key altogether.
    std::fs::remove_file(folder.join("key")).expect("removed");
    rebuilt(folder, &["a.png", "b.png", "c.png"]);
    refused(folder, &verify, 1, "Key");
}

#[test]
fn growth_is_proved_between_two_checkpoints() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    append(folder, &["a.png", "b.png"]);
    let new = must(folder, &["checkpoint", "log", "--key", "key"]);
    std::fs::write(folder.join("new"), new).expect("written");
    let prove = ["prove", "log", "--since", "3", "--output", "growth"];
    must(folder, &prove);
    refused(folder, &prove, 2, "--output growth");
    std::fs::rename(folder.join("log"), folder.join("away")).expect("moved");
    let verify = [
        "verify",
        "growth",
        "--vkey",
        "vkey",
        "--remember",
        "checkpoint",
        "--remember",
        "new",
    ];
    let said = must(folder, &verify);
    assert!(
        said.contains("the log of 5 entries extends that of 3"),
        "{said}"
    );
    refused(folder, &verify[..6], 2, "--remember");
    let proof = std::fs::read_to_string(folder.join("growth")).expect("a proof");
    let at = proof.len() - 10;
    let spoilt = if &proof[at..=at] == "A" { "B" } else { "A" };
    std::fs::write(
        folder.join("growth"),
        [&proof[..at], spoilt, &proof[at + 1..]].concat(),
    )
    .expect("written");
    refused(folder, &verify, 1, "not valid");
    std::fs::write(folder.join("growth"), proof.replace("old 3", "old 2")).expect("written");
    refused(folder, &verify, 1, "not valid");
}

#[test]
fn witnesses_cosign_what_extends_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    let make = [
        "witness",
        "--name",
        "witness.example",
        "--key",
        "witness.key",
    ];
    let vkey = must(folder, &make);
    assert_eq!(must(folder, &make), vkey, "the key is kept");
    std::fs::write(folder.join("witness.vkey"), &vkey).expect("written");
    let cosign = [
        "cosign",
        "checkpoint",
        "--vkey",
        "vkey",
        "--key",
        "witness.key",
        "--name",
        "witness.example",
        "--state",
        "seen",
    ];
    let cosigned = must(folder, &cosign);
    std::fs::write(folder.join("cosigned"), cosigned).expect("written");
    let attach = [
        "checkpoint",
        "log",
        "--key",
        "key",
        "--cosignature",
        "cosigned",
        "--witness",
        "witness.vkey",
    ];
    must(folder, &attach);
    must(folder, &["prove", "log", "2", "--output", "proof"]);
    let quorum = |n| {
        [
            "verify",
            "proof",
            "--vkey",
            "vkey",
            "--witness",
            "witness.vkey",
            "--quorum",
            n,
        ]
    };
    let said = must(folder, &quorum("1"));
    assert!(said.contains("1 cosignatures"), "{said}");
    refused(folder, &quorum("2"), 2, "2 are required");
    // The log's own key is no witness, nor is a witness's key a log's.
    refused(
        folder,
        &["verify", "proof", "--vkey", "vkey", "--witness", "vkey"],
        2,
        "not a witness key",
    );
    refused(
        folder,
        &["checkpoint", "log", "--key", "witness.key"],
        2,
        "witness.key",
    );

    // The log grows: the witness wants a proof.
    append(folder, &["a.png"]);
    let new = must(folder, &["checkpoint", "log", "--key", "key"]);
    std::fs::write(folder.join("checkpoint"), new).expect("written");
    refused(folder, &cosign, 2, "--proof is needed");
    must(
        folder,
        &["prove", "log", "--since", "3", "--output", "growth"],
    );
    must(folder, &[&cosign[..], &["--proof", "growth"]].concat());
    // Another history of the same size: refused, and what was seen stays.
    rebuilt(folder, &["c.png", "b.png", "a.png", "a.png"]);
    let forked = must(folder, &["checkpoint", "log", "--key", "key"]);
    std::fs::write(folder.join("checkpoint"), forked).expect("written");
    let seen = std::fs::read(folder.join("seen")).expect("a state");
    refused(folder, &cosign, 1, "not cosigned");
    assert_eq!(std::fs::read(folder.join("seen")).expect("a state"), seen);
}

#[test]
fn several_processes_append_side_by_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    let children: Vec<_> = ["a.png", "b.png", "c.png", "a.png"]
        .map(|file| {
            Command::new(env!("CARGO_BIN_EXE_veraray"))
                .current_dir(folder)
                .args([
                    "log", "append", "log", "--action", "received", "--actor", "test",
                ])
                .args([file; 40])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("the program starts")
        })
        .into();
    let mut indexes: Vec<u64> = Vec::new();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).expect("text");
        indexes.extend(text.lines().map(|l| {
            l.split('\t')
                .next()
                .unwrap_or("")
                .parse::<u64>()
                .expect("an index")
        }));
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (3..163).collect::<Vec<_>>());
    let verify = [
        "verify",
        "log",
        "--vkey",
        "vkey",
        "--remember",
        "checkpoint",
    ];
    assert!(must(folder, &verify).contains("163 entries, 3 of them signed"));
}

#[test]
fn a_key_of_openssl_serves_and_rough_handling_is_answered_plainly() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["genpkey", "-algorithm", "ed25519", "-out", "ed.pem"])
        .status();
    assert!(made.is_ok_and(|status| status.success()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(
            folder.join("ed.pem"),
            std::fs::Permissions::from_mode(0o600),
        )
        .expect("set");
    }
    let init = [
        "init",
        "other",
        "--origin",
        "log.example/other",
        "--key",
        "ed.pem",
    ];
    let vkey = must(folder, &init);
    std::fs::write(folder.join("other.vkey"), vkey).expect("written");
    must(
        folder,
        &["append", "other", "--action", "x", "--actor", "y", "a.png"],
    );
    must(folder, &["checkpoint", "other", "--key", "ed.pem"]);
    must(folder, &["verify", "other", "--vkey", "other.vkey"]);

    refused(
        folder,
        &["checkpoint", "log", "--key", "ed.pem"],
        2,
        "key of this log",
    );
    refused(folder, &["verify", "log", "--vkey", "other.vkey"], 1, "Key");
    refused(folder, &["verify", "log", "--vkey", "a.png"], 2, "--vkey");
    refused(folder, &["verify", "log", "--vkey", "."], 2, "--vkey");
    refused(
        folder,
        &["verify", "log", "--vkey", "vkey", "--remember", "a.png"],
        1,
        "a.png",
    );
    refused(
        folder,
        &["verify", "a.png", "--vkey", "vkey"],
        1,
        "not valid",
    );
    refused(folder, &["verify", "gone", "--vkey", "vkey"], 2, "gone");
    refused(
        folder,
        &["append", "gone", "--action", "x", "--actor", "y", "a.png"],
        2,
        "log init",
    );
    refused(
        folder,
        &["append", "a.png", "--action", "x", "--actor", "y", "a.png"],
        2,
        "a.png",
    );
    refused(
        folder,
        &["append", "log", "--action", "x", "--actor", "y", "."],
        2,
        ".",
    );
    refused(
        folder,
        &["append", "log", "--action", "", "--actor", "y", "a.png"],
        2,
        "action",
    );
    refused(
        folder,
        &[
            "append", "log", "--action", "x", "--actor", "y", "--parent", "9", "a.png",
        ],
        2,
        "9",
    );
    refused(folder, &["prove", "log", "99"], 2, "99");
    refused(
        folder,
        &["init", "new", "--origin", "a b", "--key", "new.key"],
        2,
        "--origin",
    );
    assert!(
        !folder.join("new.key").exists(),
        "no key for a log that was not made"
    );
    refused(
        folder,
        &[
            "init",
            "log",
            "--origin",
            "log.example/x",
            "--key",
            "new.key",
        ],
        2,
        "already holds a log",
    );
    assert!(!folder.join("new.key").exists());
    refused(
        folder,
        &["init", "new", "--origin", "x", "--key", "no/such/key"],
        2,
        "--key no/such/key",
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder.join("key"), std::fs::Permissions::from_mode(0o644))
            .expect("set");
        refused(
            folder,
            &["checkpoint", "log", "--key", "key"],
            2,
            "chmod 600",
        );
    }
}

#[test]
fn an_entry_binds_pixels_that_survive_recompression() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    logged(folder);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/CT_small.dcm");
    std::fs::copy(sample, folder.join("ct.dcm")).expect("the sample");
    let compress = Command::new("dcmcrle")
        .current_dir(folder)
        .args(["ct.dcm", "rle.dcm"])
        .status();
    if !compress.is_ok_and(|status| status.success()) {
        assert_ne!(
            std::env::var("VERARAY_THIRD_PARTY").as_deref(),
            Ok("required")
        );
        return;
    }
    append(folder, &["ct.dcm"]);
    let transcoded = [
        "append",
        "log",
        "--action",
        "transcoded",
        "--actor",
        "test",
        "--parent",
        "3",
        "rle.dcm",
    ];
    must(folder, &transcoded);
    must(folder, &["checkpoint", "log", "--key", "key"]);
    let entry = |index: &str| -> serde_json::Value {
        must(
            folder,
            &["prove", "log", index, "--output", &format!("{index}.proof")],
        );
        let said = must(
            folder,
            &["verify", &format!("{index}.proof"), "--vkey", "vkey"],
        );
        serde_json::from_str(said.split_once('\n').expect("an entry").1).expect("JSON")
    };
    let (before, after) = (entry("3"), entry("4"));
    assert_eq!(before["pixel_sha256"], after["pixel_sha256"]);
    assert_ne!(before["file_sha256"], after["file_sha256"]);
    assert_eq!(before["sop_instance_uid"], after["sop_instance_uid"]);
    assert_eq!(after["parent"]["index"], 3);
}

/// Every entry of the log in `log`, as proofs show them.
fn entries(folder: &Path, count: usize) -> Vec<serde_json::Value> {
    must(folder, &["checkpoint", "log", "--key", "key"]);
    let entry = |index: usize| {
        let proof = folder.join("p");
        let _ = std::fs::remove_file(&proof);
        must(
            folder,
            &["prove", "log", &index.to_string(), "--output", "p"],
        );
        let said = must(folder, &["verify", "p", "--vkey", "vkey"]);
        serde_json::from_str(said.split_once('\n').expect("an entry").1).expect("JSON")
    };
    (0..count).map(entry).collect()
}

fn size(folder: &Path) -> usize {
    let said = must(folder, &["verify", "log", "--vkey", "vkey"]);
    let number = said.split(' ').nth(1).expect("a number");
    number.parse().expect("a number")
}

/// A bench with an empty log and its key beside it.
fn with_log(images: u32) -> (common::Bench, PathBuf) {
    let bench = common::Bench::flagging();
    for number in 0..images {
        bench.png(&format!("{number:03}.png"), 160, 160);
    }
    let folder = bench.beside("logs");
    std::fs::create_dir(&folder).expect("a folder");
    let init = [
        "init",
        "log",
        "--origin",
        "log.example/scan",
        "--key",
        "key",
    ];
    let vkey = must(&folder, &init);
    std::fs::write(folder.join("vkey"), vkey).expect("written");
    (bench, folder)
}

fn scan(bench: &common::Bench, folder: &Path, more: &[&str]) -> Output {
    bench
        .scan()
        .current_dir(folder)
        .args(["--log", "log", "--log-key", "key", "--quiet"])
        .args(more)
        .arg(bench.input())
        .output()
        .expect("the program starts")
}

#[test]
fn a_scan_logs_every_verdict_with_the_models_hash() {
    let (bench, folder) = with_log(3);
    bench.png("small.png", 16, 16);
    bench.write("bad.dcm", b"no image");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/CT_small.dcm");
    bench.write("ct.dcm", &std::fs::read(sample).expect("the sample"));
    let output = scan(&bench, &folder, &["--format", "jsonl"]);
    assert_eq!(output.status.code(), Some(2), "{}", common::stderr(&output));
    let records = common::records(&output);
    assert_eq!(records.len(), 6, "the bad file stopped no other");
    let judged: Vec<_> = records.iter().filter(|r| r["status"] == "ok").collect();
    let said = must(&folder, &["verify", "log", "--vkey", "vkey"]);
    assert_eq!(said, "valid: 5 entries, 5 of them signed\n");
    for (record, entry) in judged.iter().zip(entries(&folder, 5)) {
        assert_eq!(entry["action"], "scanned");
        assert_eq!(entry["file_sha256"], record["sha256"]);
        assert_eq!(entry["verdict"]["verdict"], record["verdict"]);
        assert_eq!(entry["verdict"]["model_sha256"], record["model"]["sha256"]);
        assert_eq!(
            entry
                .get("sop_instance_uid")
                .unwrap_or(&serde_json::Value::Null),
            &record["sop_instance_uid"]
        );
        let ppm = record["score"].as_f64().map(|score| (score * 1e6).round());
        assert_eq!(
            entry["verdict"]
                .get("score_ppm")
                .and_then(serde_json::Value::as_f64),
            ppm
        );
        assert_eq!(entry["pixel_sha256"].as_str().map(str::len), Some(64));
        assert!(
            entry["actor"]
                .as_str()
                .expect("text")
                .starts_with("veraray ")
        );
    }
    // The same digest of pixels as `log append` gives.
    let flags = ["append", "log", "--action", "received", "--actor", "test"];
    let first = records[0]["path"].as_str().expect("a path");
    must(&folder, &[&flags[..], &[first]].concat());
    let all = entries(&folder, 6);
    assert_eq!(all[5]["pixel_sha256"], all[0]["pixel_sha256"]);
}

#[test]
fn a_resumed_scan_logs_each_verdict_once() {
    let (bench, folder) = with_log(12);
    let out = ["--output", "out.jsonl"];
    scan(&bench, &folder, &out);
    assert_eq!(size(&folder), 12);
    let whole = std::fs::read_to_string(folder.join("out.jsonl")).expect("an output");
    let resume = ["--output", "out.jsonl", "--resume"];
    // As after a crash in between: logged, and not put out.
    for kept in [0, 5, 11] {
        let lines: Vec<&str> = whole.lines().take(kept).collect();
        let cut = lines.join("\n") + if kept == 0 { "" } else { "\n{\"path\":\"torn" };
        std::fs::write(folder.join("out.jsonl"), cut).expect("written");
        scan(&bench, &folder, &resume);
        assert_eq!(size(&folder), 12, "{kept} records were left");
        let again = std::fs::read_to_string(folder.join("out.jsonl")).expect("an output");
        assert_eq!(again.lines().count(), 12);
    }
    // A new run says everything again, and so does the log.
    scan(&bench, &folder, &out);
    assert_eq!(size(&folder), 24);
    // Put out without a log first: resumed with one, the log catches up, once.
    let plain = bench
        .scan()
        .current_dir(&folder)
        .args(out)
        .arg(bench.input())
        .output();
    assert!(plain.is_ok());
    std::fs::remove_file(folder.join("out.jsonl.log-start")).expect("removed");
    let more = bench.png("zzz.png", 160, 160);
    for _ in 0..2 {
        scan(&bench, &folder, &resume);
        assert_eq!(size(&folder), 37);
    }
    std::fs::remove_file(more).expect("removed");
    // Copies of one image under two names are two verdicts.
    let copy = std::fs::read(bench.input().join("000.png")).expect("an image");
    bench.write("copy.png", &copy);
    scan(&bench, &folder, &out);
    assert_eq!(size(&folder), 50);
    let text = std::fs::read_to_string(folder.join("out.jsonl")).expect("an output");
    let short: Vec<&str> = text.lines().take(6).collect();
    std::fs::write(folder.join("out.jsonl"), short.join("\n") + "\n").expect("written");
    scan(&bench, &folder, &resume);
    assert_eq!(size(&folder), 50);
}

#[test]
fn a_killed_scan_that_is_resumed_loses_and_repeats_nothing() {
    let (bench, folder) = with_log(40);
    let mut kills = 0;
    for round in 0..12 {
        let mut resume = vec!["--output", "out.jsonl"];
        if round > 0 {
            resume.push("--resume");
        }
        let mut child = bench
            .scan()
            .current_dir(&folder)
            .args(["--log", "log", "--jobs", "1", "--quiet"])
            .args(&resume)
            .arg(bench.input())
            .spawn()
            .expect("the program starts");
        // From the first moments on: a fast machine is through within some 100 ms.
        std::thread::sleep(std::time::Duration::from_millis(3 + 7 * round));
        if child.try_wait().expect("a child").is_none() {
            child.kill().expect("killed");
            kills += 1;
        }
        let done = child.wait().expect("it ends").code();
        assert_ne!(done, Some(2));
    }
    let last = scan(&bench, &folder, &["--output", "out.jsonl", "--resume"]);
    assert_eq!(last.status.code(), Some(1), "{}", common::stderr(&last));
    let text = std::fs::read_to_string(folder.join("out.jsonl")).expect("an output");
    let mut shas: Vec<String> = text
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).expect("a record");
            record["sha256"].as_str().expect("a digest").to_owned()
        })
        .collect();
    shas.sort();
    shas.dedup();
    assert_eq!((text.lines().count(), shas.len()), (40, 40));
    assert_eq!(size(&folder), 40, "after {kills} kills");
    let mut logged: Vec<String> = entries(&folder, 40)
        .iter()
        .map(|entry| entry["file_sha256"].as_str().expect("a digest").to_owned())
        .collect();
    logged.sort();
    assert_eq!(logged, shas);
    assert!(kills > 0, "nothing was killed");
}

#[test]
fn a_log_that_cannot_be_used_is_named_before_anything_is_written() {
    let (bench, folder) = with_log(1);
    std::fs::write(folder.join("out.jsonl"), "kept\n").expect("written");
    let refused = |more: &[&str], words: &[&str]| {
        let output = bench
            .scan()
            .current_dir(&folder)
            .args(more)
            .args(["--output", "out.jsonl"])
            .arg(bench.input())
            .output()
            .expect("the program starts");
        let said = common::stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "{word} is not in {said}");
        }
        let kept = std::fs::read_to_string(folder.join("out.jsonl")).expect("an output");
        assert_eq!(kept, "kept\n");
    };
    refused(&["--log", "gone"], &["--log gone"]);
    refused(&["--log", "."], &["--log ."]);
    refused(&["--log", "log", "--log-key", "gone"], &["--log-key gone"]);
    refused(&["--log", "log", "--log-key", "vkey"], &["--log-key vkey"]);
    refused(&["--log-key", "key"], &["--log"]);
    let init = [
        "init",
        "other",
        "--origin",
        "log.example/other",
        "--key",
        "other.key",
    ];
    must(&folder, &init);
    refused(&["--log", "log", "--log-key", "other.key"], &["other.key"]);
    // A log inside the folder that is scanned is no input.
    std::fs::rename(folder.join("log"), bench.input().join("log")).expect("moved");
    let output = bench
        .scan()
        .arg("--log")
        .arg(bench.input().join("log"))
        .arg("--output")
        .arg(bench.input().join("out.jsonl"))
        .arg(bench.input())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{}", common::stderr(&output));
    let text = std::fs::read_to_string(bench.input().join("out.jsonl")).expect("an output");
    assert_eq!(text.lines().count(), 1, "{text}");
}
