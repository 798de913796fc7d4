//! Keys, witnesses, parents, limits: what the log accepts and what it refuses.

mod log_support;

use std::fs;

use log_support::*;
use veraray_provenance::log::*;

fn witness(n: u8) -> SecretKey {
    SecretKey::from_seed(
        &format!("witness{n}.example"),
        KeyKind::Witness,
        &[100 + n; 32],
    )
    .unwrap()
}

#[test]
fn keys_round_trip_and_stay_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.key");
    let key = SecretKey::generate("log.example/archive", KeyKind::Log).unwrap();
    key.save(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("PRIVATE+KEY+log.example/archive+"));
    assert!(
        matches!(key.save(&path), Err(LogError::Io { .. })),
        "never over a key that exists"
    );
    assert_eq!(SecretKey::load(&path).unwrap().public(), key.public());
    assert_eq!(
        key.public().to_string().parse::<PublicKey>().unwrap(),
        *key.public()
    );
    // Base64 may hold plus signs itself.
    let secret = text.trim().splitn(5, '+').nth(4).unwrap();
    assert!(!format!("{key:?}").contains(secret));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = SecretKey::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("mode 640") && !error.contains(secret),
            "{error}"
        );
    }
    // A changed name, identifier or key no longer fits together.
    for bad in [
        text.replace("archive", "archivf"),
        text.replace("PRIVATE", "private"),
        text[..60].to_owned(),
        "x".repeat(5000),
    ] {
        let error = SecretKey::parse(&bad).unwrap_err().to_string();
        assert!(!error.contains(secret), "{error}");
    }
    // The neutral point: anyone can sign for it.
    let weak = [&[1_u8, 1][..], &[0; 31]].concat();
    let id = signed_note::key_id("x", &weak);
    use base64::Engine;
    let weak = format!(
        "x+{id:08x}+{}",
        base64::prelude::BASE64_STANDARD.encode(weak)
    );
    assert!(
        weak.parse::<PublicKey>()
            .unwrap_err()
            .to_string()
            .contains("weak")
    );
    for name in ["", "a b", "a+b", "a\nb", "a\u{2003}b", "a\u{1}b"] {
        assert!(SecretKey::generate(name, KeyKind::Log).is_err(), "{name:?}");
    }
}

#[test]
fn a_proof_binds_the_file() {
    let (_dir, log, key) = new_log(5);
    assert!(matches!(
        log.prove(4),
        Err(LogError::NotCovered { index: 4, size: 0 })
    ));
    log.checkpoint(&key).unwrap();
    let proof = log.prove(3).unwrap().to_string();
    let none = WitnessPolicy::default();
    let file = Digest::of(&3_u64.to_le_bytes());
    verify_inclusion(proof.as_bytes(), key.public(), &none, Some(&file)).unwrap();
    let other = Digest::of(b"another file");
    let result = verify_inclusion(proof.as_bytes(), key.public(), &none, Some(&other));
    assert!(matches!(result, Err(LogError::FileMismatch { .. })));
    let stranger = SecretKey::from_seed("log.example/archive", KeyKind::Log, &[8; 32]).unwrap();
    assert!(verify_inclusion(proof.as_bytes(), stranger.public(), &none, None).is_err());
    // No single byte of the file can change: syntax, leaf, path, head or signature would not fit.
    for i in 0..proof.len() {
        for bit in 0..8 {
            let mut bytes = proof.clone().into_bytes();
            bytes[i] ^= 1 << bit;
            assert!(
                verify_inclusion(&bytes, key.public(), &none, Some(&file)).is_err(),
                "byte {i} bit {bit}"
            );
        }
        assert!(
            verify_inclusion(&proof.as_bytes()[..i], key.public(), &none, Some(&file)).is_err(),
            "cut at {i}"
        );
    }
    assert!(verify_inclusion(&vec![b'\n'; MAX_PROOF + 1], key.public(), &none, None).is_err());
}

