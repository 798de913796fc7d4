//! Any bytes as a signed DICOM file: no panic, bounded time.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use veraray_provenance::signature::{VerifyOptions, verify_bytes};

fuzz_target!(|data: &[u8]| {
    let _ = verify_bytes(Path::new("fuzz"), data, &VerifyOptions::default());
});
