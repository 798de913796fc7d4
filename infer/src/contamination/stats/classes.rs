//! How the scores of authentic and of manipulated images are distributed, as far as that is known,
//! and how well.
//!
//! Scores are log-likelihood ratios here: the logit of a calibrated score whose calibration gave
//! both classes the same weight.

use super::random::Random;
use super::tail;
use veraray_model::platt;

/// Points of the grid that a normal class is looked at on.
const GRID: usize = 128;

/// The size of the calibration and the rates that it led to. Both classes are taken for normal and
/// the calibration's form for right, so that log-likelihood ratios follow N(∓σ²/2, σ²); σ, the
/// distance of the classes in deviations, is that between the normal quantiles of the two rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Evidence {
    /// Share of authentic images above a threshold.
    pub(crate) alarms: f64,
    /// Share of manipulated images above it.
    pub(crate) detections: f64,
    /// Authentic and manipulated images of the calibration.
    pub(crate) images: [usize; 2],
}

/// How the two classes may be distributed: values with their weights, which sum to one.
pub(crate) struct Classes {
    pub(crate) values: [Vec<f64>; 2],
    pub(crate) weights: [Vec<f64>; 2],
}

impl Evidence {
    /// `None` when there were no images of a class, or the rates are those of chance.
    pub(crate) fn of(alarms: f64, detections: f64, images: [usize; 2]) -> Option<Self> {
        let evidence = Self {
            alarms,
            detections,
            images,
        };
        evidence.distance().map(|_| evidence)
    }

    fn distance(&self) -> Option<f64> {
        let inside = |rate: f64, images: usize| {
            let least = 0.5 / images.max(1) as f64;
            rate.clamp(least, 1.0 - least)
        };
        let rates = [self.alarms, self.detections];
        if self.images.contains(&0) || !rates.iter().all(|rate| rate.is_finite()) {
            return None;
        }
        let [alarms, detections] = [0, 1].map(|class| inside(rates[class], self.images[class]));
        let distance = tail::quantile(detections) - tail::quantile(alarms);
        (distance > 0.1).then_some(distance)
    }

    /// Both classes at `distance`, seen through a calibration with this slope and offset.
    fn classes(&self, distance: f64, [slope, offset]: [f64; 2]) -> Classes {
        let z: Vec<f64> = (0..GRID)
            .map(|index| 12.0 * (index as f64 + 0.5) / GRID as f64 - 6.0)
            .collect();
        let mut weights: Vec<f64> = z.iter().map(|z| (-0.5 * z * z).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        let values = [-0.5, 0.5].map(|side| {
            let at = |z: &f64| slope * (side * distance * distance + distance * z) + offset;
            z.iter().map(at).collect()
        });
        Classes {
            values,
            weights: [weights.clone(), weights],
        }
    }

    /// The classes through a calibration on as many images, drawn anew; `None` when the rates say
    /// too little.
    pub(crate) fn draw(&self, random: &mut Random) -> Option<Classes> {
        let distance = self.distance()?;
        let mut sample = |side: f64, images: usize| -> Vec<f64> {
            (0..images)
                .map(|_| side * distance * distance + distance * random.normal())
                .collect()
        };
        let (authentic, manipulated) = (sample(-0.5, self.images[0]), sample(0.5, self.images[1]));
        Some(self.classes(distance, platt(&authentic, &manipulated)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    fn mean(classes: &Classes, class: usize, value: impl Fn(f64) -> f64) -> f64 {
        let weighted = classes.values[class].iter().zip(&classes.weights[class]);
        weighted.map(|(x, weight)| weight * value(*x)).sum()
    }

    #[test]
    fn a_card_speaks_of_calibrated_normal_classes() {
        let card = Evidence {
            alarms: 0.01,
            detections: 0.9,
            images: [270, 300],
        };
        let distance: f64 = card.distance().unwrap();
        assert!((distance - 3.608).abs() < 1e-3);
        let classes = card.classes(distance, [1.0, 0.0]);
        for (class, side) in [-0.5, 0.5].into_iter().enumerate() {
            let centre = mean(&classes, class, |x| x);
            assert!((centre - side * distance * distance).abs() < 1e-6);
            let variance = mean(&classes, class, |x| (x - centre).powi(2));
            assert!((variance / distance.powi(2) - 1.0).abs() < 1e-3);
        }
        // Calibrated: authentic images have a mean likelihood ratio of 1 where the grid holds it.
        let near = Evidence {
            alarms: 0.2,
            detections: 0.8,
            images: [270, 300],
        };
        let classes = near.classes(near.distance().unwrap(), [1.0, 0.0]);
        assert!((mean(&classes, 0, f64::exp) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let none = Evidence {
            alarms: 0.1,
            detections: 0.9,
            images: [270, 0],
        };
        assert!(none.distance().is_none());
        let worse = Evidence {
            alarms: 0.5,
            detections: 0.4,
            images: [270, 300],
        };
        assert!(worse.distance().is_none());
    }

    #[test]
    fn drawn_classes_scatter_around_the_likely_ones() {
        let mut random = Random::new(8);
        let card = Evidence {
            alarms: 0.01,
            detections: 0.9,
            images: [270, 300],
        };
        let likely = -0.5 * card.distance().unwrap().powi(2);
        let means: Vec<f64> = (0..200)
            .map(|_| mean(&card.draw(&mut random).unwrap(), 0, |x| x))
            .collect();
        let centre = means.iter().sum::<f64>() / 200.0;
        let spread = means.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / 200.0;
        assert!((centre - likely).abs() < 0.8, "{centre} {likely}");
        assert!(spread.sqrt() > 0.1 && spread.sqrt() < 2.0, "{spread}");
    }

    #[test]
    fn two_normals_are_calibrated_by_their_log_likelihood_ratio() {
        let mut random = Random::new(3);
        // N(−2, 2²) against N(2, 2²): slope 4 / 4, offset 0.
        let mut draw = |mean: f64| (0..20_000).map(|_| mean + 2.0 * random.normal()).collect();
        let (a, m): (Vec<f64>, Vec<f64>) = (draw(-2.0), draw(2.0));
        let [slope, offset] = platt(&a, &m);
        assert!(
            (slope - 1.0).abs() < 0.03 && offset.abs() < 0.05,
            "{slope} {offset}"
        );
        assert!(platt(&m, &a)[0] > 0.0);
    }
}
