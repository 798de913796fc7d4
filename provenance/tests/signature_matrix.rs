//! The tamper matrix: edits by third-party programs, our verdict, and dcmsign's beside it. Where
//! dcmsign is content although something changed, we must say what.
//!
//! The table is printed; with VERARAY_WRITE_MATRIX=FILE it is written there.
#![allow(missing_docs)]

mod support;

use dicom_core::Tag;
use support::case::*;
use support::{credentials, dcmsign};
use veraray_provenance::signature::*;

struct Row {
    edit: String,
    ours: Overall,
    told: String,
    dcmsign: i32,
}

/// What a reader learns beside the verdict.
fn told(report: &Report) -> String {
    let Some(signature) = report.signatures.iter().find(|s| !s.reasons.is_empty()) else {
        let mut words = Vec::new();
        for s in &report.signatures {
            let c = &s.coverage;
            if !c.added_since.is_empty() {
                words.push(format!(
                    "added or left out: {}",
                    names(&c.added_since).join(", ")
                ));
            } else if c.unsigned_count > 0 {
                let first: Vec<_> = names(&c.unsigned).into_iter().take(4).collect();
                words.push(format!(
                    "{} open: {}, …",
                    c.unsigned_count,
                    first.join(", ")
                ));
            }
            let aspects = Aspect::ALL.into_iter().filter(|&a| !c.covers(a));
            let aspects: Vec<_> = aspects.map(|a| a.to_string()).collect();
            if !aspects.is_empty() {
                words.push(format!("not covered: {}", aspects.join(", ")));
            }
            words.extend(s.warnings.first().cloned());
        }
        words.extend(report.notes.first().cloned());
        return words.join("; ");
    };
    signature.reasons[0].clone()
}

struct Matrix(Vec<Row>);

impl Matrix {
    fn row(&mut self, edit: &str, case: &Case, trust: &str, expected: Overall) {
        let report = case.is(trust, expected);
        let root = credentials().path("root.pem");
        let (code, _) = dcmsign(&["-q", "+cf", text(&root), text(&case.file)]);
        if expected == Overall::Invalid {
            assert_ne!(code, 0, "{edit}: dcmsign accepts what we call invalid");
        }
        self.0.push(Row {
            edit: edit.to_owned(),
            ours: report.overall,
            told: told(&report),
            dcmsign: code,
        });
    }

    /// An edit that dcmsign does not notice: we must name `what`.
    fn unnoticed(&mut self, edit: &str, case: &Case, what: &str) {
        self.row(edit, case, "trust", Overall::Valid);
        let row = self.0.last().unwrap();
        assert_eq!(row.dcmsign, 0, "{edit}: dcmsign did notice");
        assert!(row.told.contains(what), "{edit}: {}", row.told);
    }

    fn print(&self) -> String {
        let mut out =
            String::from("| edit | verdict | what is said of it | dcmsign |\n|---|---|---|---|\n");
        for row in &self.0 {
            let code = match row.dcmsign {
                0 => "OK".to_owned(),
                100 => "no signature (100)".to_owned(),
                code => format!("failed ({code})"),
            };
            let word = row.ours.word();
            out += &format!("| {} | {word} | {} | {code} |\n", row.edit, row.told);
        }
        out
    }
}

fn partly(tag: Tag) -> Case {
    let mut sign = signer("rsa");
    sign.tags = vec![tag];
    Case::new(CT, &sign)
}

fn creator() -> Case {
    let mut sign = signer("rsa");
    sign.profile = Profile::Creator;
    Case::new(CT, &sign)
}

fn flip_pixel(bytes: &mut [u8]) {
    let at = find(bytes, b"\xe0\x7f\x10\x00OW\0\0");
    bytes[at + 12 + 5000] ^= 1;
}

