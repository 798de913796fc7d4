//! Any change to any file of a log is found by an audit against a remembered checkpoint, and so is a log
//! rebuilt from scratch by whoever holds its key.

mod log_support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use log_support::*;
use veraray_provenance::log::*;

/// 300 signed, then 600 signed, then 20 more that no checkpoint covers.
fn subject() -> (tempfile::TempDir, Vec<Checkpoint>) {
    let (dir, log, key) = new_log(300);
    let first = log.checkpoint(&key).unwrap();
    log.append(&entries(300..600)).unwrap();
    let second = log.checkpoint(&key).unwrap();
    log.append(&entries(600..620)).unwrap();
    (dir, vec![first, second])
}

fn findings(dir: &Path, remembered: &[Checkpoint]) -> Vec<Finding> {
    audit(dir, key().public(), remembered).unwrap().findings
}

#[test]
fn every_file_is_covered() {
    let (dir, remembered) = subject();
    assert_eq!(findings(dir.path(), &remembered), []);
    let names: Vec<_> = files(dir.path())
        .into_iter()
        .filter(|f| !f.ends_with("state/lock"))
        .collect();
    assert!(names.len() >= 14, "{names:?}");
    let mut damage = 0;
    for name in &names {
        let good = fs::read(name).unwrap();
        let mut attempt = |what: String, bytes: Option<&[u8]>| {
            match bytes {
                Some(bytes) => fs::write(name, bytes).unwrap(),
                None => fs::remove_file(name).unwrap(),
            }
            // Partial tiles of checkpoints before the last may go: wider ones hold all they held.
            let kept = ["entries/001.p/44", "0/001.p/44", "1/000.p/1"]
                .iter()
                .any(|k| name.ends_with(k));
            let found = findings(dir.path(), &remembered);
            assert!(
                !found.is_empty() || (bytes.is_none() && kept),
                "{}: {what}",
                name.display()
            );
            damage += 1;
        };
        // Every byte of small files, a spread over large ones; every bit position in turn.
        for i in (0..good.len()).step_by(good.len() / 160 + 1) {
            let mut bytes = good.clone();
            bytes[i] ^= 1 << (i % 8);
            attempt(format!("bit {} of byte {i}", i % 8), Some(&bytes));
        }
        for cut in [0, 1, 32, good.len() / 2, good.len() - 32, good.len() - 1] {
            attempt(
                format!("cut to {cut}"),
                Some(&good[..cut.min(good.len() - 1)]),
            );
        }
        attempt("one byte more".into(), Some(&[&good[..], b"x"].concat()));
        attempt("twice".into(), Some(&[&good[..], &good[..]].concat()));
        attempt("gone".into(), None);
        fs::write(name, &good).unwrap();
    }
    // Any two files exchanged.
    let mut swaps = 0;
    for (i, a) in names.iter().enumerate() {
        for b in &names[i + 1..] {
            let (x, y) = (fs::read(a).unwrap(), fs::read(b).unwrap());
            fs::write(a, &y).unwrap();
            fs::write(b, &x).unwrap();
            assert!(
                x == y || !findings(dir.path(), &remembered).is_empty(),
                "{} and {}",
                a.display(),
                b.display()
            );
            fs::write(a, &x).unwrap();
            fs::write(b, &y).unwrap();
            swaps += 1;
        }
    }
    // Files that no append wrote.
    for stray in [
        "tile/0/007",
        "tile/0/000.p/x",
        "tile/evil",
        "tile/entries/002.p/200",
        "tile/3/000",
        "tile/0/000.p/007",
    ] {
        let path = dir.path().join(stray);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, [0; 32]).unwrap();
        assert!(
            findings(dir.path(), &remembered)
                .iter()
                .any(|f| f.kind == FindingKind::Unexpected),
            "{stray}"
        );
        fs::remove_file(path).unwrap();
    }
    eprintln!(
        "{} files, {damage} edits, {swaps} exchanges: all found",
        names.len()
    );
    assert_eq!(findings(dir.path(), &remembered), []);
}

