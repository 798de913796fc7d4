//! Scans of S3-compatible storage, against a server of another maker (moto) filled by another client
//! (boto3).
#![allow(missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use common::{Bench, lines, python, records, stderr, veraray};
use serde_json::{Value, json};

/// A running server; ends with this process, whose pipe it reads.
struct Server {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    http: String,
    https: String,
    certificate: PathBuf,
    _folder: tempfile::TempDir,
}

impl Server {
    /// `None`, and a word on stderr, without Python or moto, unless VERARAY_THIRD_PARTY=required.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let [key, certificate] =
            ["key.pem", "certificate.pem"].map(|name| folder.path().join(name));
        let made = Command::new("openssl")
            .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split(' '))
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status();
        let python = python().filter(|python| {
            let has = Command::new(python)
                .args(["-c", "import moto, boto3, flask"])
                .stderr(Stdio::null())
                .status();
            has.is_ok_and(|status| status.success())
        });
        let (Some(python), true) = (python, made.is_ok_and(|status| status.success())) else {
            assert!(
                std::env::var("VERARAY_THIRD_PARTY").as_deref() != Ok("required"),
                "Python with moto, or openssl, is missing"
            );
            eprintln!("SKIPPED: no Python with moto, or no openssl; give VERARAY_PYTHON");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/s3_server.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(&certificate)
            .arg(&key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let endpoints = answer(&mut answers);
        let url = |name: &str| endpoints[name].as_str().unwrap().to_owned();
        Some(Self {
            http: url("http"),
            https: url("https"),
            child,
            commands,
            answers,
            certificate,
            _folder: folder,
        })
    }

    fn tell(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        answer(&mut self.answers)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server said {line:?}"))
}

/// The server that tests share, each with buckets of its own.
fn shared() -> Option<&'static Mutex<Server>> {
    static SERVER: OnceLock<Option<Mutex<Server>>> = OnceLock::new();
    SERVER
        .get_or_init(|| Server::start().map(Mutex::new))
        .as_ref()
}

fn tell(server: &Mutex<Server>, command: &Value) -> Value {
    server
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .tell(command)
}

fn endpoint(server: &Mutex<Server>) -> String {
    let server = server.lock().unwrap_or_else(PoisonError::into_inner);
    server.http.clone()
}

/// A bench whose input folder is also the bucket `name`.
fn upload(server: &Mutex<Server>, bench: &Bench, name: &str, below: &str, objects: &Value) {
    let folder = bench.input();
    tell(
        server,
        &json!({"bucket": name, "upload": folder, "below": below, "objects": objects}),
    );
}

/// Points a command at the storage, whatever the surroundings say of Amazon's.
fn at(command: &mut Command, endpoint: &str) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
}

fn scan(server: &Mutex<Server>, bench: &Bench, arguments: &[&str]) -> Output {
    let mut command = bench.scan();
    at(&mut command, &endpoint(server));
    command.args(arguments).output().unwrap()
}

