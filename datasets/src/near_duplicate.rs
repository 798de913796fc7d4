//! Finds pictures that are almost the same: re-encoded, resized, inverted, or the next frame.
//!
//! Two steps, because medical images look alike. A 64-bit perceptual hash (median of low DCT
//! frequencies) proposes pairs; on chest films it alone would call many patients the same. A pair
//! counts only when small high-passed thumbnails also correlate: what is compared is then the
//! patient's own detail, not the anatomy that all share. Figures behind the defaults are in
//! `benches/results/near_duplicates.txt`. Cropping by more than about one percent escapes.

use std::path::Path;

use image_hasher::{HashAlg, Hasher, HasherConfig};
use rayon::prelude::*;

use crate::{GrayImage, OpenError, OpenOptions, open};

/// Side of the compared thumbnail.
const SIDE: usize = 48;
/// Radius of the mean that is taken away from it.
const RADIUS: usize = 3;
/// Standard deviation, as a share of the grey range, below which a thumbnail shows nothing.
const FLAT: f32 = 0.002;

/// What is kept of a picture to compare it: 2.3 kB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Perceptual hash.
    hash: u64,
    /// High-passed thumbnail, scaled so that the largest value is 127.
    detail: Box<[i8]>,
    /// Sum of its squares.
    energy: i64,
}

/// When two pictures count as the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Largest Hamming distance of the hashes, of 64.
    pub max_distance: u32,
    /// Smallest correlation of the high-passed thumbnails, by its size.
    pub min_correlation: f32,
}

impl Default for Similarity {
    fn default() -> Self {
        Self {
            max_distance: 12,
            min_correlation: 0.85,
        }
    }
}

/// Two pictures that are almost the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearDuplicate {
    /// Index of the one.
    pub first: usize,
    /// Index of the other, which is larger.
    pub second: usize,
    /// Hamming distance of the hashes, to the inverted picture where that is closer.
    pub distance: u32,
    /// Correlation of the high-passed thumbnails; negative when one is inverted.
    pub correlation: f32,
}

impl Fingerprint {
    /// The fingerprint of a picture, `None` when it shows next to nothing.
    #[must_use]
    pub fn of(picture: &GrayImage) -> Option<Self> {
        if picture.rows == 0 || picture.columns == 0 {
            return None;
        }
        let thumbnail = shrink(picture);
        let detail = high_pass(&thumbnail);
        let square: f32 = detail.iter().map(|v| v * v).sum();
        if (square / detail.len() as f32).sqrt() < FLAT {
            return None;
        }
        let top = detail.iter().fold(0.0_f32, |top, v| top.max(v.abs()));
        let detail: Box<[i8]> = detail
            .iter()
            .map(|v| (v / top * 127.0).round() as i8)
            .collect();
        let energy = dot(&detail, &detail);
        Some(Self {
            hash: hash(&thumbnail)?,
            detail,
            energy,
        })
    }

    /// The fingerprint of a file, for volumes that of the middle slice.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be decoded.
    pub fn read(path: &Path) -> Result<Option<Self>, OpenError> {
        let mut image = open(path, &OpenOptions::default())?;
        let middle = image.info().frames / 2;
        Ok(Self::of(&image.frame(middle)?.to_gray()))
    }

    /// Hamming distance of the hashes, of 64.
    #[must_use]
    pub fn distance(&self, other: &Self) -> u32 {
        (self.hash ^ other.hash).count_ones()
    }

    /// Correlation of the high-passed thumbnails, in `[-1, 1]`.
    #[must_use]
    pub fn correlation(&self, other: &Self) -> f32 {
        let scale = (self.energy as f64 * other.energy as f64).sqrt();
        (dot(&self.detail, &other.detail) as f64 / scale) as f32
    }

    fn compare(&self, other: &Self, similarity: &Similarity) -> Option<(u32, f32)> {
        let distance = self.distance(other);
        // An inverted picture has the complement of the hash.
        let distance = distance.min(64 - distance);
        if distance > similarity.max_distance {
            return None;
        }
        let correlation = self.correlation(other);
        (correlation.abs() >= similarity.min_correlation).then_some((distance, correlation))
    }
}

/// All pairs of near-duplicates for which `counts` holds, sorted by their indices.
///
/// Compares all hashes with all: the work grows with the square of their number.
pub fn near_duplicates(
    prints: &[Option<Fingerprint>],
    similarity: &Similarity,
    counts: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<NearDuplicate> {
    (0..prints.len())
        .into_par_iter()
        .flat_map_iter(|first| {
            let mine = prints[first].as_ref();
            let counts = &counts;
            (first + 1..prints.len()).filter_map(move |second| {
                let (distance, correlation) =
                    mine?.compare(prints[second].as_ref()?, similarity)?;
                counts(first, second).then_some(NearDuplicate {
                    first,
                    second,
                    distance,
                    correlation,
                })
            })
        })
        .collect()
}

fn dot(a: &[i8], b: &[i8]) -> i64 {
    let sum: i32 = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| i32::from(a) * i32::from(b))
        .sum();
    // 48² · 127² stays below 2³¹.
    i64::from(sum)
}

fn hash(thumbnail: &[f32]) -> Option<u64> {
    thread_local! {
        static HASHER: Hasher<[u8; 8]> = HasherConfig::with_bytes_type::<[u8; 8]>()
            .hash_alg(HashAlg::Median)
            .preproc_dct()
            .to_hasher();
    }
    let bytes = thumbnail
        .iter()
        .map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8)
        .collect();
    let picture = image::GrayImage::from_raw(SIDE as u32, SIDE as u32, bytes)?;
    let hash = HASHER.with(|hasher| hasher.hash_image(&picture));
    Some(u64::from_le_bytes(hash.into_inner()))
}

