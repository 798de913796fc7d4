//! Any bytes: `open_bytes` and the first and last frame give a result, never a panic.
//!
//! `cargo +nightly fuzz run open_bytes CORPUS`; pydicom's test files and `tests/fixtures` are a good
//! start for a corpus.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use veraray_datasets::{OpenOptions, open_bytes, quiet_decoder_panics};

fuzz_target!(|data: &[u8]| {
    quiet_decoder_panics();
    let options = OpenOptions {
        max_pixels: 1 << 20,
        max_file_bytes: 1 << 24,
        max_decoded_bytes: 1 << 26,
    };
    if let Ok(mut image) = open_bytes(Path::new("fuzz"), data.to_vec(), &options) {
        for index in [0, image.info().frames - 1] {
            if let Ok(frame) = image.frame(index) {
                assert!(frame.values.iter().all(|v| v.is_finite()));
                assert!(
                    frame
                        .to_gray()
                        .pixels
                        .iter()
                        .all(|v| (0.0..=1.0).contains(v))
                );
            }
        }
    }
});
