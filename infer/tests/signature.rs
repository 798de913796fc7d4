//! `veraray sign` and `veraray verify`, with a certificate that OpenSSL makes. What DCMTK says of such
//! signatures stands in the provenance crate's tests.
#![allow(missing_docs)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}; run scripts/test.sh, which installs it")
        })
}

fn veraray(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(folder, env!("CARGO_BIN_EXE_veraray"), arguments);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// A folder with an image, a key and its self-signed certificate.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/CT_small.dcm");
    std::fs::copy(sample, folder.path().join("image.dcm")).expect("the sample");
    let made = run(
        folder.path(),
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=scanner",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
    );
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    folder
}

const SIGN: [&str; 6] = [
    "sign",
    "image.dcm",
    "--key",
    "key.pem",
    "--cert",
    "cert.pem",
];

#[test]
fn what_is_signed_verifies_and_what_is_changed_does_not() {
    let folder = prepared();
    let folder = folder.path();
    let before = std::fs::read(folder.join("image.dcm")).expect("the image");
    let sign = [
        &SIGN[..],
        &["--profile", "creator", "--output", "signed.dcm"],
    ]
    .concat();
    let (status, said) = veraray(folder, &sign);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(
        before,
        std::fs::read(folder.join("image.dcm")).expect("the image")
    );

    let verify = ["verify", "signed.dcm", "--trust", "cert.pem"];
    let (status, said) = veraray(folder, &verify);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("valid and trusted") && said.contains("pixels yes"),
        "{said}"
    );

    let (status, said) = veraray(folder, &["verify", "signed.dcm"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("not trusted"), "{said}");

    let (status, said) = veraray(folder, &[&verify[..], &["--format", "json"]].concat());
    assert_eq!(status, Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["overall"], "valid");

    // One pixel.
    let mut signed = std::fs::read(folder.join("signed.dcm")).expect("signed");
    let pixels = before.len() - 1000;
    let place = signed
        .windows(64)
        .position(|window| window == &before[pixels..pixels + 64])
        .expect("the pixels are still there");
    signed[place] ^= 1;
    std::fs::write(folder.join("signed.dcm"), signed).expect("written");
    let (status, said) = veraray(folder, &verify);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("not valid"), "{said}");
}

#[test]
fn what_cannot_be_signed_or_verified_is_refused_by_name() {
    let folder = prepared();
    let folder = folder.path();
    let refused = |arguments: &[&str], status: i32, words: &str| {
        let (code, said) = veraray(folder, arguments);
        assert_eq!(code, Some(status), "{arguments:?}: {said}");
        assert!(said.contains(words), "{words} is not in {said}");
    };
    refused(&SIGN, 2, "--output");
    refused(
        &[&SIGN[..], &["--output", "image.dcm"]].concat(),
        2,
        "image.dcm",
    );
    refused(&["verify", "image.dcm"], 1, "no signature");
    refused(&["verify", "gone.dcm"], 2, "gone.dcm");
    refused(&["verify", "key.pem"], 2, "key.pem");
    let unmet = [
        "verify",
        "image.dcm",
        "--trust",
        "cert.pem",
        "--require-coverage",
        "pixels,identity",
    ];
    refused(&unmet, 1, "not met");
    let key = std::fs::read_to_string(folder.join("key.pem")).expect("a key");
    let secret = key.lines().nth(5).expect("a line of the key");
    let wrong = [
        "sign",
        "image.dcm",
        "--key",
        "cert.pem",
        "--cert",
        "key.pem",
        "--output",
        "o",
    ];
    let (code, said) = veraray(folder, &wrong);
    assert_eq!(code, Some(2), "{said}");
    assert!(!said.contains(secret), "a key was shown");
}

/// Inserts bytes before the first occurrence of others.
fn insert(bytes: &mut Vec<u8>, before: &[u8], what: &[u8]) {
    let at = bytes
        .windows(before.len())
        .position(|window| window == before)
        .expect("the place is there");
    bytes.splice(at..at, what.iter().copied());
}

/// Signs `image.dcm` as `signed.dcm`.
fn signed(folder: &Path, more: &[&str]) -> Vec<u8> {
    let arguments = [&SIGN[..], more, &["--output", "signed.dcm"]].concat();
    let (status, said) = veraray(folder, &arguments);
    assert_eq!(status, Some(0), "{said}");
    std::fs::read(folder.join("signed.dcm")).expect("signed")
}

