//! Padded copies of samples.

use super::geometry::{Geometry, LANES};

/// Elements past the end of a padded input that a tile may read.
pub(super) const SLACK: usize = 4 * LANES;

/// Pads a sample and splits it into phases.
///
/// # Shapes
/// - `input`: `[inputs, height, width]`
/// - `padded`: `Geometry::padded() + SLACK`
pub(super) fn pad_input(geometry: &Geometry, input: &[f32], padded: &mut [f32]) {
    let [height, width] = geometry.size;
    let (stride, padding, pitch) = (geometry.stride, geometry.padding(), geometry.pitch());
    let phases = geometry.phases();
    let (planes, slack) = padded.split_at_mut(geometry.padded());
    slack.fill(0.0);
    let mut planes = planes.chunks_exact_mut(geometry.padded_plane());
    for channel in input.chunks_exact(height * width) {
        for row_phase in 0..phases {
            for column_phase in 0..phases {
                let Some(plane) = planes.next() else { return };
                for (index, row) in plane.chunks_exact_mut(pitch).enumerate() {
                    let y = index * stride + row_phase;
                    match y.checked_sub(padding).filter(|y| *y < height) {
                        Some(y) => {
                            let source = &channel[y * width..][..width];
                            pad_row(source, row, [stride, column_phase, padding]);
                        }
                        None => row.fill(0.0),
                    }
                }
            }
        }
    }
}

/// Fills one row of a phase: `row[i] = source[i·stride + phase - padding]`, zero outside.
fn pad_row(source: &[f32], row: &mut [f32], [stride, phase, padding]: [usize; 3]) {
    if stride == 1 {
        let (before, rest) = row.split_at_mut(padding);
        before.fill(0.0);
        let (inside, after) = rest.split_at_mut(source.len());
        inside.copy_from_slice(source);
        after.fill(0.0);
        return;
    }
    // The first element that lies inside: phase 0 of a padded row begins with a zero.
    let first = padding.saturating_sub(phase);
    let (before, rest) = row.split_at_mut(first);
    before.fill(0.0);
    let start = first * stride + phase - padding;
    let (pairs, odd) = source.get(start..).unwrap_or_default().as_chunks::<2>();
    let (inside, after) = rest.split_at_mut(pairs.len().min(rest.len()));
    for (to, [from, _]) in inside.iter_mut().zip(pairs) {
        *to = *from;
    }
    after.fill(0.0);
    if let (Some(to), Some(from)) = (after.first_mut(), odd.first()) {
        *to = *from;
    }
}
