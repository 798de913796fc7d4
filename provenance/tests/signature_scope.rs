//! Whose signature it is, what it covers, what a site demands, and what signing leaves alone.
#![allow(missing_docs, unused_imports)]

mod support;

use std::path::Path;
use std::str::FromStr as _;

use dicom_core::Tag;
use support::case::*;
use support::{credentials, dcmsign, run, sample};
use veraray_provenance::signature::*;

#[test]
fn a_partial_signature_says_what_is_open() {
    let mut sign = signer("rsa");
    sign.tags = vec![Tag(0x0010, 0x0010)];
    let case = Case::new(CT, &sign).bytes(|b| {
        let at = find(b, b"\xe0\x7f\x10\x00OW\0\0");
        b[at + 5012] ^= 1;
    });
    let root = credentials().path("root.pem");
    assert_eq!(
        dcmsign(&["-q", "+cf", text(&root), text(&case.file)]).0,
        0,
        "dcmsign accepts it"
    );
    let report = case.is("trust", Overall::Valid);
    let coverage = &report.signatures[0].coverage;
    assert!(!coverage.pixels && !coverage.identity && coverage.signed == 1);
    assert!(names(&coverage.unsigned).contains(&"PixelData"));
    let mut require = options("trust");
    require.require_coverage = vec![Aspect::Pixels];
    assert!(!case.report(&require).is_accepted());
}

#[test]
fn a_creator_signature_leaves_the_name_open() {
    let mut sign = signer("rsa");
    sign.profile = Profile::Creator;
    let case = Case::new(CT, &sign).modify(&["-ma", "(0010,0010)=Other^Name"]);
    let report = case.is("trust", Overall::Valid);
    let s = &report.signatures[0];
    assert_eq!(s.profile, Profile::Creator);
    assert!(s.coverage.pixels && !s.coverage.identity);
    assert!(names(&s.coverage.unsigned).contains(&"PatientName"));
    let mut require = options("trust");
    require.require_profile = Some(Profile::Creator);
    assert!(case.report(&require).is_accepted());
    require.require_coverage = vec![Aspect::Identity];
    assert!(!case.report(&require).is_accepted());
    // An added comment on the image is something the profile would have had signed.
    let report = Case::new(CT, &sign)
        .modify(&["-i", "(0008,0081)=ELSEWHERE"])
        .is("trust", Overall::Valid);
    assert_eq!(report.signatures[0].profile, Profile::Authorization);
}

#[test]
fn halves_of_two_files_do_not_make_a_whole() {
    // One device signs pixels and identity apart; pixels of one image, identity of another.
    let require = VerifyOptions {
        require_coverage: vec![Aspect::Pixels, Aspect::Identity],
        ..options("trust")
    };
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("1.dcm"), dir.path().join("2.dcm"));
    let layout = [
        0x0002u16, 0x0004, 0x0010, 0x0011, 0x0100, 0x0101, 0x0102, 0x0103,
    ]
    .map(|e| Tag(0x0028, e));
    let mut sign = signer("rsa");
    sign.tags = layout.into_iter().chain([Tag(0x7FE0, 0x0010)]).collect();
    sign_file(&sample(CT), &sign, &one).unwrap();
    let all = Case::new(CT, &signer("rsa"));
    let signed = verify_file(&all.file, &require).unwrap();
    assert!(signed.is_accepted());
    sign.tags = [
        (8, 0x16),
        (8, 0x18),
        (8, 0x20),
        (8, 0x30),
        (8, 0x50),
        (8, 0x60),
        (0x10, 0x10),
        (0x10, 0x20),
        (0x10, 0x30),
        (0x10, 0x40),
        (0x10, 0x1000),
        (0x10, 0x1002),
        (0x20, 0xD),
        (0x20, 0xE),
    ]
    .map(|(g, e)| Tag(g, e))
    .to_vec();
    let present = std::fs::read(sample(CT)).unwrap();
    let (syntax, at) = split(&present).unwrap();
    let present = parse(&syntax, &present[at..], VrChoice::default(), 100_000)
        .unwrap()
        .dataset;
    sign.tags.retain(|t| present.get(*t).is_some());
    sign_file(&one, &sign, &two).unwrap();
    let report = verify_file(&two, &require).unwrap();
    assert_eq!(report.overall, Overall::Valid, "{report:#?}");
    assert!(
        report.signatures.iter().any(|s| s.coverage.pixels)
            && report.signatures.iter().any(|s| s.coverage.identity)
    );
    assert!(!report.is_accepted());
}

