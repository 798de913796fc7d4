//! A process killed with SIGKILL at every step of a write, and at random moments, loses no acknowledged
//! entry and leaves a sound log. Concurrent writers get disjoint indexes.
//!
//! The children are this test binary itself, told by environment variables what to do. SIGKILL keeps
//! the page cache, so this shows the order of steps, not what a power cut leaves.

mod log_support;

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use log_support::*;
use veraray_provenance::log::*;

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// What a child does: opens the log, appends batches, acknowledges each; at step `STOP` it says so and waits
/// to be killed.
#[test]
fn child() {
    let Ok(dir) = env::var("VERARAY_LOG_TEST_DIR") else {
        return;
    };
    let number = |name: &str| env::var(name).unwrap().parse::<usize>().unwrap();
    let (stop, batches, batch, first) = (
        number("STOP"),
        number("BATCHES"),
        number("BATCH"),
        number("FIRST"),
    );
    let count = Arc::new(AtomicUsize::new(0));
    let hook = {
        let count = count.clone();
        move |name: &str| {
            if count.fetch_add(1, Ordering::SeqCst) == stop {
                say(&format!("at {name}"));
                loop {
                    sleep(Duration::from_secs(60));
                }
            }
        }
    };
    // Without a stop there is no hook either, so that the plain path is what random kills meet.
    let dir = Path::new(&dir);
    let log = if stop == usize::MAX {
        Log::open(dir)
    } else {
        Log::open_with_hook(dir, Arc::new(hook))
    }
    .unwrap();
    for b in 0..batches {
        let from = (first + b * batch) as u64;
        let got = log.append(&entries(from..from + batch as u64)).unwrap();
        say(&format!("ack {} {} {from}", got.start, got.end));
        if env::var("SIGN").is_ok() {
            log.checkpoint(&key()).unwrap();
        }
    }
    say(&format!("done {}", count.load(Ordering::SeqCst)));
}

fn spawn(dir: &Path, stop: usize, batches: usize, batch: usize, first: usize, sign: bool) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture", "--quiet"])
        .env("VERARAY_LOG_TEST_DIR", dir);
    for (name, value) in [
        ("STOP", stop),
        ("BATCHES", batches),
        ("BATCH", batch),
        ("FIRST", first),
    ] {
        command.env(name, value.to_string());
    }
    if sign {
        command.env("SIGN", "1");
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Index in the log, number of the entry there.
type Acks = Vec<(u64, u64)>;

fn read_acks(line: &str, acks: &mut Acks) {
    if let Some(rest) = line.strip_prefix("ack ") {
        let n: Vec<u64> = rest.split(' ').map(|n| n.parse().unwrap()).collect();
        acks.extend((n[0]..n[1]).map(|i| (i, n[2] + i - n[0])));
    }
}

/// Runs a child until it says `at` (and kills it there) or `done`; returns what it had acknowledged and the
/// step it died at.
fn run(mut child: Child) -> (Acks, Option<String>) {
    let mut acks = Acks::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        read_acks(&line, &mut acks);
        if let Some(step) = line.strip_prefix("at ") {
            child.kill().unwrap();
            child.wait().unwrap();
            return (acks, Some(step.to_owned()));
        }
    }
    assert!(child.wait().unwrap().success());
    (acks, None)
}

/// The log is sound, still holds everything acknowledged, extends the checkpoint, and takes more.
fn check(dir: &Path, base: u64, acks: &Acks, remembered: &Checkpoint, what: &str) {
    let before = audit(dir, key().public(), std::slice::from_ref(remembered)).unwrap();
    // Also before anyone recovers: leftovers are explained, not damage.
    assert!(before.is_sound(), "{what}: {:?}", before.findings);
    let log = Log::open(dir).unwrap();
    let size = log.size().unwrap();
    assert!(
        size >= base + acks.len() as u64,
        "{what}: {size} entries left"
    );
    for i in 0..base {
        assert_eq!(log.entry(i).unwrap(), entry(i), "{what}: entry {i}");
    }
    for &(index, number) in acks {
        assert_eq!(
            log.entry(index).unwrap(),
            entry(number),
            "{what}: entry {index}"
        );
    }
    assert_eq!(
        log.append(&entries(0..3)).unwrap(),
        size..size + 3,
        "{what}"
    );
    let checkpoint = log.checkpoint(&key()).unwrap();
    let proof = log
        .prove_consistency(remembered.size(), checkpoint.size())
        .unwrap();
    verify_consistency(remembered, &checkpoint, &proof).unwrap();
    let report = audit(dir, key().public(), &[remembered.clone(), checkpoint]).unwrap();
    assert!(
        report.is_sound() && report.leftovers == 0,
        "{what}: {report:?}"
    );
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
}

