//! `veraray sign` and `veraray verify`, with a certificate that OpenSSL makes. What DCMTK says of such
//! signatures stands in the provenance crate's tests.
#![allow(missing_docs)]

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
