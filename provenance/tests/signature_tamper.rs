//! Edits with third-party programs, each with the verdict it must get.
#![allow(missing_docs, unused_imports)]

mod support;

use std::path::Path;
use std::str::FromStr as _;

use dicom_core::Tag;
use support::case::*;
use support::{credentials, dcmsign, run, sample};
use veraray_provenance::signature::*;

#[test]
fn untouched_is_valid_and_covers_everything() {
    let report = whole(CT).is("trust", Overall::Valid);
    let coverage = &report.signatures[0].coverage;
    assert!(
        coverage.pixels && coverage.geometry && coverage.rescale && coverage.identity,
        "{coverage:#?}"
    );
    assert!(coverage.unsigned.is_empty() && report.is_accepted());
    assert_eq!(report.signatures[0].chain.len(), 2);
}

#[test]
fn a_changed_signed_element_is_found() {
    let edits = [
        "(0010,0010)=Other^Name",
        "(0010,0020)=999",
        "(0010,0030)=19000101",
        "(0010,0040)=M",
        "(0008,0018)=1.2.3",
        "(0008,0016)=1.2.840.10008.5.1.4.1.1.4",
        "(0020,000d)=1.2.3",
        "(0020,000e)=1.2.3",
        "(0008,0020)=19990101",
        "(0008,0050)=77",
        "(0008,0060)=MR",
        "(0008,0070)=Nobody",
        "(0018,0050)=1",
        "(0020,0032)=1\\2\\3",
        "(0020,0037)=1\\0\\0\\0\\0\\1",
        "(0020,0052)=1.2.3",
        "(0028,0010)=64",
        "(0028,0030)=1\\1",
        "(0028,0100)=8",
        "(0028,0103)=0",
        "(0028,1052)=0",
        "(0028,1053)=2",
        "(0018,5100)=HFS",
    ];
    for edit in edits {
        let report = whole(CT)
            .modify(&["-ma", edit])
            .is("trust", Overall::Invalid);
        assert!(!report.is_accepted());
    }
}

#[test]
fn changed_pixels_are_found() {
    whole(CT)
        .bytes(|b| {
            let at = find(b, b"\xe0\x7f\x10\x00OW\0\0");
            b[at + 12 + 5000] ^= 1;
        })
        .is("trust", Overall::Invalid);
}

#[test]
fn a_removed_element_is_named() {
    let report = whole(CT)
        .modify(&["-ea", "(0008,0060)"])
        .is("trust", Overall::Invalid);
    assert!(
        report.signatures[0].reasons[0].contains("Modality"),
        "{report:#?}"
    );
}

#[test]
fn an_altered_signature_is_found() {
    // The signature's value, its time, its list of elements, its algorithm.
    whole(CT)
        .bytes(|b| {
            let at = rfind(b, b"\x00\x04\x20\x01OB\0\0");
            b[at + 40] ^= 0x10;
        })
        .is("trust", Overall::Invalid);
    whole(CT)
        .modify(&[
            "-ma",
            "(fffa,fffa)[0].(0400,0105)=20230101000000.000000+0000",
        ])
        .is("trust", Overall::Invalid);
    whole(CT)
        .modify(&["-ma", "(4ffe,0001)[0].(0400,0015)=SHA512"])
        .is("trust", Overall::Invalid);
    whole(CT)
        .modify(&["-ma", "(4ffe,0001)[0].(0400,0020)=(0010,0010)"])
        .is("trust", Overall::Invalid);
    whole(CT)
        .modify(&["-ma", "(4ffe,0001)[0].(0400,0005)=7"])
        .is("trust", Overall::Invalid);
    whole(CT)
        .modify(&["-ea", "(4ffe,0001)"])
        .is("trust", Overall::Invalid);
    whole(CT)
        .modify(&["-ea", "(fffa,fffa)[0].(0400,0115)"])
        .is("trust", Overall::Invalid);
    whole(CT)
        .modify(&["-ea", "(fffa,fffa)[0].(0400,0120)"])
        .is("trust", Overall::Invalid);
    whole(CT)
        .modify(&["-ma", "(4ffe,0001)[0].(0400,0015)=SHA3"])
        .is("trust", Overall::Unverifiable);
    whole(CT)
        .modify(&["-ma", "(4ffe,0001)[0].(0400,0010)=1.2.840.10008.1.2"])
        .is("trust", Overall::Unverifiable);
}

#[test]
fn a_list_of_unsignable_elements_is_refused() {
    let report = whole(CT)
        .bytes(|b| {
            // The first tag named, (0008,0005), becomes (0008,0001).
            let at = find(b, b"\x00\x04\x20\x00AT") + 8;
            assert_eq!(&b[at..at + 4], b"\x08\x00\x05\x00");
            b[at + 2] = 1;
        })
        .is("trust", Overall::Unverifiable);
    assert_eq!(report.signatures[0].status, Status::Unsignable);
}

