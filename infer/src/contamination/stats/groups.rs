//! Images that do not speak for themselves alone, and comparisons that are many.

use std::collections::HashMap;
use std::hash::Hash;

/// By how much the variance of the share flagged is larger than if images were independent: that
/// between groups (studies, patients, folders), as a bootstrap of groups has it in the limit, over
/// that of independent images. At least 1; 1 where every group has one image.
pub(crate) fn design_effect<K: Eq + Hash>(images: impl Iterator<Item = (K, bool)>) -> f64 {
    let mut groups: HashMap<K, [f64; 2]> = HashMap::new();
    for (group, flagged) in images {
        let counts = groups.entry(group).or_default();
        counts[0] += 1.0;
        counts[1] += f64::from(u8::from(flagged));
    }
    let [total, flagged] = groups
        .values()
        .fold([0.0, 0.0], |[a, b], counts| [a + counts[0], b + counts[1]]);
    let share = flagged / f64::max(total, 1.0);
    let independent = total * share * (1.0 - share);
    if groups.len() < 2 || independent <= 0.0 {
        return 1.0;
    }
    let between: f64 = groups
        .values()
        .map(|[images, flagged]| (flagged - share * images).powi(2))
        .sum();
    let correction = groups.len() as f64 / (groups.len() - 1) as f64;
    (between * correction / independent).max(1.0)
}

/// P-values adjusted for being many (Holm, Scand. J. Stat. 6, 1979); holds under any dependence.
pub(crate) fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut adjusted = vec![1.0; values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(values[index] * (values.len() - rank) as f64);
        adjusted[index] = largest.min(1.0);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_go_together_count_less() {
        let alone = (0..100).map(|i| (i, i % 10 == 0));
        assert!((design_effect(alone) - 1.0).abs() < 0.02);
        // Ten groups of ten, one of them flagged as a whole: as good as ten images.
        let together = (0..100).map(|i| (i / 10, i < 10));
        assert!((design_effect(together) - 10.0).abs() < 1.2);
        assert_eq!(design_effect((0..5).map(|i| (i, false))), 1.0);
        assert_eq!(design_effect(std::iter::empty::<(u8, bool)>()), 1.0);
    }

    #[test]
    fn holm_is_that_of_the_textbook() {
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}
