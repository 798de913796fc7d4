//! Every text that a stranger can hand us: proofs, checkpoints, keys, entries. The first byte chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veraray_provenance::log::{
    Checkpoint, ConsistencyProof, Entry, InclusionProof, KeyKind, PublicKey, SecretKey, WitnessPolicy, verify_inclusion,
};

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let Ok(key) = SecretKey::from_seed("log.example", KeyKind::Log, &[9; 32]) else { return };
    let text = String::from_utf8_lossy(data);
    match choice % 6 {
        0 => {
            if let Ok(proof) = InclusionProof::parse(data) {
                assert_eq!(InclusionProof::parse(proof.to_string().as_bytes()).ok(), Some(proof));
            }
        }
        1 => {
            if let Ok(proof) = ConsistencyProof::parse(data) {
                assert_eq!(proof.to_string().as_bytes(), data);
            }
        }
        2 => drop(Checkpoint::open(data, key.public())),
        3 => drop(verify_inclusion(data, key.public(), &WitnessPolicy::default(), None)),
        4 => {
            if let Ok(entry) = Entry::decode(data) {
                assert_eq!(entry.encode().ok().as_deref(), Some(data));
            }
        }
        _ => drop((text.parse::<PublicKey>(), SecretKey::parse(&text))),
    }
});