#[test]
fn every_edit_gets_its_verdict() {
    use Overall::{Invalid, None, Untrusted, Unverifiable, Valid};
    let mut m = Matrix(Vec::new());
    m.row("none", &whole(CT), "trust", Valid);
    for (what, edit) in [
        ("patient's name", "(0010,0010)=Other^Name"),
        ("patient ID", "(0010,0020)=999"),
        ("birth date", "(0010,0030)=19000101"),
        ("sex", "(0010,0040)=M"),
        ("SOP instance UID", "(0008,0018)=1.2.3"),
        ("study UID", "(0020,000d)=1.2.3"),
        ("study date", "(0008,0020)=19990101"),
        ("accession number", "(0008,0050)=77"),
        ("modality", "(0008,0060)=MR"),
        ("manufacturer", "(0008,0070)=Nobody"),
        ("slice thickness", "(0018,0050)=1"),
        ("position", "(0020,0032)=1\\2\\3"),
        ("orientation", "(0020,0037)=1\\0\\0\\0\\0\\1"),
        ("pixel spacing", "(0028,0030)=1\\1"),
        ("rows", "(0028,0010)=64"),
        ("signedness", "(0028,0103)=0"),
        ("rescale intercept", "(0028,1052)=0"),
        ("rescale slope", "(0028,1053)=2"),
    ] {
        let case = whole(CT).modify(&["-ma", edit]);
        m.row(&format!("{what} changed"), &case, "trust", Invalid);
    }
    m.row(
        "one pixel changed",
        &whole(CT).bytes(|b| flip_pixel(b)),
        "trust",
        Invalid,
    );
    let case = whole(CT).modify(&["-ea", "(0008,0060)"]);
    m.row("modality removed", &case, "trust", Invalid);
    for (what, args) in [
        (
            "time of signing changed",
            [
                "-ma",
                "(fffa,fffa)[0].(0400,0105)=20230101000000.000000+0000",
            ],
        ),
        (
            "digest renamed",
            ["-ma", "(4ffe,0001)[0].(0400,0015)=SHA512"],
        ),
        (
            "list of signed elements shortened",
            ["-ma", "(4ffe,0001)[0].(0400,0020)=(0010,0010)"],
        ),
        ("MAC parameters removed", ["-ea", "(4ffe,0001)"]),
        ("certificate removed", ["-ea", "(fffa,fffa)[0].(0400,0115)"]),
        (
            "signature value removed",
            ["-ea", "(fffa,fffa)[0].(0400,0120)"],
        ),
    ] {
        m.row(what, &whole(CT).modify(&args), "trust", Invalid);
    }
    let case = whole(CT).bytes(|b| {
        let at = rfind(b, b"\x00\x04\x20\x01OB\0\0");
        b[at + 40] ^= 0x10;
    });
    m.row("signature value changed", &case, "trust", Invalid);
    let donor = std::fs::read(whole("MR_small.dcm").file).unwrap();
    let case = whole(CT).bytes(|b| {
        let (from, at) = (
            rfind(&donor, b"\xfa\xff\xfa\xffSQ"),
            rfind(b, b"\xfa\xff\xfa\xffSQ"),
        );
        b.truncate(at);
        b.extend(&donor[from..]);
    });
    m.row("signature of another file put in", &case, "trust", Invalid);
    let case = whole(CT).bytes(|b| {
        let other = Certificate::from_der(&pem_der("gone")).unwrap();
        let at = rfind(b, b"\x00\x04\x15\x01OB\0\0") + 12;
        let length = u32::from_le_bytes(b[at - 4..at].try_into().unwrap()) as usize;
        let mut der = other.der().to_vec();
        der.resize(length, 0);
        b[at..at + length].copy_from_slice(&der);
    });
    m.row(
        "certificate of somebody else put in",
        &case,
        "trust",
        Invalid,
    );
    let case = whole(CT).through("dcmsign", &["-q", "+ra"]);
    m.row("signature stripped", &case, "trust", None);
    let case = whole(CT).bytes(|b| {
        let at = find(b, b"\x10\x00\x10\x00PN");
        b.splice(at..at, *b"\x10\x00\x10\x00PN\x04\x00Evil");
    });
    m.row(
        "a second patient's name before the first",
        &case,
        "trust",
        Unverifiable,
    );

    // Unsigned things that changed.
    for (what, edit, name) in [
        ("comment added", "(0010,4000)=looks fine", "PatientComments"),
        ("window added", "(0028,1050)=40", "WindowCenter"),
        (
            "request added",
            "(0040,0275)[0].(0040,0007)=x",
            "RequestAttributesSequence",
        ),
        ("overlay added", "(6000,0010)=8", "OverlayRows"),
    ] {
        m.unnoticed(what, &whole(CT).modify(&["-i", edit]), name);
    }
    let case = whole(CT).modify(&["-i", "(0061,0010)=ACME"]);
    m.row("private element added", &case, "trust", Valid);
    let case = creator().modify(&["-ma", "(0010,0010)=Other^Name"]);
    m.unnoticed("name changed under a creator signature", &case, "identity");
    let case = partly(Tag(0x0010, 0x0010)).bytes(|b| flip_pixel(b));
    m.unnoticed(
        "pixel changed where the name alone is signed",
        &case,
        "pixels",
    );
    let case = partly(Tag(0x7FE0, 0x0010)).modify(&["-ma", "(0028,0010)=64"]);
    m.unnoticed(
        "rows changed where the pixel data alone are signed",
        &case,
        "pixels",
    );
    let case = Case::by_dcmsign(CT, "rsa", &["+mm"]);
    m.unnoticed("none, but signed over MD5", &case, "MD5");

    // Certificates.
    m.row(
        "none, another authority trusted",
        &whole(CT),
        "other.pem",
        Untrusted,
    );
    m.row(
        "none, certificate revoked",
        &Case::new(CT, &signer("gone")),
        "trust_crl",
        Untrusted,
    );
    for (what, name) in [
        ("none, certificate expired before signing", "past"),
        ("none, certificate not for signing", "wronguse"),
    ] {
        m.row(
            what,
            &Case::by_dcmsign(CT, name, &["+m2"]),
            "trust",
            Untrusted,
        );
    }
    let case = Case::by_dcmsign(CT, "vialeaf", &["+m2"]);
    m.row(
        "none, issued by a device's certificate",
        &case,
        "trust_leaf",
        Untrusted,
    );

    // Other forms of the same data.
    for (what, flag) in [
        ("stored big endian", "+tb"),
        ("stored deflated", "+td"),
        ("sequences of other length forms", "-e"),
    ] {
        let args: &[&str] = if flag == "-e" {
            &["+te", "-e"]
        } else {
            &[flag]
        };
        m.row(what, &whole(CT).through("dcmconv", args), "trust", Valid);
    }
    let mr = || whole("MR_small.dcm");
    m.row(
        "stored as implicit VR",
        &mr().through("dcmconv", &["+ti"]),
        "trust",
        Valid,
    );
    let case = whole(CT).through("dcmconv", &["+ti"]);
    m.row(
        "stored as implicit VR, with private elements",
        &case,
        "trust",
        Unverifiable,
    );
    let case = whole(CT).bytes(|b| {
        let at = find(b, b"\x09\x00\x01\x10LO");
        let length = u16::from_le_bytes([b[at + 6], b[at + 7]]);
        let head = [&b"UN\0\0"[..], &u32::from(length).to_le_bytes()].concat();
        b.splice(at + 4..at + 8, head);
    });
    m.row(
        "private element turned into UN",
        &case,
        "trust",
        Unverifiable,
    );
    for (what, program, args) in [
        ("compressed: RLE", "dcmcrle", &[][..]),
        ("compressed: JPEG lossless", "dcmcjpeg", &["+e1", "+un"]),
        ("compressed: JPEG-LS", "dcmcjpls", &["+un"]),
    ] {
        m.row(what, &mr().through(program, args), "trust", Unverifiable);
    }
    let case = mr().through("dcmcrle", &[]).through("dcmdrle", &[]);
    m.row("compressed and decompressed", &case, "trust", Valid);
    let case = whole("MR_small_RLE.dcm").through("dcmdrle", &[]);
    m.row(
        "signed compressed, then decompressed",
        &case,
        "trust",
        Unverifiable,
    );

    let table = m.print();
    eprintln!("{table}{} edits", m.0.len());
    assert!(m.0.len() >= 30);
    if let Ok(path) = std::env::var("VERARAY_WRITE_MATRIX") {
        std::fs::write(path, table).unwrap();
    }
}
