//! A region that stands in the image twice, grain and all: copied within it.
//!
//! Anatomy repeats, noise does not. Blocks of the high-pass residual are hashed and those that agree
//! vote for the displacement between them, after Fridrich, Soukal & Lukáš, "Detection of copy-move
//! forgery in digital images" (DFRWS 2003) with hashes in place of a lexicographic sort; the
//! displacements with the most votes are then tested densely. Deviations: the residual is clipped, so
//! that edges and burned-in text weigh no more than grain; the correlation must vanish a few pixels
//! beside the displacement, which straight edges and periodic texture do not; mirrored copies are found
//! too, turned and scaled ones are not.

use std::collections::HashMap;

use super::Plane;

/// Side of the blocks that are hashed.
const BLOCK: usize = 8;
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
/// Residuals are clipped at so many of their typical magnitude.
const CLIP: f32 = 2.5;
/// Share of a window's pixels whose residual is not zero.
const ALIVE: f32 = 0.7;

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
    let mirror = own.mirrored();
    let plain = copy(&own, &own, false);
    let turned = copy(&own, &mirror, true);
    [plain, turned]
        .into_iter()
        .flatten()
        .max_by_key(|hit| hit.area)
}

/// Clipped high-pass residuals in `[-1, 1]`, zero along the rim.
struct Residual {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Residual {
    /// `None` for pictures without grain.
    fn of(plane: &Plane) -> Option<Self> {
        let (rows, columns) = (plane.rows, plane.columns);
        let fold =
            |pick: fn(f32, f32) -> f32, start| plane.values.iter().copied().fold(start, pick);
        let ends = [
            fold(f32::min, f32::INFINITY),
            fold(f32::max, f32::NEG_INFINITY),
        ];
        let mut values = vec![0.0; rows * columns];
        for y in 1..rows - 1 {
            for x in 1..columns - 1 {
                let at = y * columns + x;
                let v = &plane.values;
                let beside = [v[at - 1], v[at + 1], v[at - columns], v[at + columns]];
                // Black, white and captions have no grain of their own.
                if !ends.contains(&v[at]) && !beside.iter().any(|value| ends.contains(value)) {
                    values[at] = v[at] - 0.25 * beside.iter().sum::<f32>();
                }
            }
        }
        let mut sizes: Vec<f32> = values
            .iter()
            .map(|r| r.abs())
            .filter(|r| *r > 0.0)
            .collect();
        if sizes.len() < rows * columns / 20 {
            return None;
        }
        let middle = sizes.len() / 2;
        let typical = *sizes.select_nth_unstable_by(middle, f32::total_cmp).1;
        let limit = CLIP * typical;
        values
            .iter_mut()
            .for_each(|r| *r = (*r / limit).clamp(-1.0, 1.0));
        Some(Self {
            rows,
            columns,
            values,
        })
    }

    fn mirrored(&self) -> Self {
        let lines = self.values.chunks_exact(self.columns);
        Self {
            values: lines.flat_map(|line| line.iter().rev().copied()).collect(),
            ..*self
        }
    }

    fn line(&self, y: usize, x: usize, length: usize) -> &[f32] {
        &self.values[y * self.columns + x..][..length]
    }

    /// The hash of every block that has grain, with the place of its corner.
    fn hashes(&self, bits: usize) -> Vec<(u64, u32)> {
        let patterns = patterns(bits);
        let mut found = Vec::new();
        for y in 0..=self.rows - BLOCK {
            for x in 0..=self.columns - BLOCK {
                let (mut squares, mut alive) = (0.0, 0);
                for line in 0..BLOCK {
                    for r in self.line(y + line, x, BLOCK) {
                        squares += r * r;
                        alive += usize::from(*r != 0.0);
                    }
                }
                if (alive as f32) < ALIVE * (BLOCK * BLOCK) as f32 {
                    continue;
                }
                let scale = 1.0 / squares.sqrt();
                let mut hash = 0;
                for pattern in &patterns {
                    let mut sum = 0.0;
                    for (line, signs) in pattern.chunks_exact(BLOCK).enumerate() {
                        let row = self.line(y + line, x, BLOCK);
                        sum += row.iter().zip(signs).map(|(r, s)| r * s).sum::<f32>();
                    }
                    // Four cells of about equal weight.
                    let cell = (sum * scale / 0.7).floor().clamp(-2.0, 1.0) as i64 + 2;
                    hash = hash << 2 | cell as u64;
                }
                found.push((hash, (y * self.columns + x) as u32));
            }
        }
        found
    }
}

/// Fixed patterns of signs, uncorrelated as far as chance makes them.
fn patterns(count: usize) -> Vec<[f32; BLOCK * BLOCK]> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut sign = || {
        // xorshift64 (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state >> 40 & 1 == 0 { 1.0 } else { -1.0 }
    };
    (0..count)
        .map(|_| std::array::from_fn(|_| sign()))
        .collect()
}

