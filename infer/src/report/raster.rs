//! Small pictures: reducing, laying a localisation map over them, encoding, data URIs.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, ImageError};
use veraray_datasets::GrayImage;
use veraray_model::lanczos3;

use crate::frames::{ScoredFrame, ScoredTile};
use crate::report::colour;

/// How much of the picture a map of value 1 covers; below it the anatomy shows through.
const COVER: f32 = 0.66;

/// An RGB picture, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Red, green and blue, `rows * columns * 3` of them.
    pub(crate) bytes: Vec<u8>,
}

impl Picture {
    /// A picture of one colour.
    pub(crate) fn plain(rows: usize, columns: usize, colour: colour::Rgb) -> Self {
        Self {
            rows,
            columns,
            bytes: colour.repeat(rows * columns),
        }
    }

    pub(crate) fn gray(image: &GrayImage) -> Self {
        Self {
            rows: image.rows,
            columns: image.columns,
            bytes: image
                .pixels
                .iter()
                .flat_map(|&pixel| [byte(pixel); 3])
                .collect(),
        }
    }

    /// A plane of numbers through a colour map.
    pub(crate) fn mapped(
        plane: &[f32],
        rows: usize,
        columns: usize,
        map: impl Fn(f32) -> colour::Rgb,
    ) -> Self {
        Self {
            rows,
            columns,
            bytes: plane.iter().flat_map(|&value| map(value)).collect(),
        }
    }

    /// Sets a pixel; outside the picture nothing happens.
    pub(crate) fn set(&mut self, row: usize, column: usize, colour: colour::Rgb) {
        if row < self.rows && column < self.columns {
            let at = (row * self.columns + column) * 3;
            self.bytes[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// Copies another picture to a place; what does not fit is cut off.
    pub(crate) fn paste(&mut self, other: &Self, top: usize, left: usize) {
        let width = other.columns.min(self.columns.saturating_sub(left));
        for row in 0..other.rows.min(self.rows.saturating_sub(top)) {
            let to = ((top + row) * self.columns + left) * 3;
            let from = row * other.columns * 3;
            self.bytes[to..to + width * 3].copy_from_slice(&other.bytes[from..from + width * 3]);
        }
    }

    /// Lays a map with values in `[0, 1]` over the picture.
    pub(crate) fn lay(&mut self, map: &[f32]) {
        self.tint(map, colour::heat, alpha);
    }

    /// Lays a map with values in `[-1, 1]` over the picture, its small values too.
    pub(crate) fn lay_balance(&mut self, map: &[f32]) {
        self.tint(map, colour::balance, |value| {
            alpha(value.abs()).sqrt() * COVER.sqrt()
        });
    }

    fn tint(&mut self, map: &[f32], colour: fn(f32) -> colour::Rgb, share: fn(f32) -> f32) {
        for (pixel, &value) in self.bytes.chunks_exact_mut(3).zip(map) {
            let share = share(value);
            for (channel, over) in pixel.iter_mut().zip(colour(value)) {
                let mixed = f32::from(*channel) * (1.0 - share) + f32::from(over) * share;
                *channel = mixed.round() as u8;
            }
        }
    }

    pub(crate) fn png(&self) -> Result<Vec<u8>, ImageError> {
        encode_png(
            &self.bytes,
            self.rows,
            self.columns,
            ExtendedColorType::Rgb8,
        )
    }

    /// JPEG of quality 82: for finding an image again, not for judging it.
    pub(crate) fn jpeg(&self) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 82).encode(
            &self.bytes,
            self.columns as u32,
            self.rows as u32,
            ExtendedColorType::Rgb8,
        )?;
        Ok(bytes)
    }
}

/// A grey picture as PNG.
pub(crate) fn gray_png(image: &GrayImage) -> Result<Vec<u8>, ImageError> {
    let bytes: Vec<u8> = image.pixels.iter().map(|&pixel| byte(pixel)).collect();
    encode_png(&bytes, image.rows, image.columns, ExtendedColorType::L8)
}

/// A map with values in `[0, 1]` as a PNG to lay over a picture, transparent where it is low.
pub(crate) fn overlay_png(map: &[f32], rows: usize, columns: usize) -> Result<Vec<u8>, ImageError> {
    let bytes: Vec<u8> = map
        .iter()
        .flat_map(|&value| {
            let [r, g, b] = colour::heat(value);
            [r, g, b, byte(alpha(value) / COVER)]
        })
        .collect();
    encode_png(&bytes, rows, columns, ExtendedColorType::Rgba8)
}

fn alpha(value: f32) -> f32 {
    if value.is_nan() {
        return 0.0;
    }
    COVER * value.clamp(0.0, 1.0)
}

fn encode_png(
    bytes: &[u8],
    rows: usize,
    columns: usize,
    colour: ExtendedColorType,
) -> Result<Vec<u8>, ImageError> {
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive)
        .write_image(bytes, columns as u32, rows as u32, colour)?;
    Ok(png)
}

fn byte(level: f32) -> u8 {
    (level * 255.0).round() as u8
}

/// The picture with its longer side brought down to `longest` pixels; a smaller one stays.
pub(crate) fn reduced(image: &GrayImage, longest: usize) -> GrayImage {
    let side = image.rows.max(image.columns);
    if side <= longest {
        return image.clone();
    }
    let reduce = |length: usize| (length * longest).div_ceil(side).max(1);
    let (rows, columns) = (reduce(image.rows), reduce(image.columns));
    GrayImage {
        rows,
        columns,
        pixels: lanczos3(&image.pixels, [image.rows, image.columns], [rows, columns]),
    }
}