fn needed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    let required = std::env::var("VERARAY_THIRD_PARTY").as_deref() == Ok("required");
    assert!(there || !required, "{program} is not installed");
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

#[test]
fn what_is_open_to_change_is_named() {
    let folder = prepared();
    let folder = folder.path();
    let verify = ["verify", "added.dcm", "--trust", "cert.pem"];
    // A comment that nobody signed, into a data set signed as a whole.
    let mut bytes = signed(folder, &[]);
    insert(
        &mut bytes,
        b"\x11\x00\x10\x00LO",
        b"\x10\x00\x00\x40LT\x04\x00fine",
    );
    std::fs::write(folder.join("added.dcm"), &bytes).expect("written");
    let (status, said) = veraray(folder, &verify);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("1 open to change"), "{said}");
    assert!(
        said.contains("added since, or left out by the signer: (0010,4000) PatientComments"),
        "{said}"
    );
    // A signature over two elements leaves the others open, and says which.
    std::fs::remove_file(folder.join("signed.dcm")).expect("removed");
    let bytes = signed(folder, &["--elements", "PatientID,00100010"]);
    std::fs::write(folder.join("added.dcm"), &bytes).expect("written");
    let (status, said) = veraray(folder, &verify);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("2 elements signed"), "{said}");
    assert!(said.contains("open to change: (0008,0005)"), "{said}");
    assert!(said.contains("more (see --format json)"), "{said}");
    let (status, said) = veraray(
        folder,
        &[&verify[..], &["--require-coverage", "pixels"]].concat(),
    );
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("not met: no single trusted signature covers pixels"),
        "{said}"
    );
}

