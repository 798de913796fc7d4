//! Images of any size through a network: padded to its multiples, and in overlapping windows where
//! they are large.

use burn::tensor::{Device, Tensor, TensorData};
use veraray_datasets::GrayImage;

use super::generator;
use crate::TrainError;

/// Longest side that is passed through at once, in pixels.
const LONGEST: usize = 768;
/// Pixels that two windows share.
const OVERLAP: usize = 64;

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its number.
    pub index: usize,
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
}

/// First pixel and length of the parts of a side.
fn parts(length: usize) -> Vec<(usize, usize)> {
    if length <= LONGEST {
        return vec![(0, length)];
    }
    let count = (length - OVERLAP).div_ceil(LONGEST - OVERLAP);
    (0..count)
        .map(|at| (at * (length - LONGEST) / (count - 1), LONGEST))
        .collect()
}

/// The opacity of a window along one axis: it fades over the overlap, but not at the image's border.
fn fade(at: usize, first: usize, length: usize, whole: usize) -> f32 {
    let ramp = |distance: usize| ((distance as f32 + 0.5) / OVERLAP as f32).min(1.0);
    let before = if first == 0 { 1.0 } else { ramp(at) };
    let after = if first + length == whole {
        1.0
    } else {
        ramp(length - 1 - at)
    };
    before * after
}

/// Passes an image through `run`, which takes and gives `[1, 1, height, width]` in `[-1, 1]` with sides
/// that are multiples of `multiple`; sides are padded by mirroring.
///
/// # Errors
/// What `run` says.
pub fn windows(
    image: &GrayImage,
    multiple: usize,
    device: &Device,
    run: impl Fn(Tensor<4>, &Window) -> Result<Tensor<4>, TrainError>,
) -> Result<GrayImage, TrainError> {
    let mut sums = vec![0.0_f32; image.pixels.len()];
    let mut weights = vec![0.0_f32; image.pixels.len()];
    let mut index = 0;
    for &(top, rows) in &parts(image.rows) {
        for &(left, columns) in &parts(image.columns) {
            let window = Window {
                index,
                top,
                left,
                rows,
                columns,
            };
            index += 1;
            let made = generator::image(
                run(cut(image, window, multiple, device), &window)?,
                rows,
                columns,
            );
            for (at, &value) in made.pixels.iter().enumerate() {
                let (row, column) = (at / columns, at % columns);
                let weight =
                    fade(row, top, rows, image.rows) * fade(column, left, columns, image.columns);
                let place = (top + row) * image.columns + left + column;
                sums[place] += weight * value;
                weights[place] += weight;
            }
        }
    }
    Ok(GrayImage {
        pixels: sums.iter().zip(&weights).map(|(sum, w)| sum / w).collect(),
        ..*image
    })
}

fn cut(image: &GrayImage, window: Window, multiple: usize, device: &Device) -> Tensor<4> {
    let height = window.rows.next_multiple_of(multiple);
    let width = window.columns.next_multiple_of(multiple);
    let mut values = Vec::with_capacity(height * width);
    for row in 0..height {
        let line = (window.top + mirrored(row, window.rows)) * image.columns + window.left;
        let pixel = |column| 2.0 * image.pixels[line + mirrored(column, window.columns)] - 1.0;
        values.extend((0..width).map(pixel));
    }
    Tensor::from_data(TensorData::new(values, [1, 1, height, width]), device)
}

/// Mirrors an index at the end of `0..size`; a padding is shorter than the side.
fn mirrored(index: usize, size: usize) -> usize {
    if index < size {
        index
    } else {
        (2 * size - 1).saturating_sub(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_any_size_come_back_as_they_are() {
        let device = Device::flex();
        for (rows, columns) in [(70, 65), (800, 64), (768, 1700)] {
            let image = GrayImage {
                rows,
                columns,
                pixels: (0..rows * columns)
                    .map(|i| (i % 251) as f32 / 250.0)
                    .collect(),
            };
            let same = |pixels: Tensor<4>, _: &Window| {
                let [_, _, height, width] = pixels.dims();
                assert!(height.is_multiple_of(16) && width.is_multiple_of(16));
                Ok(pixels)
            };
            let back = windows(&image, 16, &device, same).expect("an image");
            for (a, b) in image.pixels.iter().zip(&back.pixels) {
                assert!((a - b).abs() < 1e-5, "{rows}x{columns}");
            }
        }
    }
}
