//! Ranking, threshold, calibration and localisation metrics with intervals.

mod bootstrap;
mod delong;
mod localisation;
mod measures;
mod probability;
mod ranked;

pub use bootstrap::{Groups, percentiles};
pub use delong::{Comparison, compare};
pub use localisation::{CellImage, Localisation, localise};
pub use measures::{Measures, measure};
pub use probability::{Bin, expected_calibration_error, reliability};
pub use ranked::{Ranked, auroc, rate_above};

/// Bootstrap replicates behind every interval.
pub const REPLICATES: usize = 1000;

/// A score with the group (patient or volume) it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Higher means more likely manipulated.
    pub score: f64,
    /// The unit that is resampled.
    pub group: String,
}

/// AUROC with its 95 % interval from a bootstrap over groups: estimate, low, high.
#[must_use]
pub fn auroc_interval(authentic: &[Scored], manipulated: &[Scored], seed: u64) -> Option<[f64; 3]> {
    let ranked = Ranked::new(authentic, manipulated)?;
    let replicates = ranked
        .groups()
        .replicates(seed, REPLICATES, |weights| ranked.auroc(weights));
    percentiles(ranked.auroc(&ranked.groups().once())?, replicates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_estimate_and_widens_with_fewer_groups() {
        let scored = |shift: f64, groups: usize| -> Vec<Scored> {
            (0..200)
                .map(|i| Scored {
                    score: f64::from(i % 37) / 37.0 + shift * f64::from(i % 5),
                    group: format!("{}", i as usize % groups),
                })
                .collect()
        };
        let many = auroc_interval(&scored(0.0, 200), &scored(0.1, 200), 1).unwrap();
        let few = auroc_interval(&scored(0.0, 5), &scored(0.1, 5), 1).unwrap();
        assert!(many[1] <= many[0] && many[0] <= many[2]);
        assert!(few[2] - few[1] > many[2] - many[1]);
    }
}