#[test]
fn killed_at_every_step() {
    const BASE: u64 = 509;
    let (origin, log, key) = new_log(BASE);
    let remembered = log.checkpoint(&key).unwrap();
    let mut steps = BTreeSet::new();
    let mut kills = 0;
    for stop in 0.. {
        let dir = tempfile::tempdir().unwrap();
        copy(origin.path(), dir.path());
        // Two batches: the first fills a tile and a bundle, the second starts from a recovered or tidy log.
        let (acks, died) = run(spawn(dir.path(), stop, 2, 7, 20_000, true));
        let Some(step) = died else { break };
        kills += 1;
        // The process that recovers is killed as well, at each of its steps: after every kind of first
        // death, and after some of each kind, for not all pairs are worth their minutes.
        let kind_is_new = steps.insert(step.clone());
        if (kind_is_new || stop % 9 == 0) && dir.path().join("state/intent").exists() {
            for again in 0.. {
                let second = tempfile::tempdir().unwrap();
                copy(dir.path(), second.path());
                let (more, died) = run(spawn(second.path(), again, 1, 5, 30_000, false));
                let Some(later) = died else { break };
                kills += 1;
                let acks = acks.iter().chain(&more).copied().collect();
                check(
                    second.path(),
                    BASE,
                    &acks,
                    &remembered,
                    &format!("{stop} {step}, then {again} {later}"),
                );
                steps.insert(later);
            }
        }
        check(
            dir.path(),
            BASE,
            &acks,
            &remembered,
            &format!("{stop} {step}"),
        );
    }
    eprintln!("{kills} kills at {} kinds of step: {steps:?}", steps.len());
    for step in [
        "locked",
        "tile-begin",
        "tile-torn",
        "tiles-written",
        "tiles-synced",
        "replace-written",
        "replace-renamed",
        "before-head",
        "after-head",
        "intent-removed",
        "orphan-removed",
        "old-tile-removed",
    ] {
        assert!(steps.contains(step), "{step} never ran");
    }
}

#[test]
fn killed_at_random_moments() {
    let (dir, log, key) = new_log(100);
    let remembered = log.checkpoint(&key).unwrap();
    // How long a child takes to begin: on a busy machine most of its life.
    let begun = Instant::now();
    let (mut all, _) = run(spawn(dir.path(), usize::MAX, 1, 1, 900_000, false));
    let start = u64::try_from(begun.elapsed().as_micros()).unwrap();
    let mut seed = 12_345_u64;
    for round in 0..40 {
        let mut child = spawn(
            dir.path(),
            usize::MAX,
            10_000,
            1 + round % 90,
            1_000_000 + round * 10_000,
            round % 2 == 0,
        );
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        sleep(Duration::from_micros(
            5_000 + (seed >> 33) % (150_000 + 2 * start),
        ));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            read_acks(&line.unwrap(), &mut all);
        }
        let report = audit(dir.path(), key.public(), std::slice::from_ref(&remembered)).unwrap();
        assert!(report.is_sound(), "round {round}: {:?}", report.findings);
    }
    eprintln!("40 kills, {} entries acknowledged, none lost", all.len());
    assert!(all.len() > 100, "the children hardly ran");
    check(dir.path(), 100, &all, &remembered, "random");
}

#[test]
fn many_writers_at_once() {
    let (dir, log, key) = new_log(0);
    let remembered = log.checkpoint(&key).unwrap();
    let children: Vec<_> = (0..4)
        .map(|c| spawn(dir.path(), usize::MAX, 25, 7, c * 1000, c % 2 == 0))
        .collect();
    // Threads of one process take turns too, and readers run beside all of them.
    let threads: Vec<Acks> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2_u64)
            .map(|t| {
                let log = &log;
                scope.spawn(move || {
                    let mut acks = Acks::new();
                    for b in 0..20 {
                        let from = 100_000 * (t + 1) + b * 3;
                        let got = log.append(&entries(from..from + 3)).unwrap();
                        acks.extend(got.clone().map(|i| (i, from + i - got.start)));
                        let checkpoint = log.latest_checkpoint().unwrap();
                        if checkpoint.size() > 0 {
                            let proof = log.prove(checkpoint.size() - 1).unwrap().to_string();
                            verify_inclusion(
                                proof.as_bytes(),
                                log.key(),
                                &WitnessPolicy::default(),
                                None,
                            )
                            .unwrap();
                        }
                    }
                    acks
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let mut all: Acks = threads.into_iter().flatten().collect();
    for child in children {
        all.extend(run(child).0);
    }
    all.sort_unstable();
    assert_eq!(all.len(), 4 * 25 * 7 + 2 * 20 * 3);
    assert!(
        all.iter().enumerate().all(|(i, a)| a.0 == i as u64),
        "indexes are given once each, without gaps"
    );
    check(dir.path(), 0, &all, &remembered, "writers");
}
