//! Traces of an earlier JPEG compression in the cosine coefficients.
//!
//! Quantised coefficients lie on multiples of the earlier steps, also after they were decoded
//! (Fan and de Queiroz 2003) or quantised again (Lukas and Fridrich 2003). What the coefficients
//! looked like before is estimated from the same picture on a grid shifted by four pixels, where
//! quantisation leaves no comb. For every IJG quality the likelihood of the observed histogram with
//! that earlier quantisation is compared with that without. Deviations: steps are those of one
//! quality, not free per frequency, and only non-zero coefficients count, because blocking changes
//! how many are zero.

use super::Plane;
use super::dct::{Block, Dct};
use super::tables::{Table, ijg};

/// Evidence, in nats per coefficient, from which an earlier compression is reported. Chosen so that
/// unedited images stay below it; `benches/results/inspect` has the rates.
pub(super) const DOUBLE_LIMIT: f64 = 0.004;
pub(super) const EARLIER_LIMIT: f64 = 0.02;

/// Frequencies that are looked at: the lowest 27, without the mean. Those in front serve to find the
/// grid: low ones, which coarse quantisation leaves, and middle ones, which fine quantisation changes.
const MODES: [usize; 27] = [
    1, 8, 9, 18, 12, 33, 16, 2, 3, 10, 17, 24, 32, 25, 11, 4, 5, 19, 26, 40, 48, 41, 34, 27, 20,
    13, 6,
];
/// How many of them find the grid.
const SCOUTS: usize = 6;
/// Coefficients that must take part.
const ENOUGH: f64 = 400.0;
/// Bins of the reference histogram: magnitudes up to 512 in halves.
const BINS: usize = 1024;
const WIDTH: f64 = 0.5;
/// Noise of a coefficient after decoding to whole pixels: 1/√12 from rounding, more in colour.
const SIGMA: f64 = 0.4;
/// Share of coefficients that need not follow the comb: clipped, or changed since.
const STRAY: f64 = 0.15;
/// Largest quantised magnitude that is told apart.
const LEVELS: usize = 400;

/// An earlier compression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    pub(super) quality: u16,
    /// Log-likelihood ratio per coefficient.
    pub(super) evidence: f64,
}

/// The observed and the reference distribution of one frequency's magnitudes.
struct Mode {
    index: usize,
    /// Step of the last quantisation; 1 where there is none.
    step: f64,
    /// Lowest level that counts.
    lowest: usize,
    /// Number of coefficients on every level from 0 on.
    observed: Vec<f64>,
    reference: Vec<f64>,
    /// Log-likelihood of each level without an earlier quantisation.
    single: Vec<f64>,
    count: f64,
}

impl Mode {
    fn new(index: usize, step: f64, aligned: &[Block], shifted: &[Block]) -> Self {
        let lowest = if step > 1.0 { 1 } else { 2 };
        let mut observed = vec![0.0; LEVELS];
        for block in aligned {
            let level = (f64::from(block[index].abs()) / step).round() as usize;
            if let Some(count) = observed.get_mut(level) {
                *count += 1.0;
            }
        }
        let mut raw = vec![0.0; BINS];
        for block in shifted {
            let bin = (f64::from(block[index].abs()) / WIDTH) as usize;
            if let Some(count) = raw.get_mut(bin) {
                *count += 1.0;
            }
        }
        let count = observed.iter().skip(lowest).sum();
        let mut mode = Self {
            index,
            step,
            lowest,
            observed,
            reference: smooth(&raw),
            single: Vec::new(),
            count,
        };
        mode.single = mode.levels(0.0);
        mode
    }

    /// Probabilities of the levels that count when the reference is quantised with `earlier` first.
    fn levels(&self, earlier: f64) -> Vec<f64> {
        let mut levels = vec![1e-9; LEVELS];
        if earlier > 0.0 {
            // All magnitudes of one earlier level end in the same place.
            let mut level = 0_usize;
            let mut weight = 0.0;
            for (bin, &mass) in self.reference.iter().enumerate() {
                let value = (bin as f64 + 0.5) * WIDTH;
                let now = (value / earlier).round() as usize;
                if now != level {
                    self.spread(level as f64 * earlier, weight, &mut levels);
                    (level, weight) = (now, 0.0);
                }
                weight += mass;
            }
            self.spread(level as f64 * earlier, weight, &mut levels);
        } else {
            for (bin, &mass) in self.reference.iter().enumerate() {
                let level = (bin as f64 + 0.5) * WIDTH / self.step;
                if let Some(sum) = levels.get_mut(level.round() as usize) {
                    *sum += mass;
                }
            }
        }
        let total: f64 = levels.iter().skip(self.lowest).sum();
        levels.iter_mut().for_each(|level| *level /= total);
        levels
    }

    /// Gives the magnitude `value`, with the noise of rounding to pixels, to the nearest levels.
    fn spread(&self, value: f64, weight: f64, levels: &mut [f64]) {
        let centre = (value / self.step).round();
        let edges = [-1.5, -0.5, 0.5, 1.5].map(|edge| {
            let border = (centre + edge) * self.step;
            normal((border - value) / SIGMA)
        });
        for (index, pair) in edges.windows(2).enumerate() {
            let level = (centre + index as f64 - 1.0).abs() as usize;
            if let Some(mass) = levels.get_mut(level) {
                *mass += weight * (pair[1] - pair[0]);
            }
        }
    }

    /// Log-likelihood ratio of an earlier quantisation with `step`.
    fn ratio(&self, earlier: f64) -> f64 {
        let double = self.levels(earlier);
        let mut sum = 0.0;
        let levels = self.observed.iter().zip(&double).zip(&self.single);
        for ((seen, double), single) in levels.skip(self.lowest) {
            if *seen > 0.0 {
                let mixed = (1.0 - STRAY) * double + STRAY * single;
                sum += seen * (mixed / single).ln();
            }
        }
        sum
    }
}

