//! Which epoch of a run is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::EpochLog;

/// AUROC up to which a family counts as not told from authentic images at all: what a family of some
/// sixty validation images reaches by chance.
const CHANCE: f64 = 0.6;

/// Mean of both AUROCs of every family, as it is and after delivery.
pub(crate) type Figures = BTreeMap<String, f64>;

/// The figures of one validation.
pub(crate) fn figures(auroc: &Figures, delivered: &Figures) -> Figures {
    auroc
        .iter()
        .filter_map(|(family, a)| Some((family.clone(), 0.5 * (a + delivered.get(family)?))))
        .collect()
}

/// Whether a new epoch is better than the best so far, and what it is judged by: the mean of the
/// lowest third of the families.
///
/// The worst families decide, not the mean: a detector is used against what it is worst at. The
/// single worst one would be noise where there are many, and so are those that no epoch has told from
/// authentic images; they are left out while there are others. A family that a later epoch is the
/// first to tell counts in the earlier ones from then on.
pub(crate) fn judge(epochs: &[EpochLog], new: &Figures) -> (f64, bool) {
    let earlier: Vec<Figures> = epochs
        .iter()
        .map(|epoch| figures(&epoch.auroc, &epoch.delivered_auroc))
        .collect();
    let told: BTreeSet<&str> = earlier
        .iter()
        .chain([new])
        .flatten()
        .filter(|(_, figure)| **figure > CHANCE)
        .map(|(family, _)| family.as_str())
        .collect();
    let value = |figures: &Figures| {
        let counted = |family: &str| told.is_empty() || told.contains(family);
        worst_third(
            figures
                .iter()
                .filter(|(family, _)| counted(family))
                .map(|(_, figure)| *figure)
                .collect(),
        )
    };
    let best = epochs.iter().rposition(|epoch| epoch.best);
    let found = value(new);
    let better = best.is_none_or(|best| found > value(&earlier[best]));
    (found, better)
}

/// Mean of the lowest third; NaN of nothing.
fn worst_third(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.truncate(figures.len().div_ceil(3));
    figures.iter().sum::<f64>() / figures.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(epochs: &[[f64; 4]]) -> Vec<(f64, bool)> {
        let mut log: Vec<EpochLog> = Vec::new();
        let mut found = Vec::new();
        for (index, figures) in epochs.iter().enumerate() {
            let auroc: Figures = ["a", "b", "c", "d"]
                .map(str::to_owned)
                .into_iter()
                .zip(*figures)
                .collect();
            let (selection, best) = judge(&log, &auroc);
            found.push((selection, best));
            log.push(EpochLog {
                epoch: index + 1,
                loss: 0.0,
                logit_loss: 0.0,
                map_loss: 0.0,
                learning_rate: 0.0,
                delivered_auroc: auroc.clone(),
                auroc,
                selection,
                best,
                seconds: [0.0; 2],
                tiles_per_second: 0.0,
            });
        }
        found
    }

    #[test]
    fn families_at_chance_do_not_choose_the_epoch() {
        let found = run(&[
            [0.52, 0.55, 0.90, 0.80],
            [0.49, 0.51, 0.95, 0.85],
            [0.55, 0.58, 0.94, 0.84],
        ]);
        assert_eq!(
            found.iter().map(|f| f.1).collect::<Vec<_>>(),
            [true, true, false]
        );
        assert!((found[1].0 - 0.85).abs() < 1e-9);
    }

    #[test]
    fn a_family_first_told_now_counts_in_the_epochs_before() {
        // The second epoch's worst family lay at chance in the first: that is better, not worse.
        let found = run(&[[0.50, 0.90, 0.95, 0.97], [0.70, 0.90, 0.95, 0.97]]);
        assert_eq!(found.iter().map(|f| f.1).collect::<Vec<_>>(), [true, true]);
    }

    #[test]
    fn where_nothing_is_told_all_count() {
        let found = run(&[[0.50, 0.52, 0.51, 0.53], [0.52, 0.53, 0.52, 0.55]]);
        assert!((found[0].0 - 0.505).abs() < 1e-9);
        assert_eq!(found.iter().map(|f| f.1).collect::<Vec<_>>(), [true, true]);
    }
}