#[test]
fn parents_must_be_in_the_log() {
    let (dir, log, key) = new_log(300);
    let mut child = entry(1000);
    child.parent = Some(log.parent(17).unwrap());
    assert_eq!(child.parent.unwrap().hash, entry(17).leaf_hash().unwrap());
    let mut sibling = entry(1001);
    sibling.parent = Some(Parent {
        hash: child.leaf_hash().unwrap(),
        index: 300,
    });
    log.append(&[child.clone(), sibling]).unwrap();
    for (index, hash) in [
        (18, entry(17)),
        (302, entry(1)),
        (303, entry(1)),
        (u64::MAX >> 12, entry(1)),
    ] {
        let mut orphan = entry(5);
        orphan.parent = Some(Parent {
            hash: hash.leaf_hash().unwrap(),
            index,
        });
        assert!(
            matches!(
                log.append(&[entry(6), orphan]),
                Err(LogError::Parent { .. })
            ),
            "{index}"
        );
    }
    assert_eq!(log.size().unwrap(), 302, "all or none");
    log.checkpoint(&key).unwrap();
    assert!(audit(dir.path(), key.public(), &[]).unwrap().is_sound());
}

#[test]
fn entries_out_of_bounds_are_refused() {
    let (_dir, log, _) = new_log(0);
    let mut long = entry(0);
    long.actor = "x".repeat(MAX_TEXT + 1);
    let mut control = entry(0);
    control.action = "scan\nned".into();
    let mut uid = entry(0);
    uid.sop_instance_uid = Some("1".repeat(65));
    for bad in [long, control, uid] {
        assert!(matches!(
            log.append(&[entry(1), bad]),
            Err(LogError::Entry(_))
        ));
    }
    assert_eq!(log.append(&[]).unwrap(), 0..0);
    assert!(matches!(
        Log::init(_dir.path(), &key()),
        Err(LogError::Exists(_))
    ));
}