/// Widens every bin with its magnitude: far from zero there are few coefficients.
fn smooth(raw: &[f64]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(raw.len() + 1);
    sums.push(0.0);
    for &count in raw {
        sums.push(sums.last().copied().unwrap_or(0.0) + count);
    }
    (0..raw.len())
        .map(|bin| {
            let reach = 1 + bin / 5;
            let (low, high) = (bin.saturating_sub(reach), (bin + reach + 1).min(raw.len()));
            (sums[high] - sums[low]) / (high - low) as f64 + 1e-9
        })
        .collect()
}

/// Distribution function of the standard normal (Abramowitz and Stegun 26.2.17, error below 1e-7).
fn normal(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-x * x / 2.0).exp() * 0.398_942_280_401 * poly;
    if x >= 0.0 { 1.0 - tail } else { tail }
}

/// The quality that explains the modes best, among `qualities`.
fn best(
    modes: &[Mode],
    qualities: impl Iterator<Item = u16>,
    differ: Option<&Table>,
) -> Option<Hit> {
    let count: f64 = modes.iter().map(|mode| mode.count).sum();
    if count < ENOUGH {
        return None;
    }
    // Steps recur from quality to quality.
    let mut known: Vec<Vec<Option<f64>>> = modes.iter().map(|_| vec![None; 256]).collect();
    let mut hit: Option<Hit> = None;
    for quality in qualities {
        let table = ijg(quality);
        let same = |table: &Table, other: &Table| MODES.iter().all(|&at| table[at] == other[at]);
        if differ.is_some_and(|other| same(&table, other)) {
            continue;
        }
        let mut sum = 0.0;
        for (mode, known) in modes.iter().zip(&mut known) {
            let step = table[mode.index];
            let slot = &mut known[usize::from(step.min(255))];
            sum += *slot.get_or_insert_with(|| mode.ratio(step.into()));
        }
        let evidence = sum / count;
        if hit.is_none_or(|hit| evidence > hit.evidence) {
            hit = Some(Hit { quality, evidence });
        }
    }
    hit
}

/// An earlier compression of a JPEG on its own grid; `luma` is its present table.
pub(super) fn double(plane: &Plane, luma: &Table) -> Option<Hit> {
    double_score(plane, luma).filter(|hit| hit.evidence >= DOUBLE_LIMIT)
}

/// The strongest evidence for an earlier compression, however weak.
pub(super) fn double_score(plane: &Plane, luma: &Table) -> Option<Hit> {
    let dct = Dct::new();
    let aligned = dct.blocks(plane, [0, 0], 6_000);
    let shifted = dct.blocks(plane, [4, 4], 6_000);
    let modes: Vec<Mode> = MODES
        .iter()
        .map(|&at| Mode::new(at, luma[at].max(1).into(), &aligned, &shifted))
        .collect();
    best(&modes, 20..=99, Some(luma))
}

/// An earlier compression of pixels that are not a JPEG now, and the offset of its grid.
pub(super) fn earlier(plane: &Plane) -> Option<(Hit, [usize; 2])> {
    earlier_score(plane).filter(|(hit, _)| hit.evidence >= EARLIER_LIMIT)
}

/// The strongest evidence over all grids, however weak.
pub(super) fn earlier_score(plane: &Plane) -> Option<(Hit, [usize; 2])> {
    let dct = Dct::new();
    let grids: Vec<[usize; 2]> = (0..64).map(|at| [at % 8, at / 8]).collect();
    let few: Vec<Vec<Block>> = grids
        .iter()
        .map(|&grid| dct.blocks(plane, grid, 500))
        .collect();
    let modes = |[x, y]: [usize; 2], blocks: &[Vec<Block>], count: usize| -> Vec<Mode> {
        let (aligned, shifted) = (&blocks[8 * y + x], &blocks[8 * ((y + 4) % 8) + (x + 4) % 8]);
        let chosen = MODES.iter().take(count);
        chosen
            .map(|&at| Mode::new(at, 1.0, aligned, shifted))
            .collect()
    };
    let coarse = grids.iter().filter_map(|&grid| {
        let hit = best(&modes(grid, &few, SCOUTS), (30..=98).step_by(4), None)?;
        Some((hit, grid))
    });
    let (_, grid) = coarse.max_by(|a, b| a.0.evidence.total_cmp(&b.0.evidence))?;
    let [x, y] = grid;
    let aligned = dct.blocks(plane, grid, 4_000);
    let shifted = dct.blocks(plane, [(x + 4) % 8, (y + 4) % 8], 4_000);
    let modes: Vec<Mode> = MODES
        .iter()
        .map(|&at| Mode::new(at, 1.0, &aligned, &shifted))
        .collect();
    Some((best(&modes, 20..=98, None)?, grid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution() {
        assert!((normal(0.0) - 0.5).abs() < 1e-6);
        assert!((normal(1.96) - 0.975).abs() < 1e-4);
        assert!((normal(-1.96) - 0.025).abs() < 1e-4);
    }

    #[test]
    fn noise_has_no_history_and_tiny_pictures_say_nothing() {
        let mut seed = 1_u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            60.0 + (seed >> 25) as f32
        };
        let plane = Plane {
            rows: 128,
            columns: 128,
            values: (0..128 * 128).map(|_| noise()).collect(),
        };
        assert_eq!(earlier(&plane), None);
        let tiny = Plane {
            rows: 4,
            columns: 4,
            values: vec![1.0; 16],
        };
        assert_eq!(earlier_score(&tiny), None);
    }
}
