//! How well the map finds what was changed.

use serde::{Deserialize, Serialize};

use super::{Groups, REPLICATES, percentiles};
use crate::score::CellScore;

/// The map of one image.
#[derive(Debug, Clone)]
pub struct CellImage<'a> {
    /// Its cells with what the mask says; the share is 0 throughout in authentic images.
    pub cells: &'a [CellScore],
    /// Patient or volume.
    pub group: &'a str,
}

/// Localisation on images with masks. Figures with three numbers are means over images with a 95 %
/// interval from a bootstrap over groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Localisation {
    /// Images with masks.
    pub images: usize,
    /// F1 over pixels at the card's map threshold, a cell's verdict holding for all its pixels.
    pub pixel_f1: [f64; 3],
    /// Intersection over union, likewise.
    pub iou: [f64; 3],
    /// F1 over all cells of all images; a cell is manipulated when the mask covers half of it.
    pub cell_f1: f64,
    /// Probability of detection at one false alarm in a hundred: the share of images with masks
    /// whose score exceeds that of 99 % of the authentic images.
    pub pd_at_1_percent: f64,
    /// Share of manipulated cells above what 99 % of the cells of authentic images stay below;
    /// `null` without authentic images.
    pub cell_pd_at_1_percent: Option<f64>,
}

/// Localises with the cells above `threshold`, a probability in `(0, 1)`. `pd_at_1_percent` comes
/// from the ranking of whole images. `None` when no image has a manipulated pixel.
#[must_use]
pub fn localise(
    masked: &[CellImage<'_>],
    authentic: &[CellImage<'_>],
    threshold: f64,
    pd_at_1_percent: f64,
) -> Option<Localisation> {
    let threshold = (threshold / (1.0 - threshold)).ln() as f32;
    let scored: Vec<(&CellImage<'_>, [f64; 2])> = masked
        .iter()
        .filter_map(|image| Some((image, overlap(image.cells, threshold)?)))
        .collect();
    if scored.is_empty() {
        return None;
    }
    let (groups, of) = Groups::new(scored.iter().map(|(image, _)| (image.group, true)));
    let mean = |which: usize| {
        let statistic = |weights: &[u32]| {
            let (mut sum, mut count) = (0.0, 0.0);
            for ((_, overlap), group) in scored.iter().zip(&of) {
                let weight = f64::from(weights[*group as usize]);
                sum += weight * overlap[which];
                count += weight;
            }
            (count > 0.0).then(|| sum / count)
        };
        let replicates = groups.replicates(1, REPLICATES, statistic);
        percentiles(statistic(&groups.once())?, replicates)
    };
    let cells = || masked.iter().flat_map(|image| image.cells);
    let truth = |cell: &CellScore| cell.share >= 0.5;
    let flagged = |cell: &CellScore| cell.logit >= threshold;
    let hits = cells().filter(|c| truth(c) && flagged(c)).count();
    let (marked, true_cells) = (
        cells().filter(|c| flagged(c)).count(),
        cells().filter(|c| truth(c)).count(),
    );
    Some(Localisation {
        images: scored.len(),
        pixel_f1: mean(0)?,
        iou: mean(1)?,
        cell_f1: 2.0 * hits as f64 / (marked + true_cells).max(1) as f64,
        pd_at_1_percent,
        cell_pd_at_1_percent: detected(masked, authentic),
    })
}

/// F1 and intersection over union of one image, in pixels; `None` without a manipulated pixel.
fn overlap(cells: &[CellScore], threshold: f32) -> Option<[f64; 2]> {
    let (mut hit, mut marked, mut all) = (0.0, 0.0, 0.0);
    for cell in cells {
        let share = f64::from(cell.share);
        all += share;
        if cell.logit >= threshold {
            hit += share;
            marked += 1.0;
        }
    }
    (all > 0.0).then(|| [2.0 * hit / (marked + all), hit / (marked + all - hit)])
}

fn detected(masked: &[CellImage<'_>], authentic: &[CellImage<'_>]) -> Option<f64> {
    let mut clean: Vec<f32> = authentic
        .iter()
        .flat_map(|image| image.cells.iter().map(|cell| cell.logit))
        .collect();
    clean.sort_by(|a, b| b.total_cmp(a));
    let bar = *clean.get(clean.len() / 100)?;
    let (mut found, mut count) = (0usize, 0usize);
    for cell in masked.iter().flat_map(|image| image.cells) {
        if cell.share >= 0.5 {
            count += 1;
            found += usize::from(cell.logit > bar);
        }
    }
    (count > 0).then(|| found as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(list: &[(f32, f32)]) -> Vec<CellScore> {
        list.iter()
            .map(|&(logit, share)| CellScore { logit, share })
            .collect()
    }

    #[test]
    fn overlap_of_a_case_worked_by_hand() {
        // One full cell found, one quarter cell missed, one clean cell flagged.
        let map = cells(&[(2.0, 1.0), (-2.0, 0.25), (1.0, 0.0), (-1.0, 0.0)]);
        let [f1, iou] = overlap(&map, 0.0).unwrap();
        assert!((f1 - 2.0 / 3.25).abs() < 1e-12);
        assert!((iou - 1.0 / 2.25).abs() < 1e-12);
        assert_eq!(overlap(&cells(&[(2.0, 0.0)]), 0.0), None);
    }

    #[test]
    fn cells_are_detected_against_authentic_ones() {
        let clean = cells(
            &(0..200)
                .map(|i| (i as f32 / 200.0, 0.0))
                .collect::<Vec<_>>(),
        );
        let map = cells(&[(2.0, 1.0), (0.9, 1.0), (0.1, 0.0)]);
        let image = |cells| CellImage { cells, group: "g" };
        let found = localise(&[image(&map)], &[image(&clean)], 0.5, 0.5).unwrap();
        assert_eq!(found.cell_pd_at_1_percent, Some(0.5));
        assert_eq!(found.cell_f1, 0.8);
        assert!(localise(&[image(&clean)], &[], 0.5, 0.5).is_none());
    }
}
