//! Learns which images a detector knows, and sets the limits beyond which others are refused.
//!
//! What is known are training tiles of both classes, as they are and after delivery; what is not are
//! the same tiles reduced and enlarged further than delivery does (outlier exposure: Hendrycks et al.,
//! ICLR 2019). Nothing but the training split is learned from; the limits are set on validation images.

mod linear;
mod reduced;

use burn::tensor::Device;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use veraray_datasets::{Delivery, Split};
use veraray_model::{Detector, OutOfDistribution, Unfamiliarity};

use crate::data::Dataset;
use crate::progress::Progress;
use crate::sampler::generator;
use crate::score::{TileScore, draws, score_tiles, sent};
use crate::{Recipe, TrainError};

use linear::{Symmetric, dot};
use reduced::Reduction;

/// Share of known images that may be refused for their distance, and for their reduction. Together
/// about one percent; the second has the larger part, since it is what happens to images.
const SHARES: [f64; 2] = [0.002, 0.008];

/// Most training tiles looked at.
const MOST: usize = 2000;

/// Fewest images to learn from, and to set limits on.
const LEAST: [usize; 2] = [40, 20];

/// Principal components kept.
const COMPONENTS: usize = 16;

/// How far covariances are drawn towards a multiple of the identity.
const SHRINKAGE: f64 = 1e-3;

/// Deliveries of every image.
const DELIVERIES: usize = 2;

/// Where to look, and with what.
pub(crate) struct Known<'a> {
    pub(crate) detector: &'a Detector,
    pub(crate) dataset: &'a Dataset,
    pub(crate) recipe: &'a Recipe,
    /// Families that the detector has not been trained on.
    pub(crate) held_out: &'a [String],
    pub(crate) device: &'a Device,
}

/// What happens to a tile before it is looked at.
enum Copy<'a> {
    Clean,
    Delivered(&'a Delivery, u64),
    Reduced(&'a Reduction, u64),
}

impl Known<'_> {
    /// Learns from the training split and sets limits on the validation split. `None` when there are
    /// too few images.
    ///
    /// # Errors
    /// As [`score_tiles`].
    pub(crate) fn learn(
        &self,
        progress: &Progress,
    ) -> Result<Option<OutOfDistribution>, TrainError> {
        let known = |split: Split| -> Vec<usize> {
            let mut indices = self.dataset.of_split(split);
            indices.retain(|&index| {
                let entry = self.dataset.entry(&self.dataset.samples[index]);
                !self.held_out.contains(&entry.generator)
            });
            indices
        };
        let (mut training, validation) = (known(Split::Train), known(Split::Validation));
        let images = |indices: &[usize]| {
            let entry = |&index: &usize| self.dataset.samples[index].entry;
            indices.chunk_by(|a, b| entry(a) == entry(b)).count()
        };
        let found = [images(&training), images(&validation)];
        if found[0] < LEAST[0] || found[1] < LEAST[1] {
            return Ok(None);
        }
        let mut rng = StdRng::seed_from_u64(self.recipe.training.seed);
        training.shuffle(&mut rng);
        training.truncate(MOST);
        let bar = progress.bar("known images");
        let passes = |copies: usize, tiles: &[usize]| (copies * tiles.len()) as u64;
        bar.set_length(passes(1 + 2 * DELIVERIES, &training) + passes(1 + DELIVERIES, &validation));
        let seed =
            |turn: usize| -> u64 { generator(self.recipe.training.seed, [turn, 1, 1]).random() };
        let delivery = sent(&self.recipe.delivery);
        let mut rows = self.rows(&training, &Copy::Clean, &bar)?;
        for turn in 0..DELIVERIES {
            let copy = Copy::Delivered(&delivery, seed(turn));
            rows.extend(self.rows(&training, &copy, &bar)?);
        }
        let mut beyond = Vec::new();
        if let Some(reduction) = Reduction::beyond(&self.recipe.delivery) {
            for turn in 0..DELIVERIES {
                let copy = Copy::Reduced(&reduction, seed(100 + turn));
                beyond.extend(self.rows(&training, &copy, &bar)?);
            }
        }
        let mut model = model(&rows, &beyond);
        let clean = self.measured(&model, &validation, &Copy::Clean, &bar)?;
        let mut delivered = Vec::new();
        for turn in 0..DELIVERIES {
            let copy = Copy::Delivered(&delivery, seed(200 + turn));
            delivered.extend(self.measured(&model, &validation, &copy, &bar)?);
        }
        bar.finish_and_clear();
        limit(&mut model, &clean, &delivered);
        Ok(Some(model))
    }

    fn tiles(
        &self,
        indices: &[usize],
        copy: &Copy<'_>,
        bar: &indicatif::ProgressBar,
    ) -> Result<Vec<TileScore>, TrainError> {
        let plane = |position: usize| {
            let index = indices[position];
            let plane = self.dataset.plane(&self.dataset.samples[index]);
            match copy {
                Copy::Clean => plane,
                Copy::Delivered(delivery, seed) => delivery.apply(plane, &mut draws(*seed, index)),
                Copy::Reduced(reduction, seed) => reduction.apply(plane, &mut draws(*seed, index)),
            }
        };
        let extent = (self.dataset.side, indices.len());
        score_tiles(self.detector, extent, &plane, self.device, bar)
    }

    fn rows(
        &self,
        indices: &[usize],
        copy: &Copy<'_>,
        bar: &indicatif::ProgressBar,
    ) -> Result<Vec<Vec<f32>>, TrainError> {
        let tiles = self.tiles(indices, copy, bar)?;
        Ok(tiles.into_iter().map(|tile| tile.features).collect())
    }

    /// How unfamiliar every image is.
    fn measured(
        &self,
        model: &OutOfDistribution,
        indices: &[usize],
        copy: &Copy<'_>,
        bar: &indicatif::ProgressBar,
    ) -> Result<Vec<Unfamiliarity>, TrainError> {
        let tiles = self.tiles(indices, copy, bar)?;
        let entry = |position: usize| self.dataset.samples[indices[position]].entry;
        let positions: Vec<usize> = (0..indices.len()).collect();
        Ok(positions
            .chunk_by(|&a, &b| entry(a) == entry(b))
            .filter_map(|image| {
                let measured = image.iter().map(|&at| model.measure(&tiles[at].features));
                Unfamiliarity::mean(measured)
            })
            .collect())
    }
}

