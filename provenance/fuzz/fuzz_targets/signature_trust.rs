//! Any bytes as certificate or revocation list, and as policy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veraray_provenance::signature::{Certificate, Policy, PrivateKey, TrustStore};

fuzz_target!(|data: &[u8]| {
    let _ = TrustStore::empty().add_der(data);
    let _ = PrivateKey::from_bytes(data);
    if let Ok(certificate) = Certificate::from_der(data) {
        let _ = (certificate.subject(), certificate.is_self_signed(), certificate.unknown_critical());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Policy::from_toml(text);
    }
});
