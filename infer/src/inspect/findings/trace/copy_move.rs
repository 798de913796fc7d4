//! A region that stands in the image twice, grain and all: copied within it.
//!
//! Anatomy repeats, noise does not. Blocks of the high-pass residual are hashed and those that agree
//! vote for the displacement between them, after Fridrich, Soukal & Lukáš, "Detection of copy-move
//! forgery in digital images" (DFRWS 2003) with hashes in place of a lexicographic sort; the
//! displacements with the most votes are then tested densely. Deviations: the residual is clipped, so
//! that edges and burned-in text weigh no more than grain; the correlation must vanish a few pixels
//! beside the displacement, which straight edges and periodic texture do not; mirrored copies are found
//! too, turned and scaled ones are not.

mod residual;

use std::collections::HashMap;

use super::Plane;
use crate::components::components;
use residual::{ALIVE, BLOCK, Hash, Residual};

/// Side of the windows that are compared; odd.
const WINDOW: usize = 9;
/// Correlation of two blocks that counts as a vote.
const VOTE: f32 = 0.85;
/// Correlation of two windows that belong to a copy.
const SAME: f32 = 0.75;
/// Votes below which a displacement is not tested.
const VOTES: usize = 5;
/// Displacements that are tested, those with the most votes first.
const TESTED: usize = 6;
/// Shorter displacements, in pixels, are the picture's own correlation.
const NEAREST: isize = 12;
/// Blocks of one hash that are compared with each other; more of a kind are texture or a pattern.
const ALIKE: usize = 12;
/// Smallest copy, in places of a window.
pub(super) const LEAST: usize = 120;
/// Correlation over a whole copy. Blocks of the same few JPEG coefficients reach 0.89.
const CERTAIN: f32 = 0.9;
/// Share of the correlation that may be left a few pixels beside the displacement.
const BESIDE: f32 = 0.5;

/// A copy.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hit {
    /// Top, left, bottom, right of both places, ends included.
    pub(super) places: [[usize; 4]; 2],
    /// Whether one is the mirror image of the other, left to right.
    pub(super) mirrored: bool,
    /// Number of places at which a window agrees.
    pub(super) area: usize,
    /// Correlation of the residuals over them.
    pub(super) correlation: f32,
}

/// The largest copy within a picture.
pub(super) fn find(plane: &Plane) -> Option<Hit> {
    if plane.rows.min(plane.columns) < 4 * WINDOW {
        return None;
    }
    let own = Residual::of(plane)?;
    // As many cells as keep chance meetings below one in four blocks.
    let bits = (own.values.len().max(2).ilog2() as usize + 2).div_ceil(2);
    let hashes = own.hashes(bits);
    if hashes.len() < 2 * VOTES {
        return None;
    }
    let mirror = own.mirrored();
    let plain = copy(&own, &own, &hashes, None);
    let turned = copy(&own, &mirror, &hashes, Some(mirror.hashes(bits)));
    [plain, turned]
        .into_iter()
        .flatten()
        .max_by_key(|hit| hit.area)
}

/// The largest region of `a` that is in `b` too, which is `a` itself or, with hashes of its own, the
/// mirror image.
fn copy(a: &Residual, b: &Residual, own: &[Hash], mirror: Option<Vec<Hash>>) -> Option<Hit> {
    let mirrored = mirror.is_some();
    let votes = votes(a, b, own, mirror);
    let mut ranked: Vec<([isize; 2], usize)> =
        votes.into_iter().filter(|(_, n)| *n >= VOTES).collect();
    ranked.sort_by_key(|&(displacement, votes)| (std::cmp::Reverse(votes), displacement));
    ranked
        .iter()
        .take(TESTED)
        .filter_map(|&(displacement, _)| test(a, b, displacement, mirrored))
        .max_by_key(|hit| hit.area)
}

/// How many pairs of blocks stand so far from each other and agree.
fn votes(
    a: &Residual,
    b: &Residual,
    own: &[Hash],
    mirror: Option<Vec<Hash>>,
) -> HashMap<[isize; 2], usize> {
    let mirrored = mirror.is_some();
    let marked = |mark: bool| move |(hash, at): Hash| (hash, mark, at);
    let mut all: Vec<(u64, bool, u32)> = own.iter().copied().map(marked(false)).collect();
    all.extend(mirror.unwrap_or_default().into_iter().map(marked(true)));
    all.sort_unstable();
    let mut votes = HashMap::new();
    for alike in all
        .chunk_by(|p, q| p.0 == q.0)
        .filter(|alike| alike.len() <= ALIKE)
    {
        for (index, &(_, from, p)) in alike.iter().enumerate() {
            for &(_, to, q) in &alike[index + 1..] {
                // Of a mirrored pair the first is the image's own; of a plain one the earlier place.
                if from || to != mirrored {
                    continue;
                }
                let [p, q] = [p, q].map(|at| [at as usize / a.columns, at as usize % a.columns]);
                let displacement = [q[0] as isize - p[0] as isize, q[1] as isize - p[1] as isize];
                if !mirrored && displacement[0].abs().max(displacement[1].abs()) < NEAREST {
                    continue;
                }
                if agree(a, b, p, q) {
                    *votes.entry(displacement).or_insert(0) += 1;
                }
            }
        }
    }
    votes
}

fn agree(a: &Residual, b: &Residual, p: [usize; 2], q: [usize; 2]) -> bool {
    let (mut product, mut squares) = (0.0, [0.0; 2]);
    for line in 0..BLOCK {
        let rows = a
            .line(p[0] + line, p[1], BLOCK)
            .iter()
            .zip(b.line(q[0] + line, q[1], BLOCK));
        for (r, s) in rows {
            product += r * s;
            squares[0] += r * r;
            squares[1] += s * s;
        }
    }
    product >= VOTE * (squares[0] * squares[1]).sqrt()
}

