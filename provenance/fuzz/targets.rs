//! The bodies of the fuzz targets: any bytes in, no panic out. `fuzz_targets/` runs them under
//! libFuzzer, `tests/fuzz.rs` on mutated samples with every test run.

use std::path::Path;

use veraray_provenance::log::{
    Checkpoint, ConsistencyProof, Entry, InclusionProof, KeyKind, PublicKey, SecretKey,
    WitnessPolicy, verify_inclusion,
};
use veraray_provenance::signature::{
    Certificate, Limits, PixelFile, Place, Policy, PrivateKey, TrustStore, VerifyOptions,
    tag_named, verify_bytes,
};

/// Every text of a log that a stranger can hand us: proofs, checkpoints, keys, entries. The first byte
/// chooses.
pub fn log_inputs(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let Ok(key) = SecretKey::from_seed("log.example", KeyKind::Log, &[9; 32]) else {
        return;
    };
    let text = String::from_utf8_lossy(data);
    match choice % 7 {
        0 => {
            if let Ok(proof) = InclusionProof::parse(data) {
                let again = InclusionProof::parse(proof.to_string().as_bytes());
                assert_eq!(again.ok(), Some(proof));
            }
        }
        1 => {
            if let Ok(proof) = ConsistencyProof::parse(data) {
                assert_eq!(proof.to_string().as_bytes(), data);
            }
        }
        2 => drop(Checkpoint::open(data, key.public())),
        3 => {
            let none = WitnessPolicy::default();
            drop(verify_inclusion(data, key.public(), &none, None));
        }
        4 => {
            if let Ok(entry) = Entry::decode(data) {
                assert_eq!(entry.encode().ok().as_deref(), Some(data));
            }
        }
        5 => drop(SecretKey::parse_as(data, "log.example", KeyKind::Log)),
        _ => drop((text.parse::<PublicKey>(), SecretKey::parse(&text))),
    }
}

/// Any bytes as a signed DICOM file: no panic, bounded time and memory.
pub fn signature_verify(data: &[u8]) {
    // What is decoded must be what was asked for, whatever the header says.
    let decode = |file: PixelFile| (file.samples < 1 << 20).then(|| vec![7; file.samples]);
    let options = VerifyOptions {
        decoder: Some(&decode),
        limits: Limits {
            work: 64 << 20,
            inflated_bytes: 1 << 20,
            ..Limits::among_many()
        },
        ..VerifyOptions::default()
    };
    if let Ok(report) = verify_bytes(Path::new("fuzz"), data, &options) {
        // Nobody is trusted here.
        assert!(!report.is_accepted());
    }
}

/// Any bytes as certificate or revocation list, as key, as policy, as place and tag.
pub fn signature_trust(data: &[u8]) {
    let _ = TrustStore::empty().add_der(data);
    let _ = PrivateKey::from_bytes(data);
    if let Ok(certificate) = Certificate::from_der(data) {
        let _ = (
            certificate.subject(),
            certificate.is_self_signed(),
            certificate.unknown_critical(),
        );
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Policy::from_toml(text);
        let _ = text.parse::<Place>();
        let _ = tag_named(text);
    }
}
