//! DCMTK's dcmsign and we: it verifies what we sign, we verify what it signs, and both compute the
//! same MAC stream.
#![allow(missing_docs)]

mod support;

use std::path::Path;

use support::{credentials, dcmsign, dicom_files};
use veraray_provenance::signature::*;

const DIGESTS: [(&str, DigestAlgorithm); 3] = [
    ("+m2", DigestAlgorithm::Sha256),
    ("+m3", DigestAlgorithm::Sha384),
    ("+m5", DigestAlgorithm::Sha512),
];
const PROFILES: [(&str, Profile); 4] = [
    ("-pf", Profile::None),
    ("+pb", Profile::Base),
    ("+pc", Profile::Creator),
    ("+pa", Profile::Authorization),
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn options(trust: &str) -> VerifyOptions<'static> {
    VerifyOptions {
        trust: TrustStore::from_path(&credentials().path(trust)).unwrap(),
        ..VerifyOptions::default()
    }
}

fn signer(name: &str) -> SignOptions {
    let c = credentials();
    SignOptions::from_files(
        &c.path(&format!("{name}.key")),
        &c.path(&format!("{name}.pem")),
    )
    .unwrap()
}

#[test]
fn streams_are_equal() {
    let c = credentials();
    let (key, cert) = (c.path("rsa.key"), c.path("rsa.pem"));
    let (mut equal, mut refused, mut failures) = (0, 0, Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let (signed, dump) = (dir.path().join("s.dcm"), dir.path().join("dump"));
    for file in dicom_files() {
        let (code, _) = dcmsign(&[
            "-q",
            "+s",
            text(&key),
            text(&cert),
            "+m2",
            "+d",
            text(&dump),
            text(&file),
            text(&signed),
        ]);
        if code != 0 {
            refused += 1;
            continue;
        }
        let bytes = std::fs::read(&signed).unwrap();
        let (syntax, at) = split(&bytes).unwrap();
        let body = body(&bytes, &syntax, at, 1 << 30).unwrap();
        let ours = match parse(&syntax, &body, VrChoice::default(), 100_000) {
            Ok(stored) => {
                let item = stored.dataset;
                let signature = item
                    .items(dicom_core::Tag(0xFFFA, 0xFFFA))
                    .last()
                    .unwrap()
                    .clone();
                let tags = item.items(dicom_core::Tag(0x4FFE, 0x0001)).last().unwrap();
                let tags = tags
                    .bytes(dicom_core::Tag(0x0400, 0x0020))
                    .unwrap()
                    .chunks(4);
                let word = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
                let tags: Vec<_> = tags
                    .map(|b| dicom_core::Tag(word(b), word(&b[2..])))
                    .collect();
                mac_bytes(&item, &tags, &signature)
            }
            Err(error) => error.to_string().into_bytes(),
        };
        if ours == std::fs::read(&dump).unwrap() {
            equal += 1;
        } else {
            let theirs = std::fs::read(&dump).unwrap();
            let at = ours
                .iter()
                .zip(&theirs)
                .position(|(a, b)| a != b)
                .unwrap_or(ours.len().min(theirs.len()));
            let near =
                |b: &[u8]| b[at.saturating_sub(16).min(b.len())..(at + 24).min(b.len())].to_vec();
            failures.push(format!(
                "{}: byte {at}\n ours   {:02x?}\n theirs {:02x?}",
                file.display(),
                near(&ours),
                near(&theirs)
            ));
        }
    }
    eprintln!(
        "streams: {equal} equal, {} differ, {refused} refused by dcmsign",
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(equal >= 90);
}

#[test]
fn we_verify_what_dcmsign_signs() {
    let c = credentials();
    let dir = tempfile::tempdir().unwrap();
    let signed = dir.path().join("s.dcm");
    let (options, root) = (options("trust"), c.path("root.pem"));
    let (mut checked, mut rejected, mut refused, mut failures) = (0, 0, 0, Vec::new());
    for file in dicom_files() {
        for (name, profiles) in [
            ("rsa", &PROFILES[..]),
            ("p256", &PROFILES[..1]),
            ("p384", &PROFILES[..1]),
        ] {
            let (key, cert) = (
                c.path(&format!("{name}.key")),
                c.path(&format!("{name}.pem")),
            );
            for (flag, profile) in profiles {
                for (digest_flag, digest) in DIGESTS {
                    let (code, _) = dcmsign(&[
                        "-q",
                        "+s",
                        text(&key),
                        text(&cert),
                        flag,
                        digest_flag,
                        text(&file),
                        text(&signed),
                    ]);
                    if code != 0 {
                        refused += 1;
                        continue;
                    }
                    // Of a directory it signs nothing at all, and rejects that itself.
                    if dcmsign(&["-q", "+rg", "+cf", text(&root), text(&signed)]).0 != 0 {
                        rejected += 1;
                        assert_ne!(
                            verify_file(&signed, &options).unwrap().overall,
                            Overall::Valid,
                            "{}",
                            file.display()
                        );
                        continue;
                    }
                    checked += 1;
                    match verify_file(&signed, &options) {
                        Ok(report) => {
                            let s = &report.signatures[0];
                            if report.overall != Overall::Valid
                                || s.digest != Some(digest)
                                || !s.profiles.contains(profile)
                            {
                                failures.push(format!(
                                    "{} {name} {profile} {digest:?}: {:?} {:?} {:?}",
                                    file.display(),
                                    s.status,
                                    s.reasons,
                                    s.profiles
                                ));
                            }
                        }
                        Err(error) => failures.push(error.to_string()),
                    }
                }
            }
        }
    }
    eprintln!(
        "dcmsign's: {} of {checked} verified by us; {rejected} rejected by both; {refused} refused by dcmsign",
        checked - failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked > 0);
}

#[test]
fn dcmsign_verifies_what_we_sign() {
    let root = credentials().path("root.pem");
    let dir = tempfile::tempdir().unwrap();
    let signed = dir.path().join("s.dcm");
    let verify = options("trust");
    let (mut checked, mut unread, mut refused, mut failures) = (0, 0, Vec::new(), Vec::new());
    for file in dicom_files() {
        for (name, profiles) in [
            ("rsa", &PROFILES[..]),
            ("p256", &PROFILES[..1]),
            ("p384", &PROFILES[..1]),
        ] {
            let mut sign = signer(name);
            for (_, profile) in profiles {
                for (_, digest) in DIGESTS {
                    let _ = std::fs::remove_file(&signed);
                    (sign.profile, sign.digest) = (*profile, digest);
                    if let Err(error) = sign_file(&file, &sign, &signed) {
                        refused.push(format!("{profile} {error}"));
                        continue;
                    }
                    checked += 1;
                    let require = match profile {
                        Profile::Creator => "+rc",
                        Profile::Authorization => "+ru",
                        _ => "+rg",
                    };
                    let (code, message) =
                        dcmsign(&["-q", require, "+cf", text(&root), text(&signed)]);
                    let ours = verify_file(&signed, &verify).unwrap();
                    // A file that it cannot read at all, signed or not, says nothing.
                    if code == 20 && dcmsign(&["-q", text(&file)]).0 == 20 {
                        unread += 1;
                        continue;
                    }
                    let kept = ours.signatures[0].profiles.contains(profile);
                    if code != 0 || ours.overall != Overall::Valid || !kept {
                        failures.push(format!(
                            "{} {name} {profile} {digest:?}: dcmsign {code} {message}, we {:?}",
                            file.display(),
                            ours.overall
                        ));
                    }
                }
            }
        }
    }
    refused.sort();
    eprintln!(
        "ours: {} of {} verified by dcmsign; {unread} it cannot read; {} refused by us",
        checked - unread - failures.len(),
        checked - unread,
        refused.len()
    );
    refused.dedup();
    eprintln!("{}", refused.join("\n"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked > 0);
}

/// DCMTK 3.6.7 takes the byte that fills an odd signature for a part of it when the length of its DER has
/// two bytes, as on P-521: it then rejects even its own. We accept all, and it accepts ours of even length.
#[test]
fn p521_is_understood_by_both() {
    let c = credentials();
    let dir = tempfile::tempdir().unwrap();
    let (key, cert, root) = (c.path("p521.key"), c.path("p521.pem"), c.path("root.pem"));
    let (theirs, ours) = (dir.path().join("theirs.dcm"), dir.path().join("ours.dcm"));
    let source = support::sample("CT_small.dcm");
    for _ in 0..6 {
        let flags = ["-q", "+s", text(&key), text(&cert), "+m5"];
        let (code, message) = dcmsign(&[&flags[..], &[text(&source), text(&theirs)]].concat());
        assert_eq!(code, 0, "{message}");
        let report = verify_file(&theirs, &options("trust")).unwrap();
        assert_eq!(report.overall, Overall::Valid, "{report:#?}");
    }
    let sign = signer("p521");
    let mut accepted = 0;
    for _ in 0..8 {
        let _ = std::fs::remove_file(&ours);
        let signed = sign_file(&source, &sign, &ours).unwrap();
        let report = verify_file(&ours, &options("trust")).unwrap();
        assert_eq!(report.overall, Overall::Valid, "{report:#?}");
        if signed.value.len() % 2 == 0 {
            let (code, message) = dcmsign(&["-q", "+cf", text(&root), text(&ours)]);
            assert_eq!(code, 0, "{message}");
            accepted += 1;
        }
    }
    eprintln!("dcmsign verified {accepted} of our 8 P-521 signatures, those of even length");
}
