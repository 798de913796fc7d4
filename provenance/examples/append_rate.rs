//! How many entries a second a log takes, by the number appended at once. Usage: append_rate [FOLDER]
//!
//! Every append waits for the disk before it returns, so the folder's disk decides; by default the log is
//! made below the present folder.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use veraray_provenance::log::{
    Decision, Digest, Entry, KeyKind, Log, LogError, SecretKey, Timestamp, Verdict,
};

fn entry(number: u64) -> Entry {
    let file = Digest::of(&number.to_le_bytes());
    let mut entry = Entry::new("scanned", "veraray 0.1.0", file, Timestamp::now());
    entry.pixel_sha256 = Some(Digest::of(&(!number).to_le_bytes()));
    entry.sop_instance_uid = Some(format!("1.2.826.0.1.3680043.8.498.{number}"));
    entry.verdict = Verdict::new(Digest::of(b"model"), Some(0.25), Decision::Authentic);
    entry
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = tempfile::tempdir_in(base)?;
    let key = SecretKey::generate("log.example/rate", KeyKind::Log)?;
    for batch in [1, 10, 100, 256, 1000, 4096, 16_384_u64] {
        let log = Log::init(&folder.path().join(batch.to_string()), &key)?;
        let mut worst = Duration::ZERO;
        let (mut number, mut appends) = (0, 0);
        let start = Instant::now();
        while appends < 20 || start.elapsed() < Duration::from_secs(3) {
            let before = Instant::now();
            let entries: Vec<Entry> = (number..number + batch).map(entry).collect();
            let given: Result<_, LogError> = log.append(&entries);
            assert_eq!(given?, number..number + batch);
            number += batch;
            appends += 1;
            worst = worst.max(before.elapsed());
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "batches of {batch}: {:.0} entries/s, {:.1} ms an append, {:.1} ms the slowest",
            number as f64 / seconds,
            1000.0 * seconds / f64::from(appends),
            1000.0 * worst.as_secs_f64(),
        );
    }
    Ok(())
}
