//! Shared by the log tests: a naive RFC 6962 tree, entries, a log in a temporary folder.
#![allow(dead_code)]

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use veraray_provenance::log::{
    Decision, Digest, Entry, KeyKind, Log, SecretKey, Timestamp, Verdict,
};

pub fn entry(n: u64) -> Entry {
    let time = Timestamp::from_unix(1_700_000_000 + n).unwrap();
    let mut entry = Entry::new(
        "scanned",
        "veraray test",
        Digest::of(&n.to_le_bytes()),
        time,
    );
    entry.pixel_sha256 = Some(Digest::of(&(!n).to_le_bytes()));
    entry.sop_instance_uid = Some(format!("1.2.826.0.1.3680043.8.498.{n}"));
    entry.verdict = Verdict::new(Digest::of(b"model"), Some(0.25), Decision::Authentic);
    entry
}

pub fn entries(range: std::ops::Range<u64>) -> Vec<Entry> {
    range.map(entry).collect()
}

pub fn key() -> SecretKey {
    SecretKey::from_seed("log.example/archive", KeyKind::Log, &[9; 32]).unwrap()
}

pub fn new_log(size: u64) -> (tempfile::TempDir, Log, SecretKey) {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path(), &key()).unwrap();
    if size > 0 {
        log.append(&entries(0..size)).unwrap();
    }
    (dir, log, key())
}

type Hash = [u8; 32];

pub fn leaf(data: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(data)
        .finalize()
        .into()
}

fn node(l: Hash, r: Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(l)
        .chain_update(r)
        .finalize()
        .into()
}

fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// RFC 6962 section 2.1, word for word.
pub fn mth(d: &[Hash]) -> Hash {
    match d.len() {
        0 => Sha256::digest([]).into(),
        1 => d[0],
        n => node(mth(&d[..split(n)]), mth(&d[split(n)..])),
    }
}

/// Section 2.1.1.
pub fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
    if d.len() <= 1 {
        return Vec::new();
    }
    let k = split(d.len());
    let (mut p, last) = if m < k {
        (path(m, &d[..k]), mth(&d[k..]))
    } else {
        (path(m - k, &d[k..]), mth(&d[..k]))
    };
    p.push(last);
    p
}

/// Section 2.1.2.
pub fn proof(m: usize, d: &[Hash]) -> Vec<Hash> {
    subproof(m, d, true)
}

fn subproof(m: usize, d: &[Hash], complete: bool) -> Vec<Hash> {
    if m == d.len() {
        return if complete { Vec::new() } else { vec![mth(d)] };
    }
    let k = split(d.len());
    let (mut p, last) = if m <= k {
        (subproof(m, &d[..k], complete), mth(&d[k..]))
    } else {
        (subproof(m - k, &d[k..], false), mth(&d[..k]))
    };
    p.push(last);
    p
}

pub fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    let mut stack = vec![dir.to_owned()];
    while let Some(folder) = stack.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}