#[test]
fn trust_is_decided_by_the_chain() {
    use Overall::{Untrusted, Valid};
    whole(CT).is("other.pem", Untrusted);
    whole(CT).is("rsa.pem", Untrusted);
    Case::new(CT, &signer("viasub")).is("trust", Valid);
    Case::new(CT, &signer("viasub")).is("root.pem", Untrusted);
    Case::by_dcmsign(CT, "viadeep", &["+m2"]).is("trust_deep", Untrusted);
    Case::by_dcmsign(CT, "vialeaf", &["+m2"]).is("trust_leaf", Untrusted);
    Case::by_dcmsign(CT, "wronguse", &["+m2"]).is("trust", Untrusted);
    Case::by_dcmsign(CT, "past", &["+m2"]).is("trust", Untrusted);
    let mut past = signer("past");
    assert!(sign_bytes(Path::new("x"), &std::fs::read(sample(CT)).unwrap(), &past).is_err());
    past.at_time = Some(1_590_000_000);
    let report = Case::new(CT, &past).is("trust", Valid);
    assert!(
        report.signatures[0]
            .warnings
            .iter()
            .any(|w| w.contains("expired since"))
    );
    let mut future = signer("rsa");
    future.at_time = Some(2_000_000_000);
    Case::new(CT, &future).is("trust", Untrusted);
    Case::new(CT, &signer("gone")).is("trust", Valid);
    let report = Case::new(CT, &signer("gone")).is("trust_crl", Untrusted);
    assert!(
        report.signatures[0].reasons[0].contains("revoked"),
        "{report:#?}"
    );
    whole(CT).is("trust_crl", Valid);
    assert_eq!(
        whole(CT).report(&VerifyOptions::default()).overall,
        Untrusted
    );
}

#[test]
fn weak_digests_and_keys_hold_with_a_warning() {
    for flag in ["+mm", "+ms"] {
        let report = Case::by_dcmsign(CT, "rsa", &[flag]).is("trust", Overall::Valid);
        assert!(
            report.signatures[0]
                .warnings
                .iter()
                .any(|w| w.contains("broken")),
            "{report:#?}"
        );
    }
    assert!(
        Case::by_dcmsign(CT, "rsa", &["+mr"])
            .is("trust", Overall::Valid)
            .signatures[0]
            .warnings
            .is_empty()
    );
    for name in ["p256", "p384", "p521"] {
        for flag in ["+mr", "+mm", "+ms"] {
            Case::by_dcmsign(CT, name, &[flag]).is("trust", Overall::Valid);
        }
    }
    let report = Case::new(CT, &signer("short")).is("trust", Overall::Valid);
    assert!(report.signatures[0].warnings[0].contains("too short"));
    // What can be broken at home proves nothing.
    let report = Case::by_dcmsign(CT, "tiny", &["+mr"]).is("trust", Overall::Untrusted);
    assert!(report.signatures[0].reasons[0].contains("can be broken"));
}

#[test]
fn several_signatures_are_told_apart() {
    let second = |case: Case, name: &str| {
        let mut sign = signer(name);
        sign.in_place = true;
        sign_file(&case.file, &sign, &case.file).unwrap();
        case
    };
    let report = second(whole(CT), "p256").is("trust", Overall::Valid);
    assert_eq!(report.signatures.len(), 2);
    // Changed in between: the first fails, the second holds, the file fails.
    let report =
        second(whole(CT).modify(&["-ma", "(0010,0010)=X"]), "p384").is("trust", Overall::Invalid);
    assert_eq!(
        [report.signatures[0].status, report.signatures[1].status],
        [Status::Invalid, Status::ValidTrusted]
    );
    let both = second(second(whole(CT), "p256"), "p384");
    let root = credentials().path("root.pem");
    assert_eq!(
        dcmsign(&["-q", "+rg", "+cf", text(&root), text(&both.file)]).0,
        0
    );
}

