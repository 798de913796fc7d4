//! What a picture's grain looks like, and hashes of its blocks.

use rayon::prelude::*;

use super::Plane;

/// Side of the blocks that are hashed.
pub(super) const BLOCK: usize = 8;
/// Share of a window's pixels whose residual is not zero.
pub(super) const ALIVE: f32 = 0.7;
/// Residuals are clipped at so many of their typical magnitude.
const CLIP: f32 = 2.5;

/// Pictures of more pixels are searched by a quarter of their blocks.
const LARGE: usize = 1 << 20;

/// Hash of a block's residual, and the place of its corner.
pub(super) type Hash = (u64, u32);

/// Clipped high-pass residuals in `[-1, 1]`, zero along the rim.
pub(super) struct Residual {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<f32>,
}

impl Residual {
    /// `None` for pictures without grain.
    pub(super) fn of(plane: &Plane) -> Option<Self> {
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

    pub(super) fn mirrored(&self) -> Self {
        let lines = self.values.chunks_exact(self.columns);
        Self {
            values: lines.flat_map(|line| line.iter().rev().copied()).collect(),
            ..*self
        }
    }

    pub(super) fn line(&self, y: usize, x: usize, length: usize) -> &[f32] {
        &self.values[y * self.columns + x..][..length]
    }

    /// The hash of every block that has grain, with the place of its corner; of large pictures those of
    /// one value of the first cell alone, which two copies have in common.
    pub(super) fn hashes(&self, bits: usize) -> Vec<Hash> {
        let patterns = patterns(bits);
        let lines = (0..=self.rows - BLOCK).into_par_iter();
        lines
            .flat_map_iter(|y| self.hashes_of(y, &patterns))
            .collect()
    }

    /// Those of the blocks whose first line is `y`.
    fn hashes_of(&self, y: usize, patterns: &[[f32; BLOCK * BLOCK]]) -> Vec<Hash> {
        let mut found = Vec::new();
        let large = self.values.len() > LARGE;
        'blocks: for x in 0..=self.columns - BLOCK {
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
            for (index, pattern) in patterns.iter().enumerate() {
                let mut sum = 0.0;
                for (line, signs) in pattern.chunks_exact(BLOCK).enumerate() {
                    let row = self.line(y + line, x, BLOCK);
                    sum += row.iter().zip(signs).map(|(r, s)| r * s).sum::<f32>();
                }
                // Four cells of about equal weight.
                let cell = (sum * scale / 0.7).floor().clamp(-2.0, 1.0) as i64 + 2;
                if large && index == 0 && cell != 1 {
                    continue 'blocks;
                }
                hash = hash << 2 | cell as u64;
            }
            found.push((hash, (y * self.columns + x) as u32));
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