#[test]
fn an_item_a_profile_and_a_policy_can_be_asked_for() {
    let folder = prepared();
    let folder = folder.path();
    signed(folder, &["--item", "(0010,1002)[0]"]);
    let verify = |more: &[&str]| {
        veraray(
            folder,
            &[&["verify", "signed.dcm", "--trust", "cert.pem"], more].concat(),
        )
    };
    let (status, said) = verify(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("in (0010,1002)[0]: valid and trusted"),
        "{said}"
    );
    assert_eq!(verify(&["--require-profile", "base"]).0, Some(0));
    let (status, said) = verify(&["--require-profile", "creator"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("creator"), "{said}");
    let policy = "[[rule]]\nname = 'CT signs since 2000'\nmodality = 'CT'\nfrom = '2000-01-01'\ncoverage = ['pixels']\n";
    std::fs::write(folder.join("policy.toml"), policy).expect("written");
    let (status, said) = verify(&["--policy", "policy.toml"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("CT signs since 2000"), "{said}");
    std::fs::write(
        folder.join("policy.toml"),
        policy.replace("2000-01", "2010-01"),
    )
    .expect("written");
    assert_eq!(verify(&["--policy", "policy.toml"]).0, Some(0));
    std::fs::write(folder.join("policy.toml"), "rules = 1").expect("written");
    let (status, said) = verify(&["--policy", "policy.toml"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("policy.toml"), "{said}");
}

#[test]
fn lossless_recompression_by_others_holds() {
    if !["dcmcrle", "dcmcjpls", "dcmcjpeg", "dcmconv"]
        .into_iter()
        .all(needed)
    {
        return;
    }
    let folder = prepared();
    let folder = folder.path();
    signed(folder, &[]);
    let verify = |name: &str| veraray(folder, &["verify", name, "--trust", "cert.pem"]);
    for (program, flags) in [
        ("dcmcrle", &[][..]),
        ("dcmcjpls", &["+un"]),
        ("dcmcjpeg", &["+e1", "+un"]),
        ("dcmconv", &["+td"]),
    ] {
        let arguments = [flags, &["signed.dcm", "new.dcm"]].concat();
        let made = run(folder, program, &arguments);
        let stderr = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{program}: {stderr}");
        let (status, said) = verify("new.dcm");
        assert_eq!(status, Some(0), "{program}: {said}");
        assert_eq!(
            said.contains("losslessly decoded"),
            program != "dcmconv",
            "{program}: {said}"
        );
    }
    // Icons are compressed too.
    if let Some(python) = common::python() {
        let program = "import pydicom.data as d; print(d.get_testdata_file('examples_overlay.dcm', download=False) or '')";
        let found = run(folder, python.to_str().expect("a path"), &["-c", program]);
        let source = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        assert!(!source.is_empty(), "pydicom has no examples_overlay.dcm");
        let sign = [
            "sign", &source, "--key", "key.pem", "--cert", "cert.pem", "--output", "icon.dcm",
        ];
        let (status, said) = veraray(folder, &sign);
        assert_eq!(status, Some(0), "{said}");
        run(folder, "dcmcrle", &["icon.dcm", "new.dcm"]);
        let (status, said) = verify("new.dcm");
        assert_eq!(status, Some(0), "{said}");
    }
    // One pixel of the decoded image differs: no longer what was signed.
    run(folder, "dcmcrle", &["signed.dcm", "rle.dcm"]);
    let mut bytes = std::fs::read(folder.join("rle.dcm")).expect("compressed");
    let at = bytes.len() - 3000;
    bytes[at] ^= 1;
    std::fs::write(folder.join("rle.dcm"), bytes).expect("written");
    let (status, said) = verify("rle.dcm");
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("unverifiable") || said.contains("not valid"),
        "{said}"
    );
    // With loss, nobody can tell any more.
    run(
        folder,
        "dcmcjpeg",
        &["+ee", "+un", "signed.dcm", "lossy.dcm"],
    );
    let (status, said) = verify("lossy.dcm");
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("transcoded since"), "{said}");
}

#[test]
fn pydicoms_compression_holds_too() {
    let Some(python) = common::python() else {
        eprintln!("skipped: no Python with pydicom");
        return;
    };
    let folder = prepared();
    let folder = folder.path();
    let data = run(
        folder,
        python.to_str().expect("a path"),
        &[
            "-c",
            "import pydicom.data as d; print(d.get_testdata_file('examples_rgb_color.dcm', download=False) or '')",
        ],
    );
    let colour = String::from_utf8_lossy(&data.stdout).trim().to_owned();
    for source in ["image.dcm", colour.as_str()] {
        if source.is_empty() {
            continue;
        }
        let _ = std::fs::remove_file(folder.join("signed.dcm"));
        let sign = [
            "sign",
            source,
            "--key",
            "key.pem",
            "--cert",
            "cert.pem",
            "--output",
            "signed.dcm",
        ];
        let (status, said) = veraray(folder, &sign);
        assert_eq!(status, Some(0), "{said}");
        for (syntax, photometric) in [
            ("JPEG2000Lossless", ""),
            ("JPEG2000Lossless", "YBR_RCT"),
            ("JPEGLSLossless", ""),
            ("RLELossless", ""),
        ] {
            if source == "image.dcm" && !photometric.is_empty() {
                continue;
            }
            let program = format!(
                "import pydicom, pydicom.uid as u\n\
                 d = pydicom.dcmread('signed.dcm')\n\
                 d.PhotometricInterpretation = '{photometric}' or d.PhotometricInterpretation\n\
                 d.compress(u.{syntax}, generate_instance_uid=False)\n\
                 d.save_as('new.dcm')"
            );
            let made = run(folder, python.to_str().expect("a path"), &["-c", &program]);
            let stderr = String::from_utf8_lossy(&made.stderr);
            if stderr.contains("plugins") {
                eprintln!("skipped: pydicom has no encoder for {syntax}");
                continue;
            }
            assert!(made.status.success(), "{source} {syntax}: {stderr}");
            let (status, said) = veraray(folder, &["verify", "new.dcm", "--trust", "cert.pem"]);
            assert_eq!(status, Some(0), "{source} {syntax}: {said}");
            assert!(
                said.contains("losslessly decoded"),
                "{source} {syntax}: {said}"
            );
        }
    }
}

const TSA: &str = "\
[tsa]
default_tsa = stamp
[stamp]
serial = serial
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
[ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[req]
distinguished_name = name
[name]
";

#[test]
fn timestamps_are_asked_for_by_command_and_by_file() {
    let folder = prepared();
    let folder = folder.path();
    std::fs::write(folder.join("tsa.cnf"), TSA).expect("written");
    std::fs::write(folder.join("serial"), "01").expect("written");
    let made = run(
        folder,
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=authority",
            "-config",
            "tsa.cnf",
            "-extensions",
            "ext",
            "-keyout",
            "tsa.key",
            "-out",
            "tsa.pem",
        ],
    );
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    std::fs::create_dir(folder.join("trust")).expect("a folder");
    for name in ["cert.pem", "tsa.pem"] {
        std::fs::copy(folder.join(name), folder.join("trust").join(name)).expect("copied");
    }
    let reply = "openssl ts -reply -config tsa.cnf -section stamp -signer tsa.pem -inkey tsa.key -queryfile";
    let trusted = |name: &str| {
        let (status, said) = veraray(folder, &["verify", name, "--trust", "trust"]);
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains("by CN=authority, trusted"), "{said}");
    };
    signed(
        folder,
        &["--timestamp-command", &format!("{reply} /dev/stdin")],
    );
    trusted("signed.dcm");
    std::fs::remove_file(folder.join("signed.dcm")).expect("removed");

    signed(folder, &["--timestamp-query", "q.tsq"]);
    let ask = run(folder, "sh", &["-c", &format!("{reply} q.tsq -out r.tsr")]);
    assert!(
        ask.status.success(),
        "{}",
        String::from_utf8_lossy(&ask.stderr)
    );
    let add = [
        "sign",
        "signed.dcm",
        "--timestamp-reply",
        "r.tsr",
        "--output",
        "stamped.dcm",
    ];
    let (status, said) = veraray(folder, &add);
    assert_eq!(status, Some(0), "{said}");
    trusted("stamped.dcm");
    // The authority's file alone: the signer is then not trusted, nor the other way round.
    let (status, said) = veraray(folder, &["verify", "stamped.dcm", "--trust", "cert.pem"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("timestamp is not trusted"), "{said}");

    let refused = |more: &[&str], words: &str| {
        let arguments = [&SIGN[..], more, &["--output", "other.dcm"]].concat();
        let (status, said) = veraray(folder, &arguments);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(words), "{words} is not in {said}");
        assert!(!folder.join("other.dcm").exists());
    };
    refused(&["--timestamp-command", "exit 7"], "--timestamp-command");
    refused(&["--timestamp-command", "echo nonsense"], "timestamp");
    refused(&["--timestamp-query", "q.tsq"], "q.tsq");
    let foreign = [
        "sign",
        "image.dcm",
        "--timestamp-reply",
        "r.tsr",
        "--output",
        "other.dcm",
    ];
    let (status, said) = veraray(folder, &foreign);
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("r.tsr") && said.contains("image.dcm"),
        "{said}"
    );
}