#[test]
fn witnesses_cosign_only_extensions() {
    let (dir, log, key) = new_log(10);
    let first = log.checkpoint(&key).unwrap();
    let none = log.prove_consistency(0, 10).unwrap();
    let now = Timestamp::from_unix(1_679_315_147).unwrap();
    let policy = WitnessPolicy::new(
        vec![witness(1).public().clone(), witness(2).public().clone()],
        2,
    )
    .unwrap();
    assert!(matches!(
        policy.check(&first, key.public()),
        Err(LogError::Quorum { have: 0, need: 2 })
    ));
    let trusted = [witness(1).public().clone(), witness(2).public().clone()];
    let one = cosign(&first, None, &none, &witness(1), now).unwrap();
    log.attach_cosignatures(&one.to_bytes(), &trusted).unwrap();
    // The second answers with its line only, as C2SP tlog-witness has it.
    let two = String::from_utf8(
        cosign(&first, None, &none, &witness(2), now)
            .unwrap()
            .to_bytes(),
    )
    .unwrap();
    let line = format!("{}\n", two.lines().last().unwrap());
    log.attach_cosignatures(line.as_bytes(), &trusted).unwrap();
    let proof = log.prove(4).unwrap().to_string();
    let found = verify_inclusion(proof.as_bytes(), key.public(), &policy, None).unwrap();
    assert_eq!(found.cosignatures.len(), 2);
    assert_eq!(found.cosignatures[0].time, 1_679_315_147);
    assert_eq!(
        log.checkpoint(&key).unwrap().to_bytes(),
        log.latest_checkpoint().unwrap().to_bytes(),
        "kept when nothing is new"
    );

    // The right name and identifier over a signature that is not theirs.
    let mut spoilt = line.clone().into_bytes();
    let at = spoilt.len() - 20;
    spoilt[at] = if spoilt[at] == b'A' { b'B' } else { b'A' };
    assert!(log.attach_cosignatures(&spoilt, &trusted).is_err());
    // Forged, unknown or misplaced cosignatures are not attached and do not count.
    assert!(
        log.attach_cosignatures(line.replace("witness2", "witness3").as_bytes(), &trusted)
            .is_err()
    );
    assert!(
        log.attach_cosignatures(line.as_bytes(), &trusted[..1])
            .is_err()
    );
    for bad in [
        &b""[..],
        b"\n",
        b"x\n",
        b"\n\n",
        &[0xff, b'\n'],
        &vec![b'x'; 1 << 20],
    ] {
        assert!(log.attach_cosignatures(bad, &trusted).is_err());
    }
    let mut forged = proof.clone();
    let at = forged.rfind("witness2").unwrap() + 40;
    forged.replace_range(at..=at, if &forged[at..=at] == "A" { "B" } else { "A" });
    let result = verify_inclusion(forged.as_bytes(), key.public(), &policy, None);
    assert!(
        matches!(result, Err(LogError::Quorum { have: 1, need: 2 })),
        "{result:?}"
    );

    log.append(&entries(10..20)).unwrap();
    let second = log.checkpoint(&key).unwrap();
    cosign(
        &second,
        Some(&first),
        &log.prove_consistency(10, 20).unwrap(),
        &witness(1),
        now,
    )
    .unwrap();
    // Another history under the same key: the witness refuses.
    let (_d, fork, _) = new_log(0);
    fork.append(&entries(5..25)).unwrap();
    let forked = fork.checkpoint(&key).unwrap();
    let proof = fork.prove_consistency(10, 20).unwrap();
    assert!(matches!(
        cosign(&forked, Some(&first), &proof, &witness(1), now),
        Err(LogError::Inconsistent { .. })
    ));
    assert!(matches!(
        cosign(&first, Some(&second), &none, &witness(1), now),
        Err(LogError::Inconsistent { .. })
    ));

    // Policies in which one witness counts twice, or the log for itself, are refused.
    let twin = SecretKey::from_seed("twin.example", KeyKind::Witness, &[101; 32]).unwrap();
    assert!(
        WitnessPolicy::new(vec![witness(1).public().clone(), twin.public().clone()], 1).is_err()
    );
    assert!(WitnessPolicy::new(vec![key.public().clone()], 1).is_err());
    assert!(WitnessPolicy::new(vec![], 1).is_err());
    let own = SecretKey::from_seed("own.example", KeyKind::Witness, &[9; 32]).unwrap();
    let own = WitnessPolicy::new(vec![own.public().clone()], 0).unwrap();
    assert!(matches!(
        own.check(&second, key.public()),
        Err(LogError::Key(_))
    ));
    assert!(
        audit(dir.path(), key.public(), &[first, second])
            .unwrap()
            .is_sound()
    );
}

