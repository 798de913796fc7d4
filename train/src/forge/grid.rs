//! Pictures in rows, as one marked PNG.

use std::path::Path;

use veraray_datasets::{GrayImage, Origin, encode_png};

use crate::TrainError;

/// Pixels between two pictures.
const GAP: usize = 2;

/// Writes rows of pictures of one size. The file says that it holds forgeries.
///
/// # Errors
/// [`TrainError`] when it cannot be encoded or written.
pub fn write(
    path: &Path,
    rows: &[Vec<GrayImage>],
    family: &str,
    seed: u64,
) -> Result<(), TrainError> {
    let side = rows
        .first()
        .and_then(|row| row.first())
        .map_or(0, |image| image.columns);
    let across = rows.iter().map(Vec::len).max().unwrap_or(0);
    let (height, width) = (rows.len() * (side + GAP) + GAP, across * (side + GAP) + GAP);
    let mut samples = vec![255_u16; height * width];
    for (row, images) in rows.iter().enumerate() {
        for (column, image) in images.iter().enumerate() {
            let (top, left) = (GAP + row * (side + GAP), GAP + column * (side + GAP));
            for (y, line) in image.pixels.chunks_exact(image.columns).enumerate() {
                for (x, value) in line.iter().enumerate() {
                    samples[(top + y) * width + left + x] = (value * 255.0).round() as u16;
                }
            }
        }
    }
    let origin = Origin {
        forged: true,
        family: family.into(),
        parent_sha256: String::new(),
        seed,
        parameters: "{}".into(),
    };
    let failed = |message: String| TrainError::Run {
        path: path.to_owned(),
        message,
    };
    let file = encode_png(&samples, height as u32, width as u32, 8, &origin).map_err(failed)?;
    std::fs::write(path, file).map_err(TrainError::io(path))
}
