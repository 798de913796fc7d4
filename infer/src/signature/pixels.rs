//! Pixels as they were before lossless compression, for signatures made then.

use std::path::Path;

use veraray_datasets::{OpenOptions, open_bytes};
use veraray_provenance::signature::PixelFile;

/// Decodes the samples of a file that holds nothing but compressed pixels.
pub(super) fn decode(file: PixelFile) -> Option<Vec<u16>> {
    let name = Path::new("compressed pixels");
    let mut image = open_bytes(name, file.bytes, &OpenOptions::default()).ok()?;
    let mut samples = Vec::new();
    for index in 0..image.info().frames {
        let frame = image.frame(index).ok()?;
        if samples.len() + frame.values.len() > file.samples {
            return None;
        }
        // Unsigned patterns of at most 16 bits, without rescale: exact in 32-bit floats.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        samples.extend(frame.values.iter().map(|&value| value as u16));
    }
    Some(samples)
}