/// The largest region of `a` that is in `b` too, which is `a` itself or its mirror image.
fn copy(a: &Residual, b: &Residual, mirrored: bool) -> Option<Hit> {
    let votes = votes(a, b, mirrored);
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
fn votes(a: &Residual, b: &Residual, mirrored: bool) -> HashMap<[isize; 2], usize> {
    let places = a.values.len().max(2);
    // As many cells as keep chance meetings below one in four blocks.
    let bits = (places.ilog2() as usize + 2).div_ceil(2);
    let mut all: Vec<(u64, u32, bool)> = a
        .hashes(bits)
        .into_iter()
        .map(|(h, at)| (h, at, false))
        .collect();
    if mirrored {
        all.extend(b.hashes(bits).into_iter().map(|(h, at)| (h, at, true)));
    }
    all.sort_unstable();
    let mut votes = HashMap::new();
    for alike in all
        .chunk_by(|p, q| p.0 == q.0)
        .filter(|alike| alike.len() <= ALIKE)
    {
        for (index, &(_, p, from)) in alike.iter().enumerate() {
            for &(_, q, to) in &alike[index + 1..] {
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
    let members = largest(&same, across);
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

/// The largest set of places that hang together by their sides.
fn largest(same: &[bool], across: usize) -> Vec<usize> {
    let mut seen = vec![false; same.len()];
    let mut largest = Vec::new();
    for start in 0..same.len() {
        if !same[start] || seen[start] {
            continue;
        }
        let mut members = vec![start];
        seen[start] = true;
        let mut next = 0;
        while next < members.len() {
            let at = members[next];
            next += 1;
            let x = at % across;
            let beside = [
                (x > 0).then(|| at - 1),
                (x + 1 < across).then(|| at + 1),
                at.checked_sub(across),
                Some(at + across).filter(|below| *below < same.len()),
            ];
            for near in beside.into_iter().flatten() {
                if same[near] && !seen[near] {
                    seen[near] = true;
                    members.push(near);
                }
            }
        }
        if members.len() > largest.len() {
            largest = members;
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ramp with grain of some levels, a straight edge, and a caption that stands there twice.
    fn picture(side: usize) -> Plane {
        let grain = |x: usize, y: usize| {
            let mut hash = (x as u64) << 32 | y as u64;
            hash = (hash ^ hash >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            hash = (hash ^ hash >> 32).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((hash >> 40) % 9) as f32
        };
        let glyph = |x: usize, y: usize| (x * y + x / 3) % 5 < 2;
        let value = |x: usize, y: usize| {
            let caption = |left: usize| {
                (left..left + 40).contains(&x) && (10..22).contains(&y) && glyph(x - left, y)
            };
            let edge = if x + 40 > side { 90.0 } else { 0.0 };
            if caption(20) || caption(100) {
                255.0
            } else {
                60.0 + 0.2 * y as f32 + edge + grain(x, y)
            }
        };
        Plane {
            rows: side,
            columns: side,
            values: (0..side * side)
                .map(|at| value(at % side, at / side).round())
                .collect(),
        }
    }

    /// A disc brought from one centre to another, to another level and contrast.
    fn pasted(
        mut plane: Plane,
        from: [usize; 2],
        to: [usize; 2],
        radius: usize,
        mirrored: bool,
    ) -> Plane {
        let old = plane.values.clone();
        for y in 0..2 * radius {
            for x in 0..2 * radius {
                if (y as f32 - radius as f32).hypot(x as f32 - radius as f32) < radius as f32 {
                    let u = if mirrored { 2 * radius - x } else { x };
                    let source = old[(from[0] + y - radius) * plane.columns + from[1] + u - radius];
                    let target = (to[0] + y - radius) * plane.columns + to[1] + x - radius;
                    plane.values[target] = (0.9 * source + 12.0).round();
                }
            }
        }
        plane
    }

    #[test]
    fn a_copied_region_is_found_with_both_places() {
        for mirrored in [false, true] {
            let plane = pasted(picture(192), [120, 60], [80, 110], 14, mirrored);
            let hit = find(&plane).unwrap();
            assert_eq!(hit.mirrored, mirrored);
            assert!(hit.correlation > 0.9, "{hit:?}");
            let mut centres = hit
                .places
                .map(|[top, left, bottom, right]| [(top + bottom) / 2, (left + right) / 2]);
            centres.sort_unstable();
            for (found, expected) in centres.iter().zip([[80, 110], [120, 60]]) {
                let near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
                assert!(near, "{hit:?}");
            }
        }
    }

    #[test]
    fn grain_edges_captions_and_flat_pictures_are_no_copies() {
        assert_eq!(find(&picture(192)), None);
        let flat = Plane {
            rows: 64,
            columns: 64,
            values: vec![7.0; 4096],
        };
        assert_eq!(find(&flat), None);
        // Every pixel four times over, and a pattern that repeats.
        let wide = picture(96);
        let twice = |at: usize| wide.values[at / 192 / 2 * 96 + at % 192 / 2];
        let enlarged = Plane {
            rows: 192,
            columns: 192,
            values: (0..192 * 192).map(twice).collect(),
        };
        assert_eq!(find(&enlarged), None);
        let tiled = |at: usize| ((at % 192 % 16) * 7 + (at / 192 % 16) * 11) as f32 % 23.0;
        let tiles = Plane {
            rows: 192,
            columns: 192,
            values: (0..192 * 192).map(tiled).collect(),
        };
        assert_eq!(find(&tiles), None);
        let small = Plane {
            rows: 8,
            columns: 8,
            values: vec![0.0; 64],
        };
        assert_eq!(find(&small), None);
    }
}
