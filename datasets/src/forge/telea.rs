//! Inpainting by fast marching.
//!
//! Telea, "An image inpainting technique based on the fast marching method", Journal of Graphics
//! Tools 2004. The region is filled from its rim inwards in the order of distance; each pixel is the
//! weighted mean of first-order extrapolations from known pixels within reach. Ours keeps the result
//! within the grey levels it extrapolates from, since noise makes gradients overshoot.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::GrayImage;

/// Reach of the neighbourhood, pixels.
const REACH: isize = 4;

#[derive(Clone, Copy, PartialEq)]
enum State {
    Known,
    Band,
    Inside,
}

/// A pixel of the advancing rim, nearest first.
struct Front {
    distance: f32,
    at: usize,
}

impl PartialEq for Front {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Front {}
impl PartialOrd for Front {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Front {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives its greatest first; ties in reading order, so that runs are equal.
        other
            .distance
            .total_cmp(&self.distance)
            .then(other.at.cmp(&self.at))
    }
}

/// Fills what is inside; the outermost pixels of the plane must not be.
pub(super) fn fill(image: &mut GrayImage, inside: &[bool]) {
    let columns = image.columns;
    let mut state: Vec<State> = inside
        .iter()
        .map(|&inside| match inside {
            true => State::Inside,
            false => State::Known,
        })
        .collect();
    let mut distance: Vec<f32> = inside
        .iter()
        .map(|&inside| if inside { 1e6 } else { 0.0 })
        .collect();
    let mut fronts = BinaryHeap::new();
    let around = |at: usize| [at - 1, at + 1, at - columns, at + columns];
    for at in (0..inside.len()).filter(|&at| inside[at]) {
        for next in around(at) {
            if state[next] == State::Known {
                state[next] = State::Band;
                fronts.push(Front {
                    distance: 0.0,
                    at: next,
                });
            }
        }
    }
    while let Some(Front { at, .. }) = fronts.pop() {
        if state[at] == State::Known {
            continue;
        }
        state[at] = State::Known;
        let (y, x) = (at / columns, at % columns);
        if y == 0 || x == 0 || y + 1 == image.rows || x + 1 == columns {
            continue;
        }
        for next in around(at) {
            if state[next] != State::Inside {
                continue;
            }
            let (ny, nx) = (next / columns, next % columns);
            if ny == 0 || nx == 0 || ny + 1 == image.rows || nx + 1 == columns {
                continue;
            }
            distance[next] = arrival(&distance, &state, next, columns);
            image.pixels[next] = extrapolated(image, &distance, &state, next);
            state[next] = State::Band;
            fronts.push(Front {
                distance: distance[next],
                at: next,
            });
        }
    }
}

/// The smallest solution of the eikonal equation over the four quadrants.
fn arrival(distance: &[f32], state: &[State], at: usize, columns: usize) -> f32 {
    let value = |at: usize| (state[at] != State::Inside).then_some(distance[at]);
    let mut least = 1e6_f32;
    for vertical in [at - columns, at + columns] {
        for horizontal in [at - 1, at + 1] {
            let arrived = match (value(vertical), value(horizontal)) {
                (Some(a), Some(b)) => {
                    let apart = (a - b).abs();
                    if apart < 1.0 {
                        (a + b + (2.0 - apart * apart).sqrt()) / 2.0
                    } else {
                        a.min(b) + 1.0
                    }
                }
                (Some(a), None) | (None, Some(a)) => a + 1.0,
                (None, None) => continue,
            };
            least = least.min(arrived);
        }
    }
    least
}

/// The difference across a pixel, over those neighbours that are filled.
fn slope(values: &[f32], state: &[State], at: usize, step: usize) -> f32 {
    let filled = |at: usize| state[at] != State::Inside;
    match (filled(at + step), filled(at - step)) {
        (true, true) => (values[at + step] - values[at - step]) / 2.0,
        (true, false) => values[at + step] - values[at],
        (false, true) => values[at] - values[at - step],
        (false, false) => 0.0,
    }
}

fn extrapolated(image: &GrayImage, distance: &[f32], state: &[State], at: usize) -> f32 {
    let (rows, columns) = (image.rows as isize, image.columns as isize);
    let (y, x) = (at as isize / columns, at as isize % columns);
    let normal = [
        slope(distance, state, at, columns as usize),
        slope(distance, state, at, 1),
    ];
    let (mut sum, mut weights) = (0.0, 0.0);
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for dy in -REACH..=REACH {
        for dx in -REACH..=REACH {
            let (ny, nx) = (y + dy, x + dx);
            let squared = (dy * dy + dx * dx) as f32;
            // One pixel of margin, so that slopes stay inside the plane.
            if squared == 0.0
                || squared > (REACH * REACH) as f32
                || !(1..rows - 1).contains(&ny)
                || !(1..columns - 1).contains(&nx)
            {
                continue;
            }
            let other = (ny * columns + nx) as usize;
            if state[other] == State::Inside {
                continue;
            }
            let (ry, rx) = (-dy as f32, -dx as f32);
            let along = ((ry * normal[0] + rx * normal[1]) / squared.sqrt())
                .abs()
                .max(1e-3);
            let level = 1.0 / (1.0 + (distance[other] - distance[at]).abs());
            let weight = along * level / squared;
            let gradient = [
                slope(&image.pixels, state, other, columns as usize),
                slope(&image.pixels, state, other, 1),
            ];
            let known = image.pixels[other];
            low = low.min(known);
            high = high.max(known);
            sum += weight * (known + gradient[0] * ry + gradient[1] * rx);
            weights += weight;
        }
    }
    if weights > 0.0 {
        (sum / weights).clamp(low, high)
    } else {
        image.pixels[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_in_a_ramp_with_an_edge_is_continued() {
        let side = 48;
        let truth = |at: usize| {
            let (y, x) = ((at / side) as f32, (at % side) as f32);
            0.2 + 0.004 * y + if x < 24.0 { 0.0 } else { 0.4 }
        };
        let inside: Vec<bool> = (0..side * side)
            .map(|at| ((at / side) as f32 - 24.0).hypot((at % side) as f32 - 24.0) < 9.0)
            .collect();
        let mut image = GrayImage {
            rows: side,
            columns: side,
            pixels: (0..side * side)
                .map(|at| if inside[at] { 0.0 } else { truth(at) })
                .collect(),
        };
        fill(&mut image, &inside);
        let mut wrong = 0;
        let mut all = 0;
        for at in (0..side * side).filter(|&at| inside[at]) {
            all += 1;
            wrong += usize::from((image.pixels[at] - truth(at)).abs() > 0.1);
        }
        assert!(wrong * 3 < all, "{wrong} of {all}");
        for at in (0..side * side).filter(|&at| !inside[at]) {
            assert_eq!(image.pixels[at], truth(at));
        }
    }
}