/// What the tiles of a frame say by place, on a grid of `rows` by `columns` over the frame.
///
/// `cells` gives the numbers of a tile in the layout of its localisation map. Between the centres of
/// cells they are interpolated; where tiles overlap they are averaged; padding is left out. Places
/// that no tile shows are not a number.
pub(crate) fn field<'a>(
    frame: &'a ScoredFrame,
    cells: impl Fn(usize, &'a ScoredTile) -> &'a [f32],
    rows: usize,
    columns: usize,
) -> Vec<f32> {
    let mut sum = vec![0.0_f32; rows * columns];
    let mut weight = vec![0.0_f32; rows * columns];
    for (index, tile) in frame.tiles.iter().enumerate() {
        let values = cells(index, tile);
        let stride = tile.score.columns.max(1);
        let [x0, y0, x1, y1] = tile.region.map(f64::from);
        let vertical = samples(rows, frame.rows, [y0, y1], tile, 0, values.len() / stride);
        let horizontal = samples(columns, frame.columns, [x0, x1], tile, 1, stride);
        for &(y, top, bottom, down) in &vertical {
            for &(x, left, right, across) in &horizontal {
                let at = |row: usize, column: usize| values[row * stride + column];
                let upper = at(top, left) * (1.0 - across) + at(top, right) * across;
                let lower = at(bottom, left) * (1.0 - across) + at(bottom, right) * across;
                let value = upper * (1.0 - down) + lower * down;
                if value.is_finite() {
                    sum[y * columns + x] += value;
                    weight[y * columns + x] += 1.0;
                }
            }
        }
    }
    sum.iter()
        .zip(weight)
        .map(|(sum, weight)| sum / weight)
        .collect()
}

/// For every position of the grid that a tile shows: the two cells beside it and the second's share.
fn samples(
    length: usize,
    side: usize,
    [start, end]: [f64; 2],
    tile: &ScoredTile,
    axis: usize,
    cells: usize,
) -> Vec<(usize, usize, usize, f32)> {
    let cell = tile.cell()[axis];
    let valid = tile.valid[axis] as f64;
    let last = ((valid / cell).round() as usize).clamp(1, cells.max(1)) - 1;
    (0..length)
        .filter_map(|position| {
            let place = (position as f64 + 0.5) * side as f64 / length as f64;
            if cells == 0 || place < start || place >= end {
                return None;
            }
            let at = (place - start) / (end - start) * valid / cell - 0.5;
            let at = at.clamp(0.0, last as f64);
            let first = at.floor() as usize;
            Some((
                position,
                first,
                (first + 1).min(last),
                (at - at.floor()) as f32,
            ))
        })
        .collect()
}

/// Bytes as a data URI.
pub(crate) fn data_uri(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", base64(bytes))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |number, index| {
            number << 8 | chunk.get(index).map_or(0, |&byte| usize::from(byte))
        });
        for index in 0..4 {
            text.push(if index <= chunk.len() {
                char::from(LETTERS[number >> (18 - 6 * index) & 63])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::TileScore;

    fn frame(map: Vec<f32>, columns: usize, valid: [usize; 2]) -> ScoredFrame {
        let tile = ScoredTile {
            height: map.len() / columns * 16,
            width: columns * 16,
            valid,
            region: [0.0, 0.0, valid[1] as f32, valid[0] as f32],
            score: TileScore {
                logit: 0.0,
                map,
                columns,
                features: Vec::new(),
            },
        };
        ScoredFrame {
            index: 0,
            rows: valid[0],
            columns: valid[1],
            tiles: vec![tile],
        }
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"\xff\xfe\xfd", "//79"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn a_field_keeps_the_cells_in_their_places_and_leaves_padding_out() {
        // The last column of cells is padding and must not bleed in.
        let frame = frame(vec![0.0, 1.0, 9.0, 0.0, 1.0, 9.0], 3, [32, 32]);
        let grid = field(&frame, |_, tile| &tile.score.map, 2, 2);
        assert_eq!(grid, [0.0, 1.0, 0.0, 1.0]);
        let fine = field(&frame, |_, tile| &tile.score.map, 32, 32);
        assert!(fine.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(fine[8] > 0.0 && fine[8] < fine[20]);
    }

    #[test]
    fn places_without_a_tile_or_a_number_are_none() {
        let mut half = frame(vec![0.5; 4], 2, [32, 32]);
        half.tiles[0].region = [0.0, 0.0, 16.0, 32.0];
        let grid = field(&half, |_, tile| &tile.score.map, 1, 2);
        assert_eq!(grid[0], 0.5);
        assert!(grid[1].is_nan());
        half.tiles[0].score.map.fill(f32::NAN);
        assert!(field(&half, |_, tile| &tile.score.map, 1, 1)[0].is_nan());
    }

    #[test]
    fn overlays_cover_what_is_high_and_spare_what_is_not() {
        let image = GrayImage {
            rows: 1,
            columns: 3,
            pixels: vec![0.5; 3],
        };
        let mut picture = Picture::gray(&image);
        picture.lay(&[0.0, 1.0, f32::NAN]);
        assert_eq!(picture.bytes[..3], [128; 3]);
        assert_eq!(picture.bytes[6..], [128; 3]);
        // Red at the hot end, and blue all but gone.
        assert!(picture.bytes[3] > 180 && picture.bytes[5] < 90);
    }

    #[test]
    fn large_pictures_shrink_and_small_ones_stay() {
        let image = GrayImage {
            rows: 300,
            columns: 100,
            pixels: vec![0.25; 30_000],
        };
        let small = reduced(&image, 96);
        assert_eq!((small.rows, small.columns), (96, 32));
        assert_eq!(reduced(&small, 96), small);
    }
}