#[test]
fn malformed_checkpoints_are_refused() {
    let (_dir, log, key) = new_log(3);
    let good = String::from_utf8(log.checkpoint(&key).unwrap().to_bytes()).unwrap();
    Checkpoint::open(good.as_bytes(), key.public()).unwrap();
    let signature = good.lines().last().unwrap();
    for bad in [
        good.replace("archive\n3", "archive\n03"),
        good.replace("archive\n3", "archive\n+3"),
        good.replace("\n\n", "\nmore\n\n"),
        good.replace("\n\n", "\n\n\n"),
        good.replace('\n', "\r\n"),
        good.replace("log.example/archive\n", "log.example/other\n"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{good}{}", format!("{signature}\n").repeat(100)),
        format!("{good}{}", "x".repeat(MAX_CHECKPOINT)),
        String::new(),
    ] {
        assert!(
            Checkpoint::open(bad.as_bytes(), key.public()).is_err(),
            "{bad}"
        );
    }
    assert!(Checkpoint::open(good.as_bytes(), witness(1).public()).is_err());
}

/// Sizes near 2^64, properly signed: a hostile log may hand them out.
#[test]
fn absurd_sizes_are_no_crash() {
    use signed_note::Note;
    let (dir, log, key) = new_log(3);
    let first = log.checkpoint(&key).unwrap();
    for size in [1 << 47, (1 << 48) + 1, 1 << 63, u64::MAX - 1, u64::MAX] {
        let text = format!("{}\n{size}\n{}\n", first.origin(), first.root());
        let mut note = Note::new(text.as_bytes(), &[]).unwrap();
        note.add_sigs(&[&key]).unwrap();
        let huge = Checkpoint::open(&note.to_bytes(), key.public()).unwrap();
        for hashes in 0..70 {
            let path = vec![first.root(); hashes];
            let proof = ConsistencyProof::new(3, size, path.clone());
            assert!(verify_consistency(&first, &huge, &proof).is_err());
            let lines: String = path.iter().map(|h| format!("{h}\n")).collect();
            for index in [0, 1, size / 2, size - 1] {
                let text = format!(
                    "c2sp.org/tlog-proof@v1\nextra e30=\nindex {index}\n{lines}\n{}",
                    String::from_utf8(note.to_bytes()).unwrap()
                );
                assert!(
                    verify_inclusion(
                        text.as_bytes(),
                        key.public(),
                        &WitnessPolicy::default(),
                        None
                    )
                    .is_err()
                );
            }
        }
        fs::write(dir.path().join("checkpoint"), note.to_bytes()).unwrap();
        assert!(
            log.prove(0).is_err() && log.prove(size - 1).is_err() && log.checkpoint(&key).is_err()
        );
        assert!(!audit(dir.path(), key.public(), &[huge]).unwrap().is_sound());
        log.append(&[entry(3)]).unwrap();
        fs::write(
            dir.path().join("state/head"),
            format!("veraray-log-head/v1\n{size}\n{}\n", first.root()),
        )
        .unwrap();
        assert!(
            Log::open(dir.path()).is_err()
                && log.append(&[entry(3)]).is_err()
                && log.entry(size - 1).is_err()
        );
        assert!(!audit(dir.path(), key.public(), &[]).unwrap().is_sound());
        fs::write(
            dir.path().join("state/intent"),
            format!("veraray-log-intent/v1\n{size}\n{}\n", u64::MAX),
        )
        .unwrap();
        assert!(Log::open(dir.path()).is_err());
        assert!(!audit(dir.path(), key.public(), &[]).unwrap().is_sound());
        fs::remove_dir_all(dir.path()).unwrap();
        Log::init(dir.path(), &key)
            .unwrap()
            .append(&entries(0..3))
            .unwrap();
    }
}

#[test]
fn the_last_checkpoint_stays_provable_while_the_log_grows() {
    let (dir, log, key) = new_log(300);
    let old = log.checkpoint(&key).unwrap();
    for size in [301, 400, 511, 512, 700, 1100] {
        log.append(&entries(log.size().unwrap()..size)).unwrap();
        for index in [0, 255, 256, 299] {
            let proof = log.prove(index).unwrap().to_string();
            let found = verify_inclusion(
                proof.as_bytes(),
                key.public(),
                &WitnessPolicy::default(),
                None,
            );
            assert_eq!(found.unwrap().checkpoint, old);
        }
        assert!(matches!(log.prove(300), Err(LogError::NotCovered { .. })));
        assert!(
            audit(dir.path(), key.public(), std::slice::from_ref(&old))
                .unwrap()
                .is_sound()
        );
    }
}

#[test]
fn a_note_of_another_origin_is_no_checkpoint_of_this_log() {
    let (_dir, log, key) = new_log(3);
    let root = log.checkpoint(&key).unwrap().root();
    for (text, good) in [
        (format!("log.example/archive\n3\n{root}\n"), true),
        (format!("log.example/archive\n3\n{root}\nextension\n"), true),
        (format!("log.example/other\n3\n{root}\n"), false),
        (format!("log.example/archive\n0\n{root}\n"), false),
        (format!("log.example/archive\n03\n{root}\n"), false),
        (format!("log.example/archive\n3\n{root}\n\nmore\n"), false),
        ("log.example/archive\n3\nAAAA\n".into(), false),
    ] {
        let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        note.add_sigs(&[&key]).unwrap();
        assert_eq!(
            Checkpoint::open(&note.to_bytes(), key.public()).is_ok(),
            good,
            "{text}"
        );
    }
}

#[test]
fn keys_of_openssl_serve_too() {
    let dir = tempfile::tempdir().unwrap();
    let openssl = |args: &[&str]| {
        let out = std::process::Command::new("openssl")
            .args(args)
            .current_dir(dir.path())
            .output();
        assert!(out.unwrap().status.success(), "openssl {args:?}");
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]);
    openssl(&[
        "pkey", "-in", "key.pem", "-outform", "DER", "-out", "key.der",
    ]);
    openssl(&["genpkey", "-algorithm", "x25519", "-out", "other.pem"]);
    openssl(&[
        "pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public",
    ]);
    let path = |name: &str| dir.path().join(name);
    #[cfg(unix)]
    for name in ["key.pem", "key.der", "other.pem"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let load = |name: &str| SecretKey::load_as(&path(name), "log.example/a", KeyKind::Log);
    let (pem, der) = (load("key.pem").unwrap(), load("key.der").unwrap());
    assert_eq!(pem.public(), der.public());
    // The last 32 bytes of a SubjectPublicKeyInfo are the key (RFC 8410).
    let public = fs::read(path("public")).unwrap();
    assert_eq!(pem.public().bytes()[..], public[public.len() - 32..]);
    let log = Log::init(&path("log"), &pem).unwrap();
    log.append(&entries(0..3)).unwrap();
    log.checkpoint(&der).unwrap();
    let error = load("other.pem").unwrap_err().to_string();
    assert!(error.contains("other.pem"), "{error}");
    let text = fs::read_to_string(path("key.pem")).unwrap();
    let secret = text.lines().nth(1).unwrap().to_owned();
    let parse = |text: &str| SecretKey::parse_as(text.as_bytes(), "log.example/a", KeyKind::Log);
    for bad in [
        text.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
        text.replace("PRIVATE KEY", "EC PRIVATE KEY"),
        text.replace("MC4", "MC8"),
        text[..text.len() - 30].to_owned(),
        "-----BEGIN ".to_owned(),
        "\u{0}".repeat(48),
        String::new(),
    ] {
        let error = parse(&bad).unwrap_err().to_string();
        assert!(!error.contains(&secret), "{error}");
    }
    // A key of ours has a name and a kind, which must be those asked for.
    key().save(&path("ours")).unwrap();
    assert!(SecretKey::load_as(&path("ours"), "log.example/archive", KeyKind::Log).is_ok());
    for (name, kind) in [
        ("log.example/other", KeyKind::Log),
        ("log.example/archive", KeyKind::Witness),
    ] {
        let error = SecretKey::load_as(&path("ours"), name, kind).unwrap_err();
        assert!(error.to_string().contains("ours"), "{error}");
    }
}

#[test]
fn entries_are_read_in_order_and_checked() {
    let (dir, log, _) = new_log(700);
    for from in [0, 1, 255, 256, 300, 699, 700] {
        let mut seen = Vec::new();
        log.for_each(from, |index, entry| {
            seen.push((index, entry));
            Ok(())
        })
        .unwrap();
        let wanted: Vec<_> = (from..700).map(|n| (n, entry(n))).collect();
        assert_eq!(seen, wanted);
    }
    let path = dir.path().join("tile/entries/001");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut seen = 0;
    let result = log.for_each(0, |_, _| {
        seen += 1;
        Ok(())
    });
    assert!(matches!(result, Err(LogError::Corrupt { .. })) && seen == 256);
}