/// The model of known tiles, and of what tells tiles beyond from them; its limits are still missing.
fn model(known: &[Vec<f32>], beyond: &[Vec<f32>]) -> OutOfDistribution {
    let side = known.first().map_or(0, Vec::len);
    let count = known.len().max(1) as f64;
    let mean: Vec<f64> = (0..side)
        .map(|i| known.iter().map(|row| f64::from(row[i])).sum::<f64>() / count)
        .collect();
    let scale: Vec<f64> = (0..side)
        .map(|i| {
            let squares = known
                .iter()
                .map(|row| (f64::from(row[i]) - mean[i]).powi(2));
            (squares.sum::<f64>() / count).sqrt() + 1e-3
        })
        .collect();
    let divided = |rows: &[Vec<f32>]| -> Vec<Vec<f64>> {
        rows.iter()
            .map(|row| {
                (0..side)
                    .map(|i| (f64::from(row[i]) - mean[i]) / scale[i])
                    .collect()
            })
            .collect()
    };
    let moments = Symmetric::second_moments(&divided(known), side);
    let leading = moments.leading(COMPONENTS.min(known.len() / 8).max(1));
    let floor = 1e-6 * moments.trace();
    let explained: f64 = leading.iter().map(|(_, variance)| variance).sum();
    let short = |values: &[f64]| -> Vec<f32> { values.iter().copied().map(rounded).collect() };
    OutOfDistribution {
        reduction: short(&discriminant(&moments, divided(beyond))),
        mean: short(&mean),
        scale: short(&scale),
        components: leading.iter().map(|(vector, _)| short(vector)).collect(),
        variances: leading
            .iter()
            .map(|(_, variance)| rounded(variance.max(floor)))
            .collect(),
        rest: rounded((moments.trace() - explained).max(floor)),
        limits: [f64::MAX; 2],
        refused: [0.0; 2],
        images: 0,
    }
}

