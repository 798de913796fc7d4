//! Random damage to real files: decoding may fail, it never panics out.

#![allow(clippy::print_stdout)]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use veraray_datasets::{OpenOptions, open_bytes, quiet_decoder_panics};

/// Overridden by `VERARAY_MUTATIONS` for a longer run.
const MUTATIONS: usize = 6000;
/// No small file may keep a decoder busy for longer.
const PATIENCE: Duration = Duration::from_secs(20);

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.metadata()
                .is_ok_and(|m| m.is_file() && m.len() < 80_000)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn flipped_bytes() {
    quiet_decoder_panics();
    let made = tempfile::tempdir().expect("a folder");
    support::reference("formats", made.path());
    let mut inputs = files(&support::pydicom_folder());
    inputs.extend(
        files(made.path())
            .into_iter()
            .filter(|p| p.extension().is_some()),
    );
    inputs.extend(files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
    ));
    let mut random = StdRng::seed_from_u64(20_261_123);
    // Small limits keep honest but huge claims cheap.
    let options = OpenOptions {
        max_pixels: 4_000_000,
        max_decoded_bytes: 256 << 20,
        ..OpenOptions::default()
    };
    let (mut decoded, mut refused) = (0, 0);
    let mutations = std::env::var("VERARAY_MUTATIONS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(MUTATIONS);
    let mut slowest = Duration::ZERO;
    for round in 0..mutations {
        let path = &inputs[round % inputs.len()];
        let mut bytes = std::fs::read(path).expect("a file");
        for _ in 0..random.random_range(1..6) {
            if bytes.is_empty() {
                break;
            }
            // Half of the damage goes into the headers.
            let end = if random.random() {
                bytes.len().min(1200)
            } else {
                bytes.len()
            };
            let at = random.random_range(0..end);
            match random.random_range(0..16) {
                0..5 => bytes[at] = random.random(),
                5..10 => bytes[at] ^= 1 << random.random_range(0..8),
                10..15 => {
                    bytes[at] = [0, 0xff, 0x7f, 0x80][random.random_range(0..4)];
                }
                _ => bytes.truncate(bytes.len() - random.random_range(0..=bytes.len().min(64))),
            }
        }
        let start = Instant::now();
        let result = open_bytes(path, bytes, &options).and_then(|mut image| {
            let last = image.info().frames - 1;
            image
                .frame(0)
                .and_then(|first| Ok((first, image.frame(last)?)))
        });
        slowest = slowest.max(start.elapsed());
        assert!(
            start.elapsed() < PATIENCE,
            "{} takes {:?}",
            path.display(),
            start.elapsed()
        );
        match result {
            Ok((first, _)) => {
                assert!(
                    first.values.iter().all(|v| v.is_finite()),
                    "{}",
                    path.display()
                );
                assert!(
                    first
                        .to_gray()
                        .pixels
                        .iter()
                        .all(|v| (0.0..=1.0).contains(v)),
                    "{}",
                    path.display()
                );
                decoded += 1;
            }
            Err(_) => refused += 1,
        }
    }
    println!(
        "{mutations} mutations of {} files: {decoded} decoded, {refused} refused, slowest {slowest:?}",
        inputs.len()
    );
    assert!(decoded > 0 && refused > 0);
}
