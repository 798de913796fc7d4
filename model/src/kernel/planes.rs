//! Padded copies of samples.

use pulp::{Arch, Simd, WithSimd};

use super::geometry::{Geometry, LANES};

/// Elements past the end of a padded input that a tile may read.
pub(super) const SLACK: usize = 4 * LANES;

/// Cuts planes of that size into strips of `rows` rows but for the last: of each strip its first row, and
/// its part of every plane.
pub(super) fn strips(
    planes: &mut [f32],
    [height, width]: [usize; 2],
    rows: usize,
) -> Vec<(usize, Vec<&mut [f32]>)> {
    let plane = height * width;
    let mut strips: Vec<(usize, Vec<&mut [f32]>)> = (0..height)
        .step_by(rows)
        .map(|first| (first, Vec::with_capacity(planes.len() / plane)))
        .collect();
    for plane in planes.chunks_exact_mut(plane) {
        for ((_, strip), part) in strips.iter_mut().zip(plane.chunks_mut(rows * width)) {
            strip.push(part);
        }
    }
    strips
}

/// Pads a sample and splits it into phases.
///
/// # Shapes
/// - `input`: `[inputs, height, width]`
/// - `padded`: `Geometry::padded() + SLACK`
pub(super) fn pad_input(geometry: &Geometry, input: &[f32], padded: &mut [f32]) {
    Arch::new().dispatch(Pad {
        strip: geometry,
        input,
        height: geometry.size[0],
        first: 0,
        padded,
    });
}

/// Pads the rows that a strip of a convolution's output reads and splits them into phases.
#[derive(Debug)]
pub(super) struct Pad<'a> {
    /// The geometry of the strip: its size is that of the output rows wanted, times the stride.
    pub strip: &'a Geometry,
    /// `[inputs, height, width]`
    pub input: &'a [f32],
    /// Rows of the whole input.
    pub height: usize,
    /// First row of the input that the strip starts from, a multiple of the stride.
    pub first: usize,
    /// `Geometry::padded() + SLACK` of the strip.
    pub padded: &'a mut [f32],
}

impl WithSimd for Pad<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            strip,
            input,
            height,
            first,
            padded,
        } = self;
        let width = strip.size[1];
        let (stride, padding, pitch) = (strip.stride, strip.padding(), strip.pitch());
        let phases = strip.phases();
        let (planes, slack) = padded.split_at_mut(strip.padded());
        slack.fill(0.0);
        let mut rows = planes.chunks_exact_mut(phases * strip.padded_plane());
        for channel in input.chunks_exact(height * width) {
            for row_phase in 0..phases {
                let Some(planes) = rows.next() else { return };
                let source = |index: usize| {
                    let y = first + index * stride + row_phase;
                    let y = y.checked_sub(padding).filter(|y| *y < height)?;
                    Some(&channel[y * width..][..width])
                };
                if phases == 1 {
                    for (index, row) in planes.chunks_exact_mut(pitch).enumerate() {
                        match source(index) {
                            Some(source) => pad_row(source, row, stride, padding),
                            None => row.fill(0.0),
                        }
                    }
                } else {
                    let (even, odd) = planes.split_at_mut(strip.padded_plane());
                    let rows = even
                        .chunks_exact_mut(pitch)
                        .zip(odd.chunks_exact_mut(pitch));
                    for (index, (even, odd)) in rows.enumerate() {
                        match source(index) {
                            Some(source) => split_row(source, even, odd),
                            None => {
                                even.fill(0.0);
                                odd.fill(0.0);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Fills a row: `row[i] = source[i·stride - padding]`, zero outside.
#[inline(always)]
fn pad_row(source: &[f32], row: &mut [f32], stride: usize, padding: usize) {
    let (before, rest) = row.split_at_mut(padding);
    before.fill(0.0);
    if stride == 1 {
        let (inside, after) = rest.split_at_mut(source.len());
        inside.copy_from_slice(source);
        after.fill(0.0);
        return;
    }
    for (to, from) in rest.iter_mut().zip(source.iter().step_by(stride)) {
        *to = *from;
    }
}

/// Splits a row that has one zero before it: `even[i] = source[2i - 1]`, `odd[i] = source[2i]`, zero
/// outside.
#[inline(always)]
fn split_row(source: &[f32], even: &mut [f32], odd: &mut [f32]) {
    let (pairs, rest) = source.as_chunks::<2>();
    let count = pairs.len();
    let (before, even) = even.split_at_mut(1);
    let (seconds, end) = even.split_at_mut(count);
    let (firsts, after) = odd.split_at_mut(count);
    for ((to, from), [first, second]) in firsts.iter_mut().zip(&mut *seconds).zip(pairs) {
        *to = *first;
        *from = *second;
    }
    for zeros in [before, end, &mut *after] {
        zeros.fill(0.0);
    }
    if let (Some(to), Some(from)) = (after.first_mut(), rest.first()) {
        *to = *from;
    }
}
