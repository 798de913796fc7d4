//! Broken and hostile bytes: an error or a verdict, never a panic, never 'valid' by accident.
#![allow(missing_docs)]

mod support;

use std::path::Path;

use support::{credentials, dicom_files, sample};
use veraray_provenance::signature::*;

fn options() -> VerifyOptions<'static> {
    let trust = TrustStore::from_path(&credentials().path("trust")).unwrap();
    VerifyOptions {
        trust,
        ..VerifyOptions::default()
    }
}

fn signed(source: &str) -> Vec<u8> {
    let c = credentials();
    let sign = SignOptions::from_files(&c.path("rsa.key"), &c.path("rsa.pem")).unwrap();
    sign_bytes(
        Path::new("x"),
        &std::fs::read(sample(source)).unwrap(),
        &sign,
    )
    .unwrap()
    .0
}

/// A small generator of numbers, the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

#[test]
fn one_changed_byte_of_a_fully_signed_data_set_is_never_overlooked() {
    let options = options();
    let whole = signed("MR_small.dcm");
    let (_, start) = split(&whole).unwrap();
    let mut random = Random(7);
    let (mut tried, mut passed) = (0, Vec::new());
    for _ in 0..1500 {
        let at = start + random.next(whole.len() - start);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << random.next(8);
        tried += 1;
        let Ok(report) = verify_bytes(Path::new("x"), &bytes, &options) else {
            continue;
        };
        if report.overall == Overall::Valid {
            passed.push((at, report));
        }
    }
    // What may pass: a change in an element the report then lists as unsigned, in text padding, in
    // a length form, or in the lists outside the MAC that then name fewer or other absent elements.
    let silent: Vec<_> = passed
        .iter()
        .filter(|(_, r)| {
            let c = &r.signatures[0].coverage;
            c.unsigned.is_empty()
                && c.unsignable.is_empty()
                && c.absent.is_empty()
                && r.signatures[0].warnings.is_empty()
        })
        .map(|(at, _)| {
            (
                *at,
                whole[at.saturating_sub(12)..(at + 4).min(whole.len())].to_vec(),
            )
        })
        .collect();
    eprintln!(
        "{tried} single-bit changes, {} still valid, {} of them without a remark",
        passed.len(),
        silent.len()
    );
    assert!(silent.len() <= tried / 200, "{silent:02x?}");
}