/// Fisher's linear discriminant (1936) between known tiles, whose divided features have mean zero, and
/// tiles beyond; 1 at the mean of the latter. Empty when there are none.
fn discriminant(known: &Symmetric, mut beyond: Vec<Vec<f64>>) -> Vec<f64> {
    let side = known.side;
    let count = beyond.len().max(1) as f64;
    let centre: Vec<f64> = (0..side)
        .map(|i| beyond.iter().map(|row| row[i]).sum::<f64>() / count)
        .collect();
    if beyond.is_empty() {
        return Vec::new();
    }
    for row in &mut beyond {
        row.iter_mut().zip(&centre).for_each(|(x, c)| *x -= c);
    }
    let mut within = Symmetric::second_moments(&beyond, side);
    for (a, b) in within.values.iter_mut().zip(&known.values) {
        *a = (1.0 - SHRINKAGE) * 0.5 * (*a + b);
    }
    let ridge = SHRINKAGE * within.trace() / side as f64;
    for i in 0..side {
        within.values[i * side + i] += ridge.max(1e-9);
    }
    let Some(weights) = within.solve(&centre) else {
        return Vec::new();
    };
    let reach = dot(&weights, &centre);
    if reach <= 0.0 {
        return Vec::new();
    }
    weights.into_iter().map(|w| w / reach).collect()
}

/// Sets the limits so that they refuse their shares of validation images, as many as they are as
/// delivered.
fn limit(model: &mut OutOfDistribution, clean: &[Unfamiliarity], delivered: &[Unfamiliarity]) {
    let repeats = (delivered.len() / clean.len().max(1)).max(1);
    let pick = |which: usize, of: &Unfamiliarity| [of.distance, of.reduction][which];
    for (which, share) in SHARES.into_iter().enumerate() {
        let mut values: Vec<f64> = Vec::new();
        for _ in 0..repeats {
            values.extend(clean.iter().map(|of| pick(which, of)));
        }
        values.extend(delivered.iter().map(|of| pick(which, of)));
        values.sort_by(|a, b| b.total_cmp(a));
        let allowed = (share * values.len() as f64).floor() as usize;
        if let Some(limit) = values.get(allowed) {
            model.limits[which] = *limit;
        }
    }
    let refused = |images: &[Unfamiliarity]| {
        let above = images
            .iter()
            .filter(|of| model.exceeded(**of).contains(&true));
        above.count() as f64 / images.len().max(1) as f64
    };
    model.refused = [refused(clean), refused(delivered)];
    model.images = clean.len();
}

/// Five digits: the card stays small, and no measure moves by more than rounding.
fn rounded(value: f64) -> f32 {
    format!("{value:.4e}").parse().unwrap_or(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(rng: &mut StdRng) -> f32 {
        (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
    }

    /// Features with two strong directions and ten weak ones; `shift` moves the last one.
    fn rows(count: usize, shift: f32, seed: u64) -> Vec<Vec<f32>> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..count)
            .map(|_| {
                let strong = [3.0 * normal(&mut rng), 2.0 * normal(&mut rng)];
                let mut row: Vec<f32> = (0..12)
                    .map(|i| strong[i % 2] + 0.3 * normal(&mut rng))
                    .collect();
                row[11] += shift;
                row
            })
            .collect()
    }

    #[test]
    fn limits_keep_to_their_shares_and_strangers_lie_beyond() {
        let mut model = model(&rows(3000, 0.0, 1), &rows(3000, 1.0, 2));
        let of = |rows: Vec<Vec<f32>>| -> Vec<Unfamiliarity> {
            rows.iter().map(|row| model.measure(row)).collect()
        };
        let (clean, delivered) = (of(rows(2000, 0.0, 3)), of(rows(2000, 0.0, 4)));
        let (reduced, strange) = (of(rows(500, 1.0, 5)), of(rows(500, -8.0, 6)));
        let typical = clean.iter().map(|u| u.distance).sum::<f64>() / 2000.0;
        assert!((0.7..1.3).contains(&typical), "{typical}");
        let mean = |images: &[Unfamiliarity]| {
            images.iter().map(|u| u.reduction).sum::<f64>() / images.len() as f64
        };
        assert!(mean(&clean).abs() < 0.1 && (mean(&reduced) - 1.0).abs() < 0.1);
        limit(&mut model, &clean, &delivered);
        assert!(
            model
                .refused
                .iter()
                .all(|share| (0.005..0.015).contains(share))
        );
        let share = |images: &[Unfamiliarity], which: usize| {
            let above = images.iter().filter(|u| model.exceeded(**u)[which]);
            above.count() as f64 / images.len() as f64
        };
        assert!(share(&reduced, 1) > 0.5, "{}", share(&reduced, 1));
        assert!(share(&strange, 0) > 0.9, "{}", share(&strange, 0));
    }

    #[test]
    fn without_tiles_beyond_nothing_is_measured_of_them() {
        assert!(model(&rows(100, 0.0, 1), &[]).reduction.is_empty());
    }
}
