//! Certified timestamps: openssl is the authority, dcmsign puts them into the file.
#![allow(missing_docs)]

mod support;

use std::path::{Path, PathBuf};

use support::{credentials, dcmsign, run, sample};
use veraray_provenance::signature::*;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn verify(file: &Path, trust: &str) -> Report {
    let trust = TrustStore::from_path(&credentials().path(trust)).unwrap();
    verify_file(
        file,
        &VerifyOptions {
            trust,
            ..VerifyOptions::default()
        },
    )
    .unwrap()
}

/// openssl's answer to a request.
fn reply(query: &[u8], authority: &str, section: &str) -> Vec<u8> {
    let c = credentials();
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("q"), dir.path().join("r"));
    std::fs::write(&from, query).unwrap();
    let args = [
        "ts",
        "-reply",
        "-config",
        "ca.cnf",
        "-section",
        section,
        "-queryfile",
        text(&from),
        "-signer",
        &format!("{authority}.pem"),
        "-inkey",
        &format!("{authority}.key"),
        "-out",
        text(&to),
    ];
    // The authority counts its tokens in a file, and tests run side by side.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let _ = run("openssl", &args, c.dir.path());
    std::fs::read(to).unwrap_or_default()
}

/// Signs with dcmsign and adds a timestamp by `authority`.
fn stamped(dir: &Path, name: &str, authority: &str) -> PathBuf {
    let c = credentials();
    let (key, cert) = (
        c.path(&format!("{name}.key")),
        c.path(&format!("{name}.pem")),
    );
    let (query, reply, uid) = (dir.join("q"), dir.join("r"), dir.join("u"));
    let (signed, out) = (dir.join("signed.dcm"), dir.join("stamped.dcm"));
    let source = sample("CT_small.dcm");
    let (code, message) = dcmsign(&[
        "+s",
        text(&key),
        text(&cert),
        "+m2",
        "+ts",
        text(&query),
        text(&uid),
        text(&source),
        text(&signed),
    ]);
    assert_eq!(code, 0, "{message}");
    let answer = self::reply(&std::fs::read(&query).unwrap(), authority, "stamp");
    std::fs::write(&reply, answer).unwrap();
    let (code, message) = dcmsign(&[
        "+t",
        text(&query),
        text(&reply),
        text(&uid),
        text(&signed),
        text(&out),
    ]);
    assert_eq!(code, 0, "{message}");
    out
}

#[test]
fn a_timestamp_holds_for_every_key_kind() {
    // ECDSA signatures have odd lengths now and then: the pad byte is not stamped.
    // DCMTK itself cannot stamp P-521 signatures of odd length: it takes the pad byte for a part.
    for name in ["rsa", "p256", "p384"] {
        for _ in 0..if name == "rsa" { 1 } else { 6 } {
            let dir = tempfile::tempdir().unwrap();
            let file = stamped(dir.path(), name, "tsa");
            let report = verify(&file, "trust");
            let stamp = report.signatures[0].timestamp.as_ref().unwrap();
            assert_eq!(stamp.status, TimestampStatus::Trusted, "{stamp:?}");
            assert_eq!(report.overall, Overall::Valid, "{report:#?}");
            let root = credentials().path("root.pem");
            assert_eq!(
                dcmsign(&["-q", "+tr", "+cf", text(&root), text(&file)]).0,
                0
            );
        }
    }
}

