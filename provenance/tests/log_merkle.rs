//! Roots and proofs against a naive RFC 6962 tree, at every size up to 300 and at one with three levels.

mod log_support;

use std::time::Instant;

use log_support::*;
use veraray_provenance::log::*;

#[test]
fn every_size_to_300() {
    let (_dir, log, key) = new_log(0);
    let mut leaves = Vec::new();
    let mut checkpoints = vec![log.latest_checkpoint().unwrap()];
    for size in 1..=300_u64 {
        assert_eq!(log.append(&[entry(size - 1)]).unwrap(), size - 1..size);
        leaves.push(leaf(&entry(size - 1).encode().unwrap()));
        let checkpoint = log.checkpoint(&key).unwrap();
        assert_eq!(
            (checkpoint.size(), checkpoint.root().0),
            (size, mth(&leaves))
        );
        checkpoints.push(checkpoint);
        // All pairs at the sizes where tiles fill, a spread at the others.
        let step = if size % 64 < 3 || size > 297 { 1 } else { 17 };
        for i in (0..size).step_by(step) {
            let proof = log.prove(i).unwrap();
            let path: Vec<_> = proof.path.iter().map(|h| h.0).collect();
            assert_eq!(
                path,
                log_support::path(i as usize, &leaves),
                "index {i} of {size}"
            );
            let text = proof.to_string();
            assert_eq!(InclusionProof::parse(text.as_bytes()).unwrap(), proof);
            let found = verify_inclusion(
                text.as_bytes(),
                key.public(),
                &WitnessPolicy::default(),
                None,
            )
            .unwrap();
            assert_eq!((found.index, found.entry), (i, entry(i)));
            let other = text.replace(
                &format!("index {i}\n"),
                &format!("index {}\n", (i + 1) % size.max(2)),
            );
            assert!(
                verify_inclusion(
                    other.as_bytes(),
                    key.public(),
                    &WitnessPolicy::default(),
                    None
                )
                .is_err()
            );
        }
        for old in (0..=size).step_by(step) {
            let proof = log.prove_consistency(old, size).unwrap();
            let path: Vec<_> = proof.path.iter().map(|h| h.0).collect();
            if old > 0 {
                assert_eq!(
                    path,
                    log_support::proof(old as usize, &leaves),
                    "{old} to {size}"
                );
            }
            assert_eq!(
                ConsistencyProof::parse(proof.to_string().as_bytes()).unwrap(),
                proof
            );
            let (before, now) = (&checkpoints[old as usize], &checkpoints[size as usize]);
            verify_consistency(before, now, &proof).unwrap();
            if old > 0 && old < size {
                assert!(verify_consistency(now, before, &proof).is_err());
                for spoilt in 0..proof.path.len() {
                    let mut path = proof.path.clone();
                    path[spoilt].0[7] ^= 1;
                    assert!(
                        verify_consistency(before, now, &ConsistencyProof::new(old, size, path))
                            .is_err()
                    );
                }
                assert!(
                    verify_consistency(
                        before,
                        now,
                        &ConsistencyProof::new(old, size, proof.path[1..].to_vec())
                    )
                    .is_err()
                );
            }
        }
    }
    assert!(
        audit(_dir.path(), key.public(), &checkpoints)
            .unwrap()
            .is_sound()
    );
}

#[test]
fn seventy_thousand_entries() {
    let (dir, log, key) = new_log(0);
    let all = entries(0..70_000);
    let leaves: Vec<_> = all.iter().map(|e| leaf(&e.encode().unwrap())).collect();
    let mut remembered = Vec::new();
    let start = Instant::now();
    for batch in all.chunks(10_000) {
        log.append(batch).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!(
        "append: {:.0} entries/s in batches of 10,000 ({} entries, {seconds:.2} s, every batch on disk)",
        70_000.0 / seconds,
        all.len()
    );
    assert_eq!(log.checkpoint(&key).unwrap().root().0, mth(&leaves));
    remembered.push(log.latest_checkpoint().unwrap());

    let (mut most, mut count, mut spent) = (0, 0, 0.0);
    for i in (0..70_000)
        .step_by(701)
        .chain([0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999])
    {
        let start = Instant::now();
        let (proof, reads) = log.prove_counting(i).unwrap();
        spent += start.elapsed().as_secs_f64();
        count += 1;
        most = most.max(reads);
        assert_eq!(
            proof.path.iter().map(|h| h.0).collect::<Vec<_>>(),
            path(i as usize, &leaves)
        );
        assert_eq!(log.entry(i).unwrap(), entry(i));
    }
    eprintln!(
        "prove: {:.2} ms each, at most {most} tile files read",
        spent * 1e3 / f64::from(count)
    );
    // One tile per level on the right edge, one per level on the way down.
    assert!(most <= 6, "{most}");

    for batch in [1, 10, 100, 1000] {
        let start = Instant::now();
        let mut size = log.size().unwrap();
        for _ in 0..3 {
            size = log.append(&entries(size..size + batch)).unwrap().end;
        }
        eprintln!(
            "append: {:.0} entries/s in batches of {batch}",
            3.0 * batch as f64 / start.elapsed().as_secs_f64()
        );
    }
    log.checkpoint(&key).unwrap();
    let start = Instant::now();
    let report = audit(dir.path(), key.public(), &remembered).unwrap();
    eprintln!(
        "audit: {:.0} entries/s",
        report.entries as f64 / start.elapsed().as_secs_f64()
    );
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.entries, report.signed), (73_333, Some(73_333)));
}

#[test]
fn layout_at_the_size_of_the_specification() {
    let (dir, _log, _) = new_log(600);
    let names: Vec<String> = files(&dir.path().join("tile"))
        .iter()
        .map(|p| {
            p.strip_prefix(dir.path())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(
        names,
        [
            "tile/0/000",
            "tile/0/001",
            "tile/0/002.p/88",
            "tile/1/000.p/2",
            "tile/entries/000",
            "tile/entries/001",
            "tile/entries/002.p/88"
        ]
    );
}