#[test]
fn a_scan_says_what_signatures_say_and_never_fails_for_them() {
    let folder = prepared();
    let folder = folder.path();
    let bench = common::Bench::passing();
    let whole = signed(folder, &[]);
    let pixels = {
        let before = std::fs::read(folder.join("image.dcm")).expect("the image");
        let tail = &before[before.len() - 1000..before.len() - 936];
        whole.windows(64).position(|w| w == tail).expect("pixels")
    };
    bench.write("a_valid.dcm", &whole);
    let mut changed = whole.clone();
    changed[pixels] ^= 1;
    bench.write("b_invalid.dcm", &changed);
    let mut unknown = whole.clone();
    insert(
        &mut unknown,
        b"\x10\x00\x10\x00PN",
        b"\x10\x00\x10\x00PN\x04\x00Evil",
    );
    bench.write("c_unverifiable.dcm", &unknown);
    bench.write(
        "d_none.dcm",
        &std::fs::read(folder.join("image.dcm")).expect("the image"),
    );
    bench.png("e_png.png", 160, 160);
    bench.write("f_cut.dcm", &whole[..whole.len() - 100]);
    bench.write("g_text.dcm", b"no image");
    std::fs::remove_file(folder.join("signed.dcm")).expect("removed");
    bench.write("h_some.dcm", &signed(folder, &["--profile", "creator"]));

    let found = |arguments: &[&str]| -> Vec<(String, Vec<String>)> {
        let records = common::records(&bench.run(arguments));
        let texts = |value: &serde_json::Value| {
            let list = value.as_array().expect("a list").iter();
            list.map(|v| v.as_str().expect("text").to_owned()).collect()
        };
        let said = |record: &serde_json::Value| match &record["signature"] {
            serde_json::Value::Null => ("null".to_owned(), Vec::new()),
            s => (
                s["status"].as_str().expect("a status").to_owned(),
                texts(&s["coverage"]),
            ),
        };
        records.iter().map(said).collect()
    };
    let certificate = folder.join("cert.pem");
    let trusted = found(&["--trust", certificate.to_str().expect("a path")]);
    let statuses: Vec<&str> = trusted.iter().map(|(s, _)| s.as_str()).collect();
    assert_eq!(
        statuses,
        [
            "valid",
            "invalid",
            "unverifiable",
            "none",
            "none",
            "unverifiable",
            "null",
            "valid"
        ]
    );
    let all = ["pixels", "geometry", "rescale", "identity"];
    assert_eq!(trusted[0].1, all);
    assert_eq!(trusted[1].1, [""; 0]);
    assert_eq!(trusted[7].1, ["pixels", "rescale"]);
    // Whoever trusts nobody learns that they hold, and no more.
    let untrusted = found(&[]);
    assert_eq!(
        untrusted[0],
        ("untrusted".to_owned(), all.map(str::to_owned).to_vec())
    );
    assert_eq!(untrusted[1].0, "invalid");
    let text = bench.run(&["--format", "text"]);
    let said = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(said.contains("[signature invalid]"), "{said}");
    let gone = bench.run(&["--trust", "gone.pem"]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(
        common::stderr(&gone).contains("--trust"),
        "{}",
        common::stderr(&gone)
    );
}

#[test]
fn nothing_in_a_file_steers_the_terminal() {
    let folder = prepared();
    let folder = folder.path();
    let made = run(
        folder,
        "openssl",
        &[
            "req",
            "-x509",
            "-key",
            "key.pem",
            "-days",
            "30",
            "-utf8",
            "-subj",
            "/CN=\u{1b}[31mred",
            "-out",
            "cert.pem",
        ],
    );
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    signed(folder, &[]);
    let (status, said) = veraray(folder, &["verify", "signed.dcm"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("red") && !said.contains('\u{1b}'), "{said}");
}

#[test]
#[cfg(unix)]
fn rough_handling_is_answered_plainly() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = prepared();
    let folder = folder.path();
    let refused = |arguments: &[&str], words: &[&str]| {
        let (code, said) = veraray(folder, arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word} is not in {said}");
        }
    };
    std::fs::create_dir(folder.join("empty")).expect("a folder");
    refused(&["verify", "empty"], &["empty", "folder"]);
    refused(
        &["verify", "image.dcm", "--trust", "empty"],
        &["--trust", "empty", "no certificate"],
    );
    refused(
        &["verify", "image.dcm", "--trust", "image.dcm"],
        &["--trust", "image.dcm"],
    );
    refused(&["verify", "image.dcm", "--policy", "gone"], &["gone"]);
    let sign = |key: &'static str, cert: &'static str, output: &'static str| {
        [
            "sign",
            "image.dcm",
            "--key",
            key,
            "--cert",
            cert,
            "--output",
            output,
        ]
    };
    refused(&sign("gone.key", "cert.pem", "o.dcm"), &["gone.key"]);
    refused(&sign("empty", "cert.pem", "o.dcm"), &["empty", "folder"]);
    refused(&sign("image.dcm", "cert.pem", "o.dcm"), &["image.dcm"]);
    refused(
        &sign("key.pem", "key.pem", "o.dcm"),
        &["key.pem", "no certificate"],
    );
    refused(
        &sign("key.pem", "cert.pem", "no/such/o.dcm"),
        &["no/such/o.dcm"],
    );
    refused(
        &sign("key.pem", "cert.pem", "empty"),
        &["empty", "not overwritten"],
    );
    // Another key than the certificate's; a key that others can read is used with a warning.
    let other = ["genpkey", "-algorithm", "RSA", "-out", "other.pem"];
    assert!(run(folder, "openssl", &other).status.success());
    refused(
        &sign("other.pem", "cert.pem", "o.dcm"),
        &["cert.pem", "other.pem"],
    );
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.join("key.pem"), open).expect("set");
    let (code, said) = veraray(folder, &sign("key.pem", "cert.pem", "o.dcm"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("--key key.pem: others may read"), "{said}");
    let mode = std::fs::metadata(folder.join("o.dcm"))
        .expect("signed")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, said) = veraray(folder, &[&SIGN[..], &["--in-place"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        veraray(folder, &["verify", "image.dcm", "--trust", "cert.pem"]).0,
        Some(0)
    );
}