/// Mean over areas to a square, whatever the aspect was.
fn shrink(picture: &GrayImage) -> Vec<f32> {
    let across = |lines: &[f32], length: usize| -> Vec<f32> {
        let step = length as f32 / SIDE as f32;
        let mut out = Vec::with_capacity(lines.len() / length * SIDE);
        for line in lines.chunks_exact(length) {
            for index in 0..SIDE {
                let (from, to) = (index as f32 * step, (index + 1) as f32 * step);
                let mut sum = 0.0;
                for (at, value) in line
                    .iter()
                    .enumerate()
                    .take((to.ceil() as usize).min(length))
                    .skip(from as usize)
                {
                    let weight = (to.min((at + 1) as f32) - from.max(at as f32)).max(0.0);
                    sum += weight * value;
                }
                out.push(sum / step);
            }
        }
        out
    };
    let transpose = |plane: &[f32], width: usize| -> Vec<f32> {
        (0..width)
            .flat_map(|x| plane.iter().skip(x).step_by(width).copied())
            .collect()
    };
    let narrow = across(&picture.pixels, picture.columns);
    let small = across(&transpose(&narrow, SIDE), picture.rows);
    transpose(&small, SIDE)
}

/// Takes away the mean of the surroundings, edges repeated.
fn high_pass(plane: &[f32]) -> Vec<f32> {
    let last = SIDE as isize - 1;
    let radius = RADIUS as isize;
    let mean = |x: usize, y: usize| {
        let mut sum = 0.0;
        for dy in -radius..=radius {
            let line = (y as isize + dy).clamp(0, last) as usize * SIDE;
            for dx in -radius..=radius {
                sum += plane[line + (x as isize + dx).clamp(0, last) as usize];
            }
        }
        sum / ((2 * RADIUS + 1) * (2 * RADIUS + 1)) as f32
    };
    let detail: Vec<f32> = (0..SIDE * SIDE)
        .map(|at| plane[at] - mean(at % SIDE, at / SIDE))
        .collect();
    let mean = detail.iter().sum::<f32>() / detail.len() as f32;
    detail.into_iter().map(|v| v - mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smooth blobs at seeded places.
    fn picture(seed: u64, rows: usize, columns: usize) -> GrayImage {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let blobs: Vec<[f32; 4]> = (0..40)
            .map(|_| [next(), next(), 0.02 + 0.08 * next(), next() - 0.5])
            .collect();
        let pixels = (0..rows * columns)
            .map(|at| {
                let y = ((at / columns) as f32 + 0.5) / rows as f32;
                let x = ((at % columns) as f32 + 0.5) / columns as f32;
                let sum: f32 = blobs
                    .iter()
                    .map(|[bx, by, size, height]| {
                        let square = ((x - bx).powi(2) + (y - by).powi(2)) / (size * size);
                        height * (-square).exp()
                    })
                    .sum();
                (0.5 + 0.5 * sum).clamp(0.0, 1.0)
            })
            .collect();
        GrayImage {
            rows,
            columns,
            pixels,
        }
    }

    #[test]
    fn resized_noisy_inverted_and_re_toned_copies_are_found_and_others_are_not() {
        let mut pictures: Vec<GrayImage> = (0..40).map(|s| picture(s, 120, 160)).collect();
        let originals = pictures.len();
        for seed in 0..8 {
            let mut copy = picture(seed, 60, 80);
            for (at, value) in copy.pixels.iter_mut().enumerate() {
                let grain = (at as u32).wrapping_mul(2_654_435_761) >> 16;
                *value = (*value + (grain as f32 / 65536.0 - 0.5) * 0.04).clamp(0.0, 1.0);
                *value = match seed % 4 {
                    0 => 1.0 - *value,
                    1 => value.powf(1.4),
                    2 => 0.8 * *value + 0.1,
                    _ => *value,
                };
            }
            pictures.push(copy);
        }
        let prints: Vec<_> = pictures.iter().map(Fingerprint::of).collect();
        let found = near_duplicates(&prints, &Similarity::default(), |_, _| true);
        let pairs: Vec<_> = found.iter().map(|d| (d.first, d.second)).collect();
        let expected: Vec<_> = (0..8).map(|seed| (seed, originals + seed)).collect();
        assert_eq!(pairs, expected, "{found:?}");
        assert!(found[0].correlation < -0.9 && found[3].correlation > 0.9);
        assert!(near_duplicates(&prints, &Similarity::default(), |_, _| false).is_empty());
    }

    #[test]
    fn blank_and_tiny_pictures_have_no_fingerprint_or_a_harmless_one() {
        let blank = GrayImage {
            rows: 64,
            columns: 64,
            pixels: vec![0.3; 64 * 64],
        };
        assert_eq!(Fingerprint::of(&blank), None);
        let empty = GrayImage {
            rows: 0,
            columns: 0,
            pixels: Vec::new(),
        };
        assert_eq!(Fingerprint::of(&empty), None);
        let tiny = GrayImage {
            rows: 1,
            columns: 2,
            pixels: vec![0.0, 1.0],
        };
        let print = Fingerprint::of(&tiny).unwrap();
        assert!((print.correlation(&print) - 1.0).abs() < 1e-6);
        assert_eq!(print.distance(&print), 0);
    }

    #[test]
    fn shrinking_keeps_the_mean() {
        let plane = picture(3, 97, 131);
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean(&shrink(&plane)) - mean(&plane.pixels)).abs() < 1e-3);
    }
}
