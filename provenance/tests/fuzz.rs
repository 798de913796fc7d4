//! The fuzz targets' bodies on mutated samples, a fixed number of times; for longer, set
//! VERARAY_FUZZ_SECONDS, or run the targets under cargo-fuzz.
#![allow(missing_docs)]

#[path = "../fuzz/targets.rs"]
mod targets;

mod log_support;
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::{credentials, run, sample};
use veraray_provenance::log::{KeyKind, SecretKey};
use veraray_provenance::signature::{SignOptions, sign_bytes};

/// A small generator of numbers, the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn mutated(&mut self, seed: &[u8], donor: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(5) {
            let length = bytes.len();
            let (at, n) = (self.below(length), self.below(48));
            let end = (at + n).min(length);
            match self.below(7) {
                0 if length > 0 => bytes[at] = self.below(256) as u8,
                1 if length > 0 => bytes[at] ^= 1 << self.below(8),
                2 => bytes[at..end].fill([0, 0xFF, 0x7F, b'9'][n % 4]),
                3 => drop(bytes.drain(at..end)),
                4 => {
                    let copy = bytes[at..end].to_vec();
                    let to = self.below(length);
                    bytes.splice(to..to, copy);
                }
                5 => bytes.truncate(at.max(1)),
                _ => {
                    let from = self.below(donor.len());
                    let piece = donor[from..(from + n).min(donor.len())].to_vec();
                    bytes.splice(at..end, piece);
                }
            }
        }
        bytes
    }
}

fn fuzz(name: &str, seeds: &[Vec<u8>], rounds: usize, target: fn(&[u8])) {
    let longer = std::env::var("VERARAY_FUZZ_SECONDS").ok();
    let longer = longer.and_then(|s| s.parse().ok()).map(Duration::from_secs);
    let start = Instant::now();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut done = 0;
    for seed in seeds {
        target(seed);
    }
    while done < rounds || longer.is_some_and(|time| start.elapsed() < time) {
        let (seed, donor) = (random.below(seeds.len()), random.below(seeds.len()));
        target(&random.mutated(&seeds[seed], &seeds[donor]));
        done += 1;
    }
    eprintln!("{name}: {done} inputs in {:.1?}", start.elapsed());
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(credentials().path(name)).unwrap()
}

#[test]
fn log_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let key = SecretKey::from_seed("log.example", KeyKind::Log, &[9; 32]).unwrap();
    let log = veraray_provenance::log::Log::init(&dir.path().join("log"), &key).unwrap();
    log.append(&log_support::entries(0..300)).unwrap();
    let checkpoint = log.checkpoint(&key).unwrap().to_bytes();
    let proof = log.prove(77).unwrap().to_string().into_bytes();
    let growth = log.prove_consistency(100, 300).unwrap().to_string();
    let entry = log_support::entry(5).encode().unwrap();
    key.save(&dir.path().join("key")).unwrap();
    let secret = std::fs::read(dir.path().join("key")).unwrap();
    let openssl = ["genpkey", "-algorithm", "ed25519", "-out", "pem"];
    assert!(run("openssl", &openssl, dir.path()).status.success());
    let pem = std::fs::read(dir.path().join("pem")).unwrap();
    let public = key.public().to_string().into_bytes();
    let mut seeds = Vec::new();
    for (choice, seed) in [
        (0, &proof),
        (3, &proof),
        (1, &growth.into_bytes()),
        (2, &checkpoint),
        (4, &entry),
        (5, &pem),
        (5, &secret),
        (6, &public),
    ] {
        seeds.push([&[choice][..], seed].concat());
    }
    fuzz("log_inputs", &seeds, 8000, targets::log_inputs);
}

#[test]
fn signature_trust() {
    let mut seeds: Vec<_> = ["rsa.pem", "rsa.key", "p521.key", "root.crl"]
        .map(read)
        .into();
    for (name, kind) in [
        ("root.pem", "x509"),
        ("p256.pem", "x509"),
        ("root.crl", "crl"),
    ] {
        let args = [kind, "-in", name, "-outform", "DER"];
        seeds.push(run("openssl", &args, credentials().dir.path()).stdout);
    }
    seeds.push(
        b"[[rule]]\nname='a'\nmodality='CT'\nfrom='2026-01-01'\ncoverage=['pixels']".to_vec(),
    );
    seeds.extend([
        b"(0040,A730)[0].(0008,1115)[12]".to_vec(),
        b"00100020".to_vec(),
    ]);
    fuzz("signature_trust", &seeds, 8000, targets::signature_trust);
}

#[test]
fn signature_verify() {
    let c = credentials();
    let mut seeds = Vec::new();
    for (source, name) in [
        ("MR_small_RLE.dcm", "rsa"),
        ("CT_small.dcm", "p256"),
        ("rtdose_1frame.dcm", "p521"),
        ("image_dfl.dcm", "rsa"),
        ("MR_small_implicit.dcm", "p256"),
        ("MR_small_bigendian.dcm", "rsa"),
    ] {
        let sign = SignOptions::from_files(
            &c.path(&format!("{name}.key")),
            &c.path(&format!("{name}.pem")),
        )
        .unwrap();
        let bytes = std::fs::read(sample(source)).unwrap();
        seeds.push(sign_bytes(Path::new(source), &bytes, &sign).unwrap().0);
    }
    fuzz("signature_verify", &seeds, 1000, targets::signature_verify);
}