/// Scans with a list on standard input.
fn scan_list(server: &Mutex<Server>, bench: &Bench, list: &[&str]) -> Output {
    let mut command = bench.scan();
    at(&mut command, &endpoint(server));
    let mut child = command
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let list = list.join("\n");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(list.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Records by what follows `root` in their paths, which are taken out wherever they stand, without
/// durations.
fn below(found: &[Value], root: &str) -> BTreeMap<String, Value> {
    let entry = |record: &Value| {
        let path = record["path"].as_str().unwrap();
        let name = path.strip_prefix(root).unwrap_or_else(|| panic!("{path}"));
        let text = record.to_string().replace(root, "");
        let mut record: Value = serde_json::from_str(&text).unwrap();
        record.as_object_mut().unwrap().remove("ms");
        (name.to_owned(), record)
    };
    found.iter().map(entry).collect()
}

fn paths(found: &[Value]) -> Vec<&str> {
    found
        .iter()
        .map(|record| record["path"].as_str().unwrap())
        .collect()
}

fn fault<'r>(found: &'r [Value], path: &str) -> (&'r str, &'r str) {
    let mut of_path = found.iter().filter(|record| record["path"] == path);
    let record = of_path.next().unwrap_or_else(|| panic!("no {path}"));
    assert!(of_path.next().is_none(), "{path} twice");
    let text = |key: &str| record["error"][key].as_str().unwrap_or_default();
    (text("kind"), text("message"))
}

#[test]
fn objects_and_file_urls_have_the_records_of_their_files() {
    let Some(server) = shared() else { return };
    let bench = Bench::flagging();
    for (index, name) in ["a.png", "b/c.png", "b/d/ä ö+#?%41.png", "b!.png"]
        .iter()
        .enumerate()
    {
        bench.png(name, 96 + 8 * index as u32, 128);
    }
    bench.write("b/notes.txt", b"no image");
    bench.write("empty.dcm", b"");
    upload(
        server,
        &bench,
        "records",
        "in/",
        &json!({"in/b/": "", "other.png": "x"}),
    );
    let root = format!("{}/", bench.input().display());
    let files = bench.run(&[]);
    let expected = below(&records(&files), &root);
    assert_eq!(expected.len(), 6);

    // As a prefix with and without its end, and object by object from a list.
    for url in ["s3://records/in/", "s3://records/in"] {
        let output = scan(server, &bench, &[url]);
        let found = records(&output);
        assert_eq!(
            below(&found, "s3://records/in/"),
            expected,
            "{}",
            stderr(&output)
        );
        assert_eq!(output.status, files.status);
        // In the order of the bytes of the keys.
        let mut sorted = paths(&found);
        sorted.sort_unstable();
        assert_eq!(paths(&found), sorted);
    }
    let list = [
        "s3://records/in/empty.dcm",
        "s3://records/in/b/",
        "s3://records/in/a.png",
    ];
    let found = records(&scan_list(server, &bench, &list));
    let names = [
        "empty.dcm",
        "b/c.png",
        "b/d/ä ö+#?%41.png",
        "b/notes.txt",
        "a.png",
    ];
    let urls: Vec<String> = names.map(|name| format!("s3://records/in/{name}")).to_vec();
    assert_eq!(paths(&found), urls);

    // One object, and an object that is also a prefix's name.
    let found = records(&scan(server, &bench, &["s3://records/in/a.png"]));
    assert_eq!(paths(&found), ["s3://records/in/a.png"]);

    let url = format!("file://{}", bench.input().display());
    let output = bench.scan().arg(&url).output().unwrap();
    assert_eq!(below(&records(&output), &root), expected);
    assert_eq!(output.status, files.status);
}

#[test]
fn what_cannot_be_had_is_one_record_and_stops_nothing() {
    let Some(server) = shared() else { return };
    let bench = Bench::passing();
    bench.png("a.png", 96, 96);
    bench.png("z.png", 96, 96);
    upload(
        server,
        &bench,
        "faults",
        "",
        &json!({"huge/volume.nii": "", "other/x": "x"}),
    );
    let list = [
        "s3://faults/a.png",
        "s3://faults/missing.png",
        "s3://faults/nothing/here/",
        "s3://faults-of-another/a.png",
        "s3://faults/huge/volume.nii",
        "s3://faults/a//b.png",
        "gs://faults/a.png",
        "file://elsewhere/a.png",
        "s3://",
        "s3://faults/z.png",
    ];
    let output = scan_list(server, &bench, &list);
    let found = records(&output);
    assert_eq!(paths(&found), list, "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(found[0]["status"], "ok");
    assert_eq!(found[9]["status"], "ok");
    for (url, kind, part) in [
        (list[1], "not_found", "no such object"),
        (list[2], "not_found", "none below it"),
        (list[3], "storage", "no such bucket at http://127.0.0.1"),
        (
            list[4],
            "too_large",
            "5368709120 bytes are more than the limit",
        ),
        (list[5], "bad_url", "cannot be read"),
        (
            list[6],
            "bad_url",
            "gs:// is not supported; give a path, file:///PATH or s3://",
        ),
        (list[7], "bad_url", "another machine"),
        (list[8], "bad_url", "s3://BUCKET/PREFIX"),
    ] {
        let (found_kind, message) = fault(&found, url);
        assert_eq!(found_kind, kind, "{url}: {message}");
        assert!(
            message.starts_with(url) && message.contains(part),
            "{message}"
        );
    }
    // As arguments too.
    let output = scan(
        server,
        &bench,
        &[
            "gs://faults/a.png",
            "s3://faults/missing.png",
            "s3://faults/z.png",
        ],
    );
    let statuses: Vec<Value> = records(&output)
        .iter()
        .map(|record| record["status"].clone())
        .collect();
    assert_eq!(statuses, ["error", "error", "ok"]);
}

#[test]
fn a_listing_that_breaks_off_fails_every_shard() {
    let Some(server) = shared() else { return };
    let bench = Bench::passing();
    bench.png("a.png", 96, 96);
    let many: BTreeMap<String, &str> = (0..20)
        .map(|index| (format!("half/{index:02}"), "x"))
        .collect();
    upload(server, &bench, "broken", "", &json!(many));
    for shard in ["1/2", "2/2"] {
        // A wrong bucket: the roots after it are scanned all the same.
        let output = scan(
            server,
            &bench,
            &["s3://nowhere/x/", "s3://broken/a.png", "--shard", shard],
        );
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("s3://nowhere/x/: no such bucket"),
            "{}",
            stderr(&output)
        );
        assert!(
            records(&output)
                .iter()
                .all(|record| record["path"] == "s3://broken/a.png")
        );
        let output = scan(server, &bench, &["s3://broken/half", "--shard", shard]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("s3://broken/half: access denied (AccessDenied)"),
            "{}",
            stderr(&output)
        );
        assert!(records(&output).len() < 20);
    }
}

#[test]
fn shards_and_resumed_runs_fetch_every_object_once() {
    let Some(server) = shared() else { return };
    let bench = Bench::passing();
    for index in 0..23 {
        bench.png(&format!("{:02}/{index:02}.png", index % 5), 64, 64);
    }
    upload(server, &bench, "shards", "", &json!({}));
    let whole = records(&scan(server, &bench, &["s3://shards"]));
    assert_eq!(whole.len(), 23);
    let mut parts = Vec::new();
    for index in 1..=3 {
        let part = bench.beside(&format!("part{index}.parquet"));
        let shard = format!("{index}/3");
        let output = scan(
            server,
            &bench,
            &[
                "s3://shards",
                "--shard",
                &shard,
                "--format",
                "parquet",
                "--output",
                part.to_str().unwrap(),
            ],
        );
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        parts.push(part);
    }
    let merged = bench.beside("merged.jsonl");
    let merge = |parts: &[PathBuf]| {
        let mut command = veraray();
        command
            .args(["audit", "--merge"])
            .args(parts)
            .arg("--output")
            .arg(&merged);
        command.output().unwrap()
    };
    let output = merge(&parts);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(&merged).unwrap();
    let merged_records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        below(&merged_records, "s3://shards/"),
        below(&whole, "s3://shards/")
    );
    assert!(!merge(&parts[..2]).status.success());

    // Cut short in the middle of a line, then resumed.
    upload(server, &bench, "resumed", "", &json!({}));
    let out = bench.beside("out.jsonl");
    let run = |more: &[&str]| {
        let arguments = [&["s3://resumed/", "--output", out.to_str().unwrap()], more].concat();
        let output = scan(server, &bench, &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    };
    run(&[]);
    let text = std::fs::read_to_string(&out).unwrap();
    let kept: usize = text.split_inclusive('\n').take(10).map(str::len).sum();
    std::fs::write(&out, &text[..kept + 20]).unwrap();
    run(&["--resume"]);
    let resumed: Vec<Value> = lines(&std::fs::read(&out).unwrap())
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(paths(&resumed).len(), 23);
    assert_eq!(
        below(&resumed, "s3://resumed/"),
        below(&whole, "s3://shards/")
    );
    let answer = tell(server, &json!({"bucket": "resumed", "requests": true}));
    assert_eq!(answer["requests"].as_array().unwrap().len(), 23 + 13);
}

#[test]
fn keys_that_are_no_paths_and_folders_do_not_hide_others() {
    let Some(server) = shared() else { return };
    let bench = Bench::passing();
    for index in 0..12 {
        bench.png(&format!("{index:02}.png"), 64, 64);
    }
    upload(
        server,
        &bench,
        "keys",
        "",
        &json!({"folder/": "", "05.png/below": "x"}),
    );
    tell(
        server,
        &json!({"bucket": "keys", "upload": bench.beside("none"), "raw": ["03//x.png", "09.png/../y"]}),
    );
    let output = scan(server, &bench, &["s3://keys"]);
    let found = records(&output);
    assert_eq!(found.len(), 12 + 1 + 2, "{:?}", paths(&found));
    for url in ["s3://keys/03//x.png", "s3://keys/09.png/../y"] {
        assert_eq!(fault(&found, url).0, "bad_url");
    }
    assert_eq!(
        fault(&found, "s3://keys/05.png/below").0,
        "unsupported_format"
    );
    // An object below which others lie is met with them.
    let found = records(&scan(server, &bench, &["s3://keys/05.png"]));
    assert_eq!(
        paths(&found),
        ["s3://keys/05.png", "s3://keys/05.png/below"]
    );
}

#[test]
fn one_worker_does_not_wait_for_each_object_in_turn() {
    let Some(mut own) = Server::start() else {
        return;
    };
    let bench = Bench::passing();
    for index in 0..24 {
        bench.png(&format!("slow/{index:02}.png"), 64, 64);
    }
    own.tell(&json!({"bucket": "slow-ones", "upload": bench.input()}));
    let server = Mutex::new(own);
    let output = scan(&server, &bench, &["s3://slow-ones", "--jobs", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answer = tell(&server, &json!({"bucket": "slow-ones", "requests": true}));
    assert_eq!(answer["requests"].as_array().unwrap().len(), 24);
    let most = answer["most"].as_u64().unwrap();
    assert!((4..=18).contains(&most), "{most} at a time");
}

#[test]
fn failures_on_the_way_are_bridged() {
    let Some(server) = shared() else { return };
    let bench = Bench::flagging();
    for name in ["flaky/a.png", "cut/b.png"] {
        bench.png(name, 256, 256);
    }
    upload(server, &bench, "unsteady", "", &json!({}));
    let output = scan(server, &bench, &["s3://unsteady/"]);
    let root = format!("{}/", bench.input().display());
    let expected = below(&records(&bench.run(&[])), &root);
    assert_eq!(below(&records(&output), "s3://unsteady/"), expected);
    let answer = tell(server, &json!({"bucket": "unsteady", "requests": true}));
    assert_eq!(answer["requests"].as_array().unwrap().len(), 4);
}

#[test]
fn a_large_object_goes_through_a_temporary_file() {
    let Some(server) = shared() else { return };
    let bench = Bench::flagging();
    // NIfTI-1, 160 × 160 × 700 of 32 bits: 68 MiB.
    let mut volume = vec![0_u8; 352];
    volume[0..4].copy_from_slice(&348_i32.to_le_bytes());
    for (index, value) in [3_i16, 160, 160, 700, 1, 1, 1, 1].iter().enumerate() {
        volume[40 + 2 * index..42 + 2 * index].copy_from_slice(&value.to_le_bytes());
    }
    volume[70..72].copy_from_slice(&8_i16.to_le_bytes());
    volume[72..74].copy_from_slice(&32_i16.to_le_bytes());
    volume[108..112].copy_from_slice(&352_f32.to_le_bytes());
    volume[344..348].copy_from_slice(b"n+1\0");
    for index in 0..160 * 160 * 700_u32 {
        let value = i32::from(common::noise(7, index % 160, index / 160));
        volume.extend_from_slice(&value.to_le_bytes());
    }
    bench.write("volume.nii", &volume);
    upload(server, &bench, "large", "", &json!({}));
    let temporary = bench.beside("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = bench.scan();
    at(&mut command, &endpoint(server));
    let output = command
        .env("TMPDIR", &temporary)
        .arg("s3://large/volume.nii")
        .output()
        .unwrap();
    let root = format!("{}/", bench.input().display());
    let expected = below(&records(&bench.run(&[])), &root);
    assert_eq!(expected["volume.nii"]["status"], "ok");
    assert_eq!(
        below(&records(&output), "s3://large/"),
        expected,
        "{}",
        stderr(&output)
    );
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    // Nowhere to put it.
    let mut command = bench.scan();
    at(&mut command, &endpoint(server));
    let output = command
        .env("TMPDIR", bench.beside("nowhere"))
        .arg("s3://large/")
        .output()
        .unwrap();
    let found = records(&output);
    let (kind, message) = fault(&found, "s3://large/volume.nii");
    assert!(kind == "storage" && message.contains("TMPDIR"), "{message}");
}

#[test]
fn credentials_are_used_and_missed() {
    let Some(mut own) = Server::start() else {
        return;
    };
    let bench = Bench::passing();
    bench.png("a.png", 96, 96);
    own.tell(&json!({"bucket": "guarded", "upload": bench.input()}));
    let keys = own.tell(&json!({"credentials": true}));
    let run = |id: &str, secret: &str| {
        let mut command = bench.scan();
        at(&mut command, &own.http);
        command
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret);
        command.arg("s3://guarded/a.png").output().unwrap()
    };
    let id = keys["id"].as_str().unwrap();
    let output = run(id, keys["secret"].as_str().unwrap());
    assert_eq!(records(&output)[0]["status"], "ok", "{}", stderr(&output));
    for (id, secret) in [(id, "wrong"), ("nobody", "wrong")] {
        let output = run(id, secret);
        assert_eq!(output.status.code(), Some(2));
        let said = stderr(&output);
        assert!(
            said.contains("access denied") && said.contains("AWS_SECRET_ACCESS_KEY"),
            "{said}"
        );
    }
    // None at all, on a machine that is in no cloud.
    let mut command = bench.scan();
    at(&mut command, &own.http);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1");
    let output = command.arg("s3://guarded/").output().unwrap();
    let said = stderr(&output);
    assert!(
        said.contains("no credentials for object storage at http://127"),
        "{said}"
    );
    // A service that is not there, and one that is not encrypted without leave.
    let mut command = bench.scan();
    at(&mut command, "http://127.0.0.1:1");
    let output = command.arg("s3://guarded/").output().unwrap();
    assert!(
        stderr(&output).contains("s3://guarded/: cannot read"),
        "{}",
        stderr(&output)
    );
    let mut command = bench.scan();
    at(&mut command, &own.http);
    let output = command
        .env_remove("AWS_ALLOW_HTTP")
        .arg("s3://guarded/")
        .output()
        .unwrap();
    assert!(
        stderr(&output).contains("AWS_ALLOW_HTTP"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn encrypted_storage_is_trusted_by_its_certificate_alone() {
    let Some(server) = shared() else { return };
    let bench = Bench::passing();
    bench.png("a.png", 96, 96);
    upload(server, &bench, "encrypted", "", &json!({}));
    let (https, certificate) = {
        let server = server.lock().unwrap_or_else(PoisonError::into_inner);
        (server.https.clone(), server.certificate.clone())
    };
    let run = |trusted: Option<&Path>| {
        let mut command = bench.scan();
        at(&mut command, &https);
        command.env_remove("AWS_ALLOW_HTTP");
        if let Some(trusted) = trusted {
            command.env("SSL_CERT_FILE", trusted);
        }
        command.arg("s3://encrypted/").output().unwrap()
    };
    let output = run(Some(&certificate));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(records(&output)[0]["status"], "ok");
    let output = run(None);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("s3://encrypted/: cannot read"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn explain_and_inspect_take_urls() {
    let Some(server) = shared() else { return };
    let bench = Bench::flagging();
    let file = bench.png("a.png", 128, 128);
    upload(server, &bench, "others", "", &json!({}));
    let run = |arguments: &[&str], input: &str| {
        let mut command = veraray();
        at(&mut command, &endpoint(server));
        let output = command.args(arguments).arg(input).output().unwrap();
        let said = stderr(&output);
        (output.status.code(), output.stdout, said)
    };
    let checkpoint = bench.checkpoint.to_str().unwrap();
    let explain = ["explain", "--format", "json", "--checkpoint", checkpoint];
    let inspect = ["inspect", "--format", "jsonl"];
    let path = file.to_str().unwrap();
    for arguments in [&explain[..], &inspect[..]] {
        let (code, of_file, said) = run(arguments, path);
        let (url_code, of_url, url_said) = run(arguments, "s3://others/a.png");
        assert_eq!(code, url_code, "{said} {url_said}");
        let parsed = |bytes: &[u8], root: &str| {
            let text = String::from_utf8_lossy(bytes).replace(root, "ROOT");
            let mut value: Value = serde_json::from_str(&text).unwrap();
            value.as_object_mut().unwrap().remove("ms");
            value
        };
        assert_eq!(parsed(&of_file, path), parsed(&of_url, "s3://others/a.png"));
    }
    let (code, _, said) = run(&explain, "s3://others/missing.png");
    assert_eq!(code, Some(2), "{said}");
}
