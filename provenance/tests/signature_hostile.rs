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