/// What someone with the log's key and every right on the folder can do.
fn rebuilt(numbers: impl Iterator<Item = u64>) -> tempfile::TempDir {
    let (dir, log, key) = new_log(0);
    log.append(&numbers.map(entry).collect::<Vec<_>>()).unwrap();
    log.checkpoint(&key).unwrap();
    dir
}

#[test]
fn histories_rebuilt_with_the_key_are_found() {
    let (_dir, remembered) = subject();
    let kinds = |dir: &Path| {
        findings(dir, &remembered[1..])
            .iter()
            .map(|f| format!("{:?}", f.kind))
            .collect::<BTreeSet<_>>()
    };
    let one = |kind: &str| BTreeSet::from([kind.to_owned()]);
    // The same again is no crime.
    assert_eq!(kinds(rebuilt(0..620).path()), BTreeSet::new());
    // Rewritten, reordered, with an entry left out, with one put in.
    assert_eq!(
        kinds(rebuilt((0..620).map(|n| if n == 77 { 7777 } else { n })).path()),
        one("Forked")
    );
    assert_eq!(
        kinds(
            rebuilt((0..620).map(|n| match n {
                10 => 500,
                500 => 10,
                n => n,
            }))
            .path()
        ),
        one("Forked")
    );
    assert_eq!(
        kinds(rebuilt((0..620).filter(|n| *n != 599)).path()),
        one("Forked")
    );
    assert_eq!(
        kinds(rebuilt(std::iter::once(9999).chain(0..619)).path()),
        one("Forked")
    );
    // Shorter than it once was, by one entry and by all of them.
    assert_eq!(kinds(rebuilt(0..599).path()), one("Truncated"));
    assert_eq!(kinds(rebuilt(0..0).path()), one("Truncated"));
    // Under another key of the same name.
    let dir = tempfile::tempdir().unwrap();
    let other = SecretKey::from_seed("log.example/archive", KeyKind::Log, &[1; 32]).unwrap();
    Log::init(dir.path(), &other)
        .unwrap()
        .append(&entries(0..620))
        .unwrap();
    assert!(kinds(dir.path()).contains("Key"));
}

#[test]
fn a_folder_put_back_to_an_older_state_is_neither_signed_nor_passed() {
    let (dir, log, key) = new_log(300);
    log.checkpoint(&key).unwrap();
    let old = tempfile::tempdir().unwrap();
    for file in files(dir.path()) {
        let target = old.path().join(file.strip_prefix(dir.path()).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
    log.append(&entries(300..400)).unwrap();
    let remembered = log.checkpoint(&key).unwrap();
    let found = findings(old.path(), std::slice::from_ref(&remembered));
    assert!(
        found.iter().all(|f| f.kind == FindingKind::Truncated) && !found.is_empty(),
        "{found:?}"
    );
    // Tiles of the past under the checkpoint of the present: this log will not sign on top of it.
    fs::copy(dir.path().join("checkpoint"), old.path().join("checkpoint")).unwrap();
    assert!(matches!(
        Log::open(old.path()).unwrap().checkpoint(&key),
        Err(LogError::Inconsistent { old: 400, new: 300 })
    ));
    Log::open(old.path())
        .unwrap()
        .append(&entries(900..1000))
        .unwrap();
    assert!(matches!(
        Log::open(old.path()).unwrap().checkpoint(&key),
        Err(LogError::Inconsistent { .. })
    ));
}

#[test]
fn damage_stops_appends_and_proofs() {
    let (dir, log, key) = new_log(600);
    log.checkpoint(&key).unwrap();
    for name in ["tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88"] {
        let path = dir.path().join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[9] ^= 4;
        fs::write(&path, &bad).unwrap();
        assert!(
            matches!(log.append(&entries(0..1)), Err(LogError::Corrupt { .. })),
            "{name}"
        );
        assert!(log.prove(512).is_err(), "{name}");
        fs::write(&path, &good).unwrap();
    }
    let path = dir.path().join("tile/entries/001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[30] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(log.prove(256), Err(LogError::Corrupt { .. })));
    assert!(log.prove(5).is_ok());
}