#[test]
fn items_can_be_signed_alone() {
    let source = "liver_1frame.dcm";
    let mut sign = signer("rsa");
    sign.place = Place::from_str("(0008,1115)[0]").unwrap();
    let bytes = std::fs::read(sample(source)).unwrap();
    let (syntax, at) = split(&bytes).unwrap();
    let item = parse(&syntax, &bytes[at..], VrChoice::default(), 100_000)
        .unwrap()
        .dataset;
    assert!(
        !item.items(Tag(0x0008, 0x1115)).is_empty(),
        "sample has a Referenced Series Sequence"
    );
    let case = Case::new(source, &sign);
    let report = case.is("trust", Overall::Valid);
    assert_eq!(report.signatures[0].place, "(0008,1115)[0]");
    let root = credentials().path("root.pem");
    assert_eq!(
        dcmsign(&["-q", "+rg", "+cf", text(&root), text(&case.file)]).0,
        0
    );
    Case::new(source, &sign)
        .modify(&["-ma", "(0010,0010)=X"])
        .is("trust", Overall::Valid);
    Case::new(source, &sign)
        .modify(&["-ma", "(0008,1115)[0].(0020,000e)=1.2"])
        .is("trust", Overall::Invalid);
    let mut require = options("trust");
    require.require_coverage = vec![Aspect::Pixels];
    assert!(!case.report(&require).is_accepted());
    // The item's signature takes no part in that of the data set, whichever comes first.
    for item_first in [true, false] {
        let (mut first, mut second) = (signer("rsa"), signer("p256"));
        let place = Place::from_str("(0008,1115)[0]").unwrap();
        if item_first {
            first.place = place
        } else {
            second.place = place
        }
        second.in_place = true;
        let case = Case::new(source, &first);
        sign_file(&case.file, &second, &case.file).unwrap();
        assert_eq!(case.is("trust", Overall::Valid).signatures.len(), 2);
        assert_eq!(
            dcmsign(&["-q", "+rg", "+cf", text(&root), text(&case.file)]).0,
            0
        );
    }
    // dcmsign's signature of an item.
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("t.dcm");
    let (key, cert) = (credentials().path("rsa.key"), credentials().path("rsa.pem"));
    let from = sample(source);
    let (code, message) = dcmsign(&[
        "+si",
        text(&key),
        text(&cert),
        "(0008,1115)[0]",
        "+m2",
        text(&from),
        text(&theirs),
    ]);
    assert_eq!(code, 0, "{message}");
    assert_eq!(
        verify_file(&theirs, &options("trust")).unwrap().overall,
        Overall::Valid
    );
}

#[test]
fn originals_stay_and_keys_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.dcm");
    std::fs::copy(sample(CT), &file).unwrap();
    let before = std::fs::read(&file).unwrap();
    let mut sign = signer("rsa");
    assert!(matches!(
        sign_file(&file, &sign, &file),
        Err(SignatureError::WouldOverwrite { .. })
    ));
    let other = dir.path().join("b.dcm");
    std::fs::write(&other, "x").unwrap();
    sign.in_place = true;
    assert!(matches!(
        sign_file(&file, &sign, &other),
        Err(SignatureError::WouldOverwrite { .. })
    ));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let out = dir.path().join("c.dcm");
    sign_file(&file, &sign, &out).unwrap();
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&out).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    sign_file(&file, &sign, &file).unwrap();
    assert!(format!("{sign:?}").contains("redacted"));
    // Nothing but the two sequences differs: dcmsign's removal gives the original elements back.
    let bytes = std::fs::read(&out).unwrap();
    let at = find(&bytes, b"\xfe\x4f\x01\x00SQ");
    assert_eq!(bytes[..at], before[..at]);
    let pixels = find(&before, b"\xe0\x7f\x10\x00OW");
    let rest = find(&bytes, b"\xe0\x7f\x10\x00OW");
    assert_eq!(bytes[rest..rest + 32_000], before[pixels..pixels + 32_000]);
}

#[test]
fn a_policy_says_who_must_sign() {
    let policy = |text: &str| Policy::from_toml(text).unwrap();
    let case = whole(CT);
    let check = |text: &str| {
        let mut options = options("trust");
        options.policy = Some(policy(text));
        case.report(&options).is_accepted()
    };
    let print = Certificate::from_der(&pem_der("rsa"))
        .unwrap()
        .fingerprint();
    assert!(check(&format!(
        "[[rule]]\nname='a'\nmodality='CT'\nsigner_fingerprint=['{print}']\ncoverage=['pixels']"
    )));
    assert!(!check(
        "[[rule]]\nname='a'\nmodality='CT'\nsigner_fingerprint=['00']"
    ));
    assert!(check(
        "[[rule]]\nname='a'\nmodality='CT'\nfrom='2024-01-01'\nsigner_fingerprint=['00']"
    ));
    assert!(!check(
        "[[rule]]\nname='a'\nmodality='CT'\nfrom='1990-01-01'\nsigner_fingerprint=['00']"
    ));
    assert!(!check(
        "otherwise='reject'\n[[rule]]\nname='a'\nmodality='DX'"
    ));
    assert!(check(
        "[[rule]]\nname='a'\nsigner_subject='CN=rsa'\nstrong_digest=true\nprofile='base'"
    ));
    assert!(!check("[[rule]]\nname='a'\ntimestamp=true"));
    assert!(Policy::from_toml("[[rule]]\nname='a'\nmodalty='CT'").is_err());
    assert!(Policy::from_toml("[[rule]]\nname='a'\nfrom='1990'").is_err());
    let unsigned = Case {
        dir: tempfile::tempdir().unwrap(),
        file: sample(CT),
    };
    let mut options = options("trust");
    options.policy = Some(policy("[[rule]]\nname='a'\nmodality='CT'"));
    let report = unsigned.report(&options);
    assert_eq!(report.unmet.len(), 1);
}