#[test]
fn an_altered_or_foreign_timestamp_is_found() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = stamped(one.path(), "rsa", "tsa");
    let other = stamped(two.path(), "rsa", "tsa");
    let find = |b: &[u8]| {
        b.windows(6)
            .rposition(|w| w == b"\x00\x04\x10\x03OB")
            .unwrap()
            + 12
    };
    let (mut bytes, donor) = (
        std::fs::read(&file).unwrap(),
        std::fs::read(&other).unwrap(),
    );
    let whole = bytes.clone();
    let (at, from) = (find(&bytes), find(&donor));
    let length =
        |b: &[u8], at: usize| u32::from_le_bytes(b[at - 4..at].try_into().unwrap()) as usize;
    let (mine, theirs) = (length(&bytes, at), length(&donor, from));
    if mine == theirs {
        bytes[at..at + mine].copy_from_slice(&donor[from..from + theirs]);
        std::fs::write(&file, &bytes).unwrap();
        let report = verify(&file, "trust");
        assert_eq!(report.overall, Overall::Invalid);
        assert!(
            report.signatures[0].reasons[0].contains("another signature"),
            "{report:#?}"
        );
    }
    // Any changed byte of the token: never trusted, and never a panic.
    let mut trusted = Vec::new();
    for offset in 0..mine {
        let mut bytes = whole.clone();
        bytes[at + offset] ^= 0x01;
        std::fs::write(&file, &bytes).unwrap();
        let stamp = verify(&file, "trust").signatures[0]
            .timestamp
            .clone()
            .unwrap();
        if stamp.status == TimestampStatus::Trusted {
            trusted.push(offset);
        }
    }
    // CMS leaves its version numbers and lists of algorithms unauthenticated (RFC 5652, 5.1).
    assert!(trusted.len() <= 16, "{trusted:?} of {mine}");
}

#[test]
fn an_unknown_authority_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let file = stamped(dir.path(), "rsa", "tsa");
    let report = verify(&file, "other.pem");
    assert_eq!(report.overall, Overall::Untrusted);
    assert_eq!(
        report.signatures[0].timestamp.as_ref().unwrap().status,
        TimestampStatus::Untrusted
    );
}

#[test]
fn a_timestamp_before_revocation_saves_a_signature_but_a_claimed_time_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = stamped(dir.path(), "gone", "tsa");
    // Here the timestamp is later than the revocation.
    let report = verify(&file, "trust_crl");
    assert_eq!(report.overall, Overall::Untrusted, "{report:#?}");
    let c = credentials();
    let mut sign = SignOptions::from_files(&c.path("gone.key"), &c.path("gone.pem")).unwrap();
    sign.at_time = Some(1_600_000_000);
    let claimed = dir.path().join("claimed.dcm");
    sign_file(&sample("CT_small.dcm"), &sign, &claimed).unwrap();
    assert_eq!(verify(&claimed, "trust_crl").overall, Overall::Untrusted);
    // Revoked after the timestamp: made here, by a list of a later time.
    let (crl, late) = (c.dir.path(), dir.path().join("late"));
    std::fs::create_dir(&late).unwrap();
    let index = std::fs::read_to_string(crl.join("index.txt")).unwrap();
    let moved: String = index
        .lines()
        .map(|line| {
            let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            if fields[0] == "R" {
                fields[2] = "350101000000Z".to_owned();
            }
            fields.join("\t") + "\n"
        })
        .collect();
    std::fs::write(late.join("index.txt"), moved).unwrap();
    std::fs::write(late.join("crlnumber"), "02").unwrap();
    for name in ["ca.cnf", "root.pem", "root.key", "serial"] {
        std::fs::copy(crl.join(name), late.join(name)).unwrap();
    }
    let args = [
        "ca", "-batch", "-config", "ca.cnf", "-cert", "root.pem", "-keyfile", "root.key",
        "-gencrl", "-out", "late.crl",
    ];
    assert!(run("openssl", &args, &late).status.success());
    let trust = dir.path().join("trust");
    std::fs::create_dir(&trust).unwrap();
    for name in ["root.pem", "late.crl"] {
        std::fs::copy(late.join(name), trust.join(name)).unwrap();
    }
    let check = |file: &Path| {
        let trust = TrustStore::from_path(&trust).unwrap();
        verify_file(
            file,
            &VerifyOptions {
                trust,
                ..VerifyOptions::default()
            },
        )
        .unwrap()
    };
    let report = check(&file);
    assert_eq!(report.overall, Overall::Valid, "{report:#?}");
    assert!(
        report.signatures[0]
            .warnings
            .iter()
            .any(|w| w.contains("revoked after"))
    );
    assert_eq!(check(&claimed).overall, Overall::Untrusted);
}

