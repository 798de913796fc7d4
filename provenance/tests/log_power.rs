//! What a power cut could undo: with strace's record of an append, checks that nothing is relied upon before
//! it was forced to disk. Needs strace; without it the test says so and passes, unless
//! VERARAY_THIRD_PARTY=required.

mod log_support;

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use log_support::*;
use veraray_provenance::log::*;

#[test]
fn child() {
    let Ok(dir) = env::var("VERARAY_LOG_POWER_DIR") else {
        return;
    };
    let log = Log::open(Path::new(&dir)).unwrap();
    for (from, to) in [(250, 251), (251, 600), (600, 601)] {
        log.append(&entries(from..to)).unwrap();
        // A write that the trace shows, where a caller would report success.
        fs::write(Path::new(&dir).join("ack"), "x").unwrap();
        log.checkpoint(&key()).unwrap();
        fs::write(Path::new(&dir).join("ack"), "x").unwrap();
    }
}

/// The folder whose entry a path is.
fn parent(path: &str) -> String {
    path.rsplit_once('/').map_or("", |p| p.0).to_owned()
}

#[test]
fn everything_is_on_disk_before_it_counts() {
    let (dir, log, key) = new_log(250);
    log.checkpoint(&key).unwrap();
    let trace = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-s",
            "0",
            "-e",
            "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat",
            "-o",
        ])
        .arg(trace.path())
        .arg(env::current_exe().unwrap())
        .args(["--exact", "child", "--quiet"])
        .env("VERARAY_LOG_POWER_DIR", dir.path())
        .status();
    if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        assert!(
            env::var("VERARAY_THIRD_PARTY").as_deref() != Ok("required"),
            "{status:?}"
        );
        eprintln!("skipped: strace is not installed or not permitted");
        return;
    }
    let root = fs::canonicalize(dir.path())
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let mut dirty: BTreeSet<String> = BTreeSet::new();
    let mut pending: HashMap<String, String> = HashMap::new();
    let (mut acks, mut heads, mut synced) = (0, 0, 0);
    for line in fs::read_to_string(trace.path()).unwrap().lines() {
        let (pid, call) = line.trim().split_once(' ').unwrap();
        let call = call.trim();
        // Two threads' calls overlap: an fsync counts only from where it returned.
        let call = if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            pending.insert(pid.to_owned(), begun.to_owned());
            continue;
        } else if call.starts_with("<...") {
            format!("{}{call}", pending.remove(pid).unwrap_or_default())
        } else {
            call.to_owned()
        };
        if !call.contains(&root) || call.contains(" = -1 ") {
            continue;
        }
        let quoted: Vec<&str> = call.split('"').skip(1).step_by(2).collect();
        let descriptor = call
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map(|(path, _)| path.to_owned());
        let inside = |d: &BTreeSet<String>, folder: &str| {
            d.iter()
                .filter(|p| p.starts_with(&format!("{root}{folder}")))
                .cloned()
                .collect::<Vec<_>>()
        };
        let name = call.split('(').next().unwrap();
        match name {
            // Creating a file that exists leaves its folder alone, but we cannot see that: assume the worse.
            "openat"
                if call.contains("O_CREAT")
                    && !call.contains("state/lock")
                    && !call.contains("/ack") =>
            {
                if quoted[0].contains("/tile/") {
                    assert_eq!(
                        inside(&dirty, "/state"),
                        [] as [&str; 0],
                        "tiles before the intent is safe"
                    );
                }
                dirty.extend([quoted[0].to_owned(), parent(quoted[0])]);
            }
            "mkdir" | "mkdirat" => dirty.extend([parent(quoted[0]), quoted[0].to_owned()]),
            "write" => {
                let path = descriptor.unwrap();
                if path.ends_with("/ack") {
                    assert_eq!(
                        inside(&dirty, ""),
                        [] as [&str; 0],
                        "acknowledged too early"
                    );
                    acks += 1;
                } else {
                    dirty.insert(path);
                }
            }
            "fsync" | "fdatasync" => {
                dirty.remove(&descriptor.unwrap());
                synced += 1;
            }
            _ if name.starts_with("rename") => {
                assert!(
                    !dirty.contains(quoted[0]),
                    "renamed before its bytes are safe: {call}"
                );
                if quoted[1].ends_with("/head") {
                    assert_eq!(
                        inside(&dirty, "/tile"),
                        [] as [&str; 0],
                        "the head before its tiles"
                    );
                    heads += 1;
                }
                dirty.extend([parent(quoted[0]), parent(quoted[1])]);
            }
            _ => {}
        }
    }
    assert_eq!((acks, heads), (6, 3));
    eprintln!("{acks} acknowledgements after {synced} fsyncs, none early");
}