#[test]
fn mutations_do_not_panic() {
    let options = options();
    let seeds = [
        signed("CT_small.dcm"),
        signed("MR_small_RLE.dcm"),
        signed("liver_1frame.dcm"),
    ];
    let mut random = Random(42);
    for round in 0..3000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=random.next(6) {
            let length = bytes.len();
            match random.next(4) {
                0 => bytes[random.next(length)] = random.next(256) as u8,
                1 => {
                    let at = random.next(length - 4);
                    bytes[at..at + 4].fill(0xFF);
                }
                2 => {
                    let (at, n) = (132 + random.next(length - 132), random.next(64));
                    bytes.drain(at..(at + n).min(length));
                }
                _ => {
                    let (at, n) = (random.next(length), random.next(64));
                    let copy = bytes[at..(at + n).min(length)].to_vec();
                    let to = random.next(length);
                    bytes.splice(to..to, copy);
                }
            }
            if bytes.len() < 200 {
                break;
            }
        }
        if let Ok(report) = verify_bytes(Path::new("x"), &bytes, &options) {
            assert!(
                report
                    .signatures
                    .iter()
                    .all(|s| !s.reasons.iter().any(|r| r.contains("library failed")))
            );
        }
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let head = std::fs::read(sample("MR_small.dcm")).unwrap();
    let (_, start) = split(&head).unwrap();
    let mut deep = head[..start].to_vec();
    for _ in 0..100_000 {
        deep.extend(b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff");
    }
    assert!(verify_bytes(Path::new("x"), &deep, &options()).is_err());
    let mut long = head[..start].to_vec();
    long.extend(b"\x10\x00\x10\x00UT\0\0\xfe\xff\xff\xff");
    assert!(verify_bytes(Path::new("x"), &long, &options()).is_err());
    assert!(verify_bytes(Path::new("x"), b"", &options()).is_err());
}

#[test]
fn every_file_can_be_asked() {
    let options = options();
    let mut read = 0;
    for file in dicom_files() {
        if verify_file(&file, &options).is_ok_and(|r| r.overall == Overall::None) {
            read += 1;
        }
    }
    eprintln!("{read} of {} files read, none signed", dicom_files().len());
    assert!(read > 150);
}

/// A file of one data set, written by hand.
fn file(elements: &[u8]) -> Vec<u8> {
    let head = std::fs::read(sample("MR_small.dcm")).unwrap();
    let (_, start) = split(&head).unwrap();
    [&head[..start], elements].concat()
}

fn element(tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut out = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    out.extend(vr);
    if [b"OB", b"SQ", b"UN"].contains(&vr) {
        out.extend([0, 0]);
        out.extend((value.len() as u32).to_le_bytes());
    } else {
        out.extend((value.len() as u16).to_le_bytes());
    }
    out.extend(value);
    out
}

fn item(elements: &[Vec<u8>]) -> Vec<u8> {
    let body = elements.concat();
    let length = (body.len() as u32).to_le_bytes();
    [&b"\xfe\xff\x00\xe0"[..], &length, &body].concat()
}

/// Hundreds of signatures that name thousands of elements in a data set of tens of thousands: the
/// report stays small and comes soon.
#[test]
fn many_signatures_over_many_elements_take_bounded_time_and_room() {
    let certificate = {
        let pem = credentials().path("rsa.pem");
        let out = support::run(
            "openssl",
            &["x509", "-in", pem.to_str().unwrap(), "-outform", "DER"],
            Path::new("/tmp"),
        );
        out.stdout
    };
    let tags: Vec<u8> = (0..16_000_u16)
        .flat_map(|n| [0x11, 0x10 + (n >> 13) as u8, n as u8, (n >> 8) as u8])
        .collect();
    let parameters: Vec<Vec<u8>> = (0..300_u16)
        .map(|id| {
            item(&[
                element((0x0400, 0x0005), b"US", &id.to_le_bytes()),
                element((0x0400, 0x0010), b"UI", b"1.2.840.10008.1.2.1\0"),
                element((0x0400, 0x0015), b"CS", b"SHA256"),
                element((0x0400, 0x0020), b"AT", &tags[..64_000]),
            ])
        })
        .collect();
    let signatures: Vec<Vec<u8>> = (0..300_u16)
        .map(|id| {
            item(&[
                element((0x0400, 0x0005), b"US", &id.to_le_bytes()),
                element((0x0400, 0x0105), b"DT", b"20240101"),
                element((0x0400, 0x0115), b"OB", &certificate),
                element((0x0400, 0x0120), b"OB", &[1; 256]),
            ])
        })
        .collect();
    let mut set: Vec<u8> = (0..60_000_u32)
        .flat_map(|n| {
            element(
                (0x1011 + 2 * (n >> 16) as u16, n as u16 | 0x1000),
                b"SH",
                b"",
            )
        })
        .collect();
    set.extend(element((0x4FFE, 0x0001), b"SQ", &parameters.concat()));
    set.extend(element((0xFFFA, 0xFFFA), b"SQ", &signatures.concat()));
    let bytes = file(&set);
    let start = std::time::Instant::now();
    let options = VerifyOptions {
        limits: Limits::among_many(),
        ..options()
    };
    let report = verify_bytes(Path::new("x"), &bytes, &options).unwrap();
    let json = serde_json::to_vec(&report).unwrap().len();
    eprintln!(
        "{} signatures over {} bytes in {:.1?}, a report of {json} bytes",
        report.signatures.len(),
        bytes.len(),
        start.elapsed()
    );
    assert_ne!(report.overall, Overall::Valid);
    assert!(json < 256 << 20);
    assert!(start.elapsed().as_secs() < 60);
    // With hardly any work allowed, what is not looked at does not pass.
    let limits = Limits {
        work: 1 << 20,
        ..Limits::among_many()
    };
    let report =
        verify_bytes(Path::new("x"), &bytes, &VerifyOptions { limits, ..options }).unwrap();
    assert_eq!(report.overall, Overall::Unverifiable);
}

#[test]
fn other_limits_hold() {
    // Zeros between elements, which once were looked through again for each.
    let start = std::time::Instant::now();
    let zeros = file(&[vec![0; 8 << 20], element((0x0010, 0x0010), b"PN", b"")].concat());
    let _ = verify_bytes(Path::new("x"), &zeros, &options());
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    // A data set that inflates beyond the limit.
    let deflated = std::fs::read(sample("image_dfl.dcm")).unwrap();
    let limits = Limits {
        inflated_bytes: 1000,
        ..Limits::default()
    };
    let error = verify_bytes(
        Path::new("x"),
        &deflated,
        &VerifyOptions {
            limits,
            ..options()
        },
    )
    .unwrap_err();
    assert!(error.to_string().contains("beyond the limit"), "{error}");
    let limits = Limits {
        nodes: 10,
        ..Limits::default()
    };
    let bytes = std::fs::read(sample("MR_small.dcm")).unwrap();
    let error = verify_bytes(
        Path::new("x"),
        &bytes,
        &VerifyOptions {
            limits,
            ..options()
        },
    );
    assert!(error.unwrap_err().to_string().contains("too many elements"));
    // A file beyond the limit is not read.
    let limits = Limits {
        file_bytes: 100,
        ..Limits::default()
    };
    let error = verify_file(
        &sample("MR_small.dcm"),
        &VerifyOptions {
            limits,
            ..options()
        },
    );
    assert!(matches!(error, Err(SignatureError::TooLarge { .. })));
}