/// Compares the two pictures everywhere at one displacement.
fn test(a: &Residual, b: &Residual, [dy, dx]: [isize; 2], mirrored: bool) -> Option<Hit> {
    let overlap = |length: usize, d: isize| {
        let (start, end) = ((-d).max(0), (length as isize - d).min(length as isize));
        (start < end).then_some([start as usize, end as usize])
    };
    let ([top, bottom], [left, right]) = (overlap(a.rows, dy)?, overlap(a.columns, dx)?);
    let (rows, columns) = (bottom - top, right - left);
    if rows.min(columns) < WINDOW {
        return None;
    }
    let pair = |y: usize, x: usize, by: [isize; 2]| {
        let r = a.values[(top + y) * a.columns + left + x];
        let (u, v) = (
            (top + y) as isize + dy + by[0],
            (left + x) as isize + dx + by[1],
        );
        let inside = (0..b.rows as isize).contains(&u) && (0..b.columns as isize).contains(&v);
        let s = if inside {
            b.values[u as usize * b.columns + v as usize]
        } else {
            0.0
        };
        (r, s)
    };
    let sums = |of: &dyn Fn(f32, f32) -> f32| {
        let values = |y: usize, x: usize| {
            let (r, s) = pair(y, x, [0, 0]);
            of(r, s)
        };
        window_sums(rows, columns, &values)
    };
    let product = sums(&|r, s| r * s);
    let [first, second] = [sums(&|r, _| r * r), sums(&|_, s| s * s)];
    let alive = sums(&|r, s| f32::from(u8::from(r != 0.0 && s != 0.0)));
    let least = ALIVE * (WINDOW * WINDOW) as f32;
    let (across, down) = (columns + 1 - WINDOW, rows + 1 - WINDOW);
    let same: Vec<bool> = (0..across * down)
        .map(|at| alive[at] >= least && product[at] >= SAME * (first[at] * second[at]).sqrt())
        .collect();
    let members = components(same, across).max_by_key(Vec::len)?;
    if members.len() < LEAST {
        return None;
    }
    let half = WINDOW / 2;
    let correlation = |by: [isize; 2]| {
        let (mut product, mut squares) = (0.0, [0.0; 2]);
        for &at in &members {
            let (r, s) = pair(at / across + half, at % across + half, by);
            product += r * s;
            squares[0] += r * r;
            squares[1] += s * s;
        }
        product / (squares[0] * squares[1]).sqrt().max(f32::MIN_POSITIVE)
    };
    let found = correlation([0, 0]);
    let mut beside: f32 = 0.0;
    for step in [-3, -2, 0, 2, 3] {
        for other in [-3, -2, 2, 3] {
            beside = beside
                .max(correlation([step, other]))
                .max(correlation([other, step]));
        }
    }
    if found < CERTAIN || beside > BESIDE * found {
        return None;
    }
    let ends = |of: &dyn Fn(usize) -> usize| {
        let low = members.iter().map(|&at| of(at)).min().unwrap_or(0);
        let high = members.iter().map(|&at| of(at)).max().unwrap_or(0);
        [low, high + WINDOW - 1]
    };
    let ([y0, y1], [x0, x1]) = (ends(&|at| at / across), ends(&|at| at % across));
    let own = [top + y0, left + x0, top + y1, left + x1];
    let moved = |value: usize, by: isize| value.saturating_add_signed(by);
    let mut other = [
        moved(own[0], dy),
        moved(own[1], dx),
        moved(own[2], dy),
        moved(own[3], dx),
    ];
    if mirrored {
        let last = a.columns - 1;
        other = [other[0], last - other[3], other[2], last - other[1]];
    }
    if overlap_share(own, other) > 0.25 {
        return None;
    }
    Some(Hit {
        places: [own, other],
        mirrored,
        area: members.len(),
        correlation: found,
    })
}

/// Share of a rectangle that lies in another one: a picture's own symmetry is no copy.
fn overlap_share(own: [usize; 4], other: [usize; 4]) -> f32 {
    let length = |axis: usize| {
        let (low, high) = (
            own[axis].max(other[axis]),
            own[axis + 2].min(other[axis + 2]),
        );
        (high + 1).saturating_sub(low)
    };
    let area = |r: [usize; 4]| (r[2] + 1 - r[0]) * (r[3] + 1 - r[1]);
    (length(0) * length(1)) as f32 / area(own) as f32
}

/// Sums over every window that fits.
fn window_sums(rows: usize, columns: usize, value: &dyn Fn(usize, usize) -> f32) -> Vec<f32> {
    let across = columns + 1 - WINDOW;
    let mut lines = vec![0.0; rows * across];
    for y in 0..rows {
        let line: Vec<f32> = (0..columns).map(|x| value(y, x)).collect();
        for x in 0..across {
            lines[y * across + x] = line[x..x + WINDOW].iter().sum();
        }
    }
    let down = rows + 1 - WINDOW;
    let mut sums = vec![0.0; down * across];
    for y in 0..down {
        for line in y..y + WINDOW {
            let source = &lines[line * across..(line + 1) * across];
            let target = &mut sums[y * across..(y + 1) * across];
            target
                .iter_mut()
                .zip(source)
                .for_each(|(sum, part)| *sum += part);
        }
    }
    sums
}

#[cfg(test)]
mod tests;
