//! Go's `golang.org/x/mod/sumdb/{note,tlog}`, which shares no code at run time with this crate, verifies our
//! logs, checkpoints and proofs; and we verify what it makes. Needs `go` and Debian's
//! golang-golang-x-mod-dev; without them the tests say so and pass, unless VERARAY_THIRD_PARTY=required.

mod log_support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use log_support::*;
use veraray_provenance::log::*;

fn build(dir: &Path) -> Option<PathBuf> {
    let binary = dir.join("sumdb");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/main.go");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([&binary, &source])
        .envs([
            ("GO111MODULE", "off"),
            ("GOPATH", "/usr/share/gocode"),
            ("GOFLAGS", ""),
        ])
        .env("GOCACHE", env::temp_dir().join("veraray-go-cache"))
        .output();
    match built {
        Ok(out) if out.status.success() => Some(binary),
        other => {
            assert!(
                env::var("VERARAY_THIRD_PARTY").as_deref() != Ok("required"),
                "{other:?}"
            );
            eprintln!("skipped: go with golang.org/x/mod is not installed");
            None
        }
    }
}

fn go(binary: &Path, args: &[&str]) -> Output {
    Command::new(binary).args(args).output().unwrap()
}

fn passes(binary: &Path, args: &[&str]) -> String {
    let out = go(binary, args);
    assert!(
        out.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn go_verifies_what_we_make() {
    let work = tempfile::tempdir().unwrap();
    let Some(binary) = build(work.path()) else {
        return;
    };
    let (dir, log, key) = new_log(0);
    let vkey = key.public().to_string();
    let file = |name: &str| work.path().join(name).to_str().unwrap().to_owned();
    let (mut signed, mut proofs, mut pairs) = (Vec::new(), 0, 0);
    for size in [
        1, 2, 3, 7, 8, 255, 256, 257, 300, 511, 512, 700, 1000, 66_000_u64,
    ] {
        log.append(&entries(log.size().unwrap()..size)).unwrap();
        let checkpoint = log.checkpoint(&key).unwrap();
        fs::write(file(&format!("cp{size}")), checkpoint.to_bytes()).unwrap();
        signed.push(size.to_string());
        let mut args = vec!["log", dir.path().to_str().unwrap(), &vkey];
        args.extend(signed.iter().map(String::as_str));
        assert_eq!(
            passes(&binary, &args),
            format!("{size} {}\n", checkpoint.root())
        );

        let names: Vec<String> = (0..size)
            .step_by(size as usize / 40 + 1)
            .chain([size - 1])
            .map(|i| {
                let name = file(&format!("{i}.tlog-proof"));
                fs::write(&name, log.prove(i).unwrap().to_string()).unwrap();
                name
            })
            .collect();
        let mut args = vec!["proof", &vkey];
        args.extend(names.iter().map(String::as_str));
        passes(&binary, &args);
        proofs += names.len();
        for old in &signed {
            let proof = log.prove_consistency(old.parse().unwrap(), size).unwrap();
            fs::write(file("tree"), proof.to_string()).unwrap();
            passes(
                &binary,
                &[
                    "tree",
                    &vkey,
                    &file(&format!("cp{old}")),
                    &file(&format!("cp{size}")),
                    &file("tree"),
                ],
            );
            pairs += 1;
        }
        // And Go refuses what is wrong, so that its silence above means something.
        let text = log.prove(0).unwrap().to_string();
        let spoilt = text.replacen("extra eyJ", "extra eyK", 1);
        assert_ne!(spoilt, text);
        fs::write(file("bad"), spoilt).unwrap();
        assert!(
            !go(&binary, &["proof", &vkey, &file("bad")])
                .status
                .success()
        );
    }
    eprintln!("go verified 14 logs, {proofs} inclusion proofs, {pairs} consistency proofs");

    // Go reads our private key form, to the same public key; a cosigned checkpoint still opens.
    let witness = SecretKey::generate("w.example", KeyKind::Witness).unwrap();
    let none = log.prove_consistency(0, 66_000).unwrap();
    let cosigned = cosign(
        &log.latest_checkpoint().unwrap(),
        None,
        &none,
        &witness,
        Timestamp::now(),
    )
    .unwrap();
    log.attach_cosignatures(&cosigned.to_bytes(), &[witness.public().clone()])
        .unwrap();
    fs::write(file("p"), log.prove(65_536).unwrap().to_string()).unwrap();
    passes(&binary, &["proof", &vkey, &file("p")]);
}

#[test]
fn we_verify_what_go_makes() {
    let work = tempfile::tempdir().unwrap();
    let Some(binary) = build(work.path()) else {
        return;
    };
    let mut bundle = Vec::new();
    let count = 300_u64;
    for n in 0..count {
        let record = entry(n).encode().unwrap();
        bundle.extend_from_slice(&(record.len() as u16).to_be_bytes());
        bundle.extend_from_slice(&record);
    }
    let out = work.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(work.path().join("bundle"), bundle).unwrap();
    passes(
        &binary,
        &[
            "make",
            work.path().join("bundle").to_str().unwrap(),
            out.to_str().unwrap(),
        ],
    );

    let key: PublicKey = fs::read_to_string(out.join("vkey"))
        .unwrap()
        .parse()
        .unwrap();
    let secret = SecretKey::parse(&fs::read_to_string(out.join("skey")).unwrap()).unwrap();
    assert_eq!(*secret.public(), key);
    // Our tree over the same entries has Go's roots.
    let dir = tempfile::tempdir().unwrap();
    let ours = Log::init(dir.path(), &secret).unwrap();
    ours.append(&entries(0..count)).unwrap();
    // Ed25519 is deterministic: the two programs write the same checkpoint, byte for byte.
    assert_eq!(
        ours.checkpoint(&secret).unwrap().to_bytes(),
        fs::read(out.join(format!("checkpoint.{count}"))).unwrap()
    );

    let open = |size: &str| {
        Checkpoint::open(
            &fs::read(out.join(format!("checkpoint.{size}"))).unwrap(),
            &key,
        )
        .unwrap()
    };
    let (mut inclusion, mut consistency) = (0, 0);
    for path in files(&out) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        if let Some(numbers) = name.strip_suffix(".tlog-proof") {
            let found = verify_inclusion(&bytes, &key, &WitnessPolicy::default(), None).unwrap();
            assert_eq!(
                numbers,
                format!("{}.{}", found.index, found.checkpoint.size())
            );
            assert_eq!(found.entry, entry(found.index));
            inclusion += 1;
        } else if let Some(numbers) = name.strip_suffix(".consistency") {
            let (old, new) = numbers.split_once('.').unwrap();
            let proof = ConsistencyProof::parse(&bytes).unwrap();
            verify_consistency(&open(old), &open(new), &proof).unwrap();
            assert_eq!(ours.prove_consistency(proof.old, proof.new).unwrap(), proof);
            consistency += 1;
        }
    }
    eprintln!("verified {inclusion} inclusion and {consistency} consistency proofs of go");
    assert!(inclusion >= 800 && consistency >= 800);
}