#[test]
fn a_purpose_is_signed_and_told() {
    let mut sign = signer("rsa");
    sign.purpose = Purpose::from_code(14);
    let case = Case::new(CT, &sign);
    let report = case.is("trust", Overall::Valid);
    assert_eq!(
        report.signatures[0].purpose.as_deref(),
        Some("Source Signature")
    );
    let root = credentials().path("root.pem");
    assert_eq!(
        dcmsign(&["-q", "+rg", "+cf", text(&root), text(&case.file)]).0,
        0
    );
    let edit = "(fffa,fffa)[0].(0400,0401)[0].(0008,0100)=1";
    case.modify(&["-ma", edit]).is("trust", Overall::Invalid);
}

#[test]
fn a_file_compressed_with_implicit_vr_is_signed_like_any() {
    // dcmsign itself cannot read the JPEG one.
    Case::new("SC_rgb_jpeg.dcm", &signer("rsa")).is("trust", Overall::Valid);
    for source in ["rtdose_rle.dcm", "rtdose_rle_1frame.dcm"] {
        let case = Case::new(source, &signer("rsa"));
        case.is("trust", Overall::Valid);
        let root = credentials().path("root.pem");
        assert_eq!(
            dcmsign(&["-q", "+rg", "+cf", text(&root), text(&case.file)]).0,
            0,
            "{source}"
        );
    }
}

#[test]
fn reports_are_machine_readable() {
    let report = whole(CT).is("trust", Overall::Valid);
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["overall"], "valid");
    assert_eq!(json["signatures"][0]["status"], "valid_trusted");
    assert_eq!(json["signatures"][0]["digest"], "sha256");
    assert_eq!(json["signatures"][0]["coverage"]["pixels"], true);
}

#[test]
fn keys_of_every_form_sign() {
    let dir = tempfile::tempdir().unwrap();
    let openssl = |args: &[&str]| {
        let out = run("openssl", args, credentials().dir.path());
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    };
    let (out, der) = (dir.path().join("key"), dir.path().join("cert.der"));
    for (name, traditional) in [
        ("rsa", "rsa"),
        ("p256", "ec"),
        ("p384", "ec"),
        ("p521", "ec"),
    ] {
        let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
        openssl(&["x509", "-in", &cert, "-outform", "DER", "-out", text(&der)]);
        for args in [
            &["pkey", "-in", &key, "-outform", "DER"][..],
            &["pkey", "-in", &key],
            // PKCS#1 and SEC 1.
            &[traditional, "-in", &key, "-traditional"][..if traditional == "rsa" { 4 } else { 3 }],
            &[
                "pkcs8", "-topk8", "-nocrypt", "-in", &key, "-outform", "DER",
            ],
        ] {
            openssl(&[args, &["-out", text(&out)]].concat());
            let sign = SignOptions::from_files(&out, &der).unwrap();
            Case::new(CT, &sign).is("trust", Overall::Valid);
        }
        let encrypted = ["pkcs8", "-topk8", "-in", &key, "-passout", "pass:x", "-out"];
        openssl(&[&encrypted[..], &[text(&out)]].concat());
        let error = SignOptions::from_files(&out, &der).unwrap_err().to_string();
        assert!(error.contains("encrypted"), "{error}");
    }
    // A key of another certificate.
    let c = credentials();
    let error = SignOptions::from_files(&c.path("rsa.key"), &c.path("gone.pem")).unwrap_err();
    assert!(error.to_string().contains("is not for the key"), "{error}");
}