#[test]
fn we_ask_for_timestamps_that_dcmsign_accepts() {
    let c = credentials();
    let root = c.path("root.pem");
    for name in ["rsa", "p256", "p521"] {
        let dir = tempfile::tempdir().unwrap();
        let (key, cert) = (
            c.path(&format!("{name}.key")),
            c.path(&format!("{name}.pem")),
        );
        let mut sign = SignOptions::from_files(&key, &cert).unwrap();
        let trusted = |file: &Path| {
            let report = verify(file, "trust");
            assert_eq!(report.overall, Overall::Valid, "{report:#?}");
            let stamp = report.signatures[0].timestamp.as_ref().unwrap();
            assert_eq!(stamp.status, TimestampStatus::Trusted, "{stamp:?}");
            if name != "p521" {
                let (code, message) = dcmsign(&["-q", "+tr", "+cf", text(&root), text(file)]);
                assert_eq!(code, 0, "{message}");
            }
        };
        // By asking while signing.
        sign.authority = Some(Authority::new(|query| Ok(reply(query, "tsa", "stamp"))));
        let one = dir.path().join("one.dcm");
        sign_file(&sample("CT_small.dcm"), &sign, &one).unwrap();
        trusted(&one);
        // By hand, afterwards: openssl reads our request, and the reply finds its signature.
        sign.authority = None;
        let (two, stamped) = (dir.path().join("two.dcm"), dir.path().join("stamped.dcm"));
        let signed = sign_file(&sample("CT_small.dcm"), &sign, &two).unwrap();
        let request = TimestampRequest::new(&signed.value).unwrap();
        let answer = dir.path().join("r.tsr");
        std::fs::write(&answer, reply(&request.der, "tsa", "stamp")).unwrap();
        add_timestamp(&two, &answer, &stamped, false).unwrap();
        trusted(&stamped);
        // Not into another signature, not over a file that exists.
        assert!(matches!(
            add_timestamp(&one, &answer, &dir.path().join("x"), false),
            Err(SignatureError::Credential { .. })
        ));
        assert!(matches!(
            add_timestamp(&two, &answer, &stamped, false),
            Err(SignatureError::WouldOverwrite { .. })
        ));
        assert!(add_timestamp(&two, &answer, &two, false).is_err());
        add_timestamp(&two, &answer, &two, true).unwrap();
        trusted(&two);
    }
}

#[test]
fn what_an_authority_answers_is_checked() {
    let c = credentials();
    let mut sign = SignOptions::from_files(&c.path("rsa.key"), &c.path("rsa.pem")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("o.dcm");
    let mut refused = |authority: Authority, why: &str| {
        sign.authority = Some(authority);
        let error = sign_file(&sample("CT_small.dcm"), &sign, &file).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(!file.exists(), "a file without its timestamp was written");
    };
    refused(Authority::new(|_| Err("no answer".into())), "no answer");
    refused(Authority::new(|_| Ok(Vec::new())), "reply");
    refused(Authority::new(|_| Ok(vec![0x30, 0x80])), "reply");
    let other = TimestampRequest::new(b"another signature").unwrap();
    let stale = reply(&other.der, "tsa", "stamp");
    refused(
        Authority::new(move |_| Ok(stale.clone())),
        "another signature",
    );
    // openssl refuses a request whose digest it does not know, and says so in its reply.
    refused(
        Authority::new(|query| {
            let mut query = query.to_vec();
            let sha256 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
            let at = query.windows(9).position(|w| w == sha256).unwrap();
            query[at + 8] = 0x04;
            Ok(reply(&query, "tsa", "stamp"))
        }),
        "refused",
    );
    // Every request has a nonce of its own, so that an old reply is no answer to a new one.
    let request = || TimestampRequest::new(b"value").unwrap();
    assert_ne!(request().der, request().der);
}