#[test]
fn another_certificate_does_not_fit() {
    let other = Certificate::from_der(&pem_der("gone")).unwrap();
    whole(CT)
        .bytes(|b| {
            let at = rfind(b, b"\x00\x04\x15\x01OB\0\0") + 12;
            let length = u32::from_le_bytes(b[at - 4..at].try_into().unwrap()) as usize;
            let mut der = other.der().to_vec();
            // Both certificates are nearly equally long; a file of other lengths would not parse.
            der.resize(length, 0);
            b[at..at + length].copy_from_slice(&der);
        })
        .is("trust", Overall::Invalid);
}

#[test]
fn a_stripped_signature_is_absent() {
    let report = whole(CT)
        .through("dcmsign", &["-q", "+ra"])
        .is("trust", Overall::None);
    assert!(!report.is_accepted());
}

#[test]
fn a_signature_from_another_file_does_not_hold() {
    let donor = std::fs::read(whole("MR_small.dcm").file).unwrap();
    // Everything from the MAC parameters on, put in place of the victim's; pixel data lie between.
    let report = whole(CT).bytes(|b| {
        let (from, at) = (
            rfind(&donor, b"\xfa\xff\xfa\xffSQ"),
            rfind(b, b"\xfa\xff\xfa\xffSQ"),
        );
        b.truncate(at);
        b.extend(&donor[from..]);
    });
    report.is("trust", Overall::Invalid);
}

#[test]
fn what_was_added_is_told() {
    for (edit, name) in [
        ("(0010,4000)=looks fine", "PatientComments"),
        ("(0040,0275)[0].(0040,0007)=x", "RequestAttributesSequence"),
        ("(0028,1050)=40", "WindowCenter"),
    ] {
        let case = whole(CT).modify(&["-i", edit]);
        let root = credentials().path("root.pem");
        assert_eq!(
            dcmsign(&["-q", "+cf", text(&root), text(&case.file)]).0,
            0,
            "dcmsign says nothing of it"
        );
        let report = case.is("trust", Overall::Valid);
        let coverage = &report.signatures[0].coverage;
        assert_eq!(names(&coverage.unsigned), [name]);
        assert_eq!(names(&coverage.added_since), [name]);
        // An added window belongs to what decides how the image looks.
        assert_eq!(coverage.rescale, name != "WindowCenter");
    }
    let report = whole(CT)
        .modify(&["-i", "(0061,0010)=ACME"])
        .is("trust", Overall::Valid);
    assert_eq!(
        report.signatures[0].coverage.added_since[0].tag,
        "(0061,0010)"
    );
}

#[test]
fn other_encodings_of_the_same_data_hold() {
    whole(CT)
        .through("dcmconv", &["+te", "-e"])
        .is("trust", Overall::Valid);
    whole(CT)
        .through("dcmconv", &["+te", "+g"])
        .is("trust", Overall::Valid);
    whole(CT)
        .through("dcmconv", &["+te", "+p", "512", "512"])
        .is("trust", Overall::Valid);
    whole(CT)
        .through("dcmconv", &["+tb"])
        .is("trust", Overall::Valid);
    whole(CT)
        .through("dcmconv", &["+td"])
        .is("trust", Overall::Valid);
    whole(CT)
        .bytes(|b| b[..128].fill(7))
        .is("trust", Overall::Valid);
    // No private elements: every VR comes back from the dictionary.
    whole("MR_small.dcm")
        .through("dcmconv", &["+ti"])
        .is("trust", Overall::Valid);
    let stays = whole("CT_small.dcm").through("dcmconv", &["+ti"]);
    let report = stays.is("trust", Overall::Unverifiable);
    assert!(
        report.signatures[0].reasons[0].contains("value representation"),
        "{report:#?}"
    );
    // 8-bit pixels were OB and come back as OW: only a second reading holds.
    let report = whole("SC_ybr_full_422_uncompressed.dcm")
        .through("dcmconv", &["+ti"])
        .is("trust", Overall::Valid);
    assert!(
        report.signatures[0].warnings[0].contains("implicit VR"),
        "{report:#?}"
    );
}

#[test]
fn private_elements_turned_into_un_are_no_tampering() {
    let case = whole(CT)
        .through("dcmconv", &["+ti"])
        .through("dcmconv", &["+te"]);
    let report = case.report(&options("trust"));
    assert!(
        matches!(report.overall, Overall::Unverifiable | Overall::Valid),
        "{report:#?}"
    );
    whole(CT)
        .bytes(|b| {
            // A private element's VR, LO, becomes UN with its longer header.
            let at = find(b, b"\x09\x00\x01\x10LO");
            let length = u16::from_le_bytes([b[at + 6], b[at + 7]]);
            let head = [&b"UN\0\0"[..], &u32::from(length).to_le_bytes()].concat();
            b.splice(at + 4..at + 8, head);
        })
        .is("trust", Overall::Unverifiable);
}

#[test]
fn a_pass_through_implicit_vr_and_back_is_no_tampering() {
    // 8-bit pixels were OB, and an implicit reader makes them OW.
    let report = whole("SC_ybr_full_422_uncompressed.dcm")
        .through("dcmconv", &["+ti"])
        .through("dcmconv", &["+te"])
        .is("trust", Overall::Valid);
    assert!(
        report.signatures[0].warnings[0].contains("implicit VR"),
        "{report:#?}"
    );
}

#[test]
fn transcoded_pixels_are_unverifiable_until_decoded() {
    let report = whole("MR_small.dcm")
        .through("dcmcrle", &[])
        .is("trust", Overall::Unverifiable);
    assert!(
        report.signatures[0].reasons[0].contains("transcoded"),
        "{report:#?}"
    );
    whole("MR_small.dcm")
        .through("dcmcjpeg", &["+e1", "+un"])
        .is("trust", Overall::Unverifiable);
    whole("MR_small.dcm")
        .through("dcmcrle", &[])
        .through("dcmdrle", &[])
        .is("trust", Overall::Valid);
    whole("MR_small.dcm")
        .through("dcmcjpeg", &["+e1", "+un"])
        .through("dcmdjpeg", &[])
        .is("trust", Overall::Valid);
    let pixels: Vec<u16> = {
        let bytes = std::fs::read(sample("MR_small.dcm")).unwrap();
        let at = rfind(&bytes, b"\xe0\x7f\x10\x00OW\0\0") + 12;
        let length = u32::from_le_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
        let cells = bytes[at..at + length].chunks_exact(2);
        cells.map(|c| u16::from_le_bytes([c[0], c[1]])).collect()
    };
    let case = whole("MR_small.dcm").through("dcmcrle", &[]);
    let decode = |file: PixelFile| {
        // What the decoder gets is a DICOM file like any: DCMTK reads it.
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("p.dcm"), &file.bytes).unwrap();
        assert!(
            run("dcmdrle", &["p.dcm", "o.dcm"], dir.path())
                .status
                .success()
        );
        assert_eq!(file.samples, pixels.len());
        Some(pixels.clone())
    };
    let wrong = |_: PixelFile| Some(vec![0; pixels.len()]);
    let short = |_: PixelFile| Some(vec![0_u16; 3]);
    let none = |_: PixelFile| None;
    let check = |decoder: &PixelDecoder<'_>, limits| {
        case.report(&VerifyOptions {
            decoder: Some(decoder),
            limits,
            ..options("trust")
        })
    };
    let report = check(&decode, Limits::default());
    assert_eq!(report.overall, Overall::Valid, "{report:#?}");
    assert!(report.signatures[0].warnings[0].contains("losslessly decoded"));
    let report = check(&wrong, Limits::default());
    assert_eq!(report.overall, Overall::Unverifiable);
    assert!(report.signatures[0].reasons[1].contains("does not hold on the decoded"));
    for (decoder, samples) in [
        (&short as &PixelDecoder<'_>, 1 << 20),
        (&none, 1 << 20),
        (&decode, pixels.len() - 1),
    ] {
        let limits = Limits {
            samples,
            ..Limits::default()
        };
        let report = check(decoder, limits);
        assert_eq!(report.overall, Overall::Unverifiable);
        assert!(report.signatures[0].reasons[1].contains("could not be decoded"));
    }
    // Signed compressed, then decompressed.
    let report = whole("MR_small_RLE.dcm")
        .through("dcmdrle", &[])
        .is("trust", Overall::Unverifiable);
    assert!(report.signatures[0].reasons[0].contains("transcoded"));
}

#[test]
fn an_element_twice_is_unverifiable() {
    whole(CT)
        .bytes(|b| {
            let at = find(b, b"\x10\x00\x10\x00PN");
            b.splice(at..at, *b"\x10\x00\x10\x00PN\x04\x00Evil");
        })
        .is("trust", Overall::Unverifiable);
}

#[test]
fn a_truncated_file_is_an_error() {
    let case = whole(CT);
    let length = std::fs::metadata(&case.file).unwrap().len() as usize;
    for cut in [10, 140, 500, length / 2, length - 10] {
        let bytes = std::fs::read(&case.file).unwrap();
        let result = verify_bytes(&case.file, &bytes[..cut], &options("trust"));
        assert!(result.is_err(), "{cut}");
    }
}
