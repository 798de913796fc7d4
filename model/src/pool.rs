//! From the logits of tiles and frames to the logit of an image.

use serde::{Deserialize, Serialize};

/// How logits are pooled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pooling {
    /// The mean: every tile weighs the same.
    #[default]
    Mean,
    /// The logarithm of the mean exponential: one tile that is sure outweighs several that see
    /// nothing, as it must where only a part was tampered with, and noise does not grow with the
    /// number of tiles as it does under the maximum (Pinheiro & Collobert, CVPR 2015).
    LogMeanExp,
}

impl Pooling {
    /// Pools logits. `None` when there is none.
    #[must_use]
    pub fn pool(self, logits: impl IntoIterator<Item = f64>) -> Option<f64> {
        let logits: Vec<f64> = logits.into_iter().collect();
        let count = logits.len() as f64;
        if logits.is_empty() {
            return None;
        }
        Some(match self {
            Self::Mean => logits.iter().sum::<f64>() / count,
            Self::LogMeanExp => {
                let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                if !most.is_finite() || logits.iter().any(|z| z.is_nan()) {
                    return Some(f64::NAN);
                }
                let sum: f64 = logits.iter().map(|z| (z - most).exp()).sum();
                most + (sum / count).ln()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_logit_is_itself_and_equal_ones_pool_to_one() {
        for pooling in [Pooling::Mean, Pooling::LogMeanExp] {
            assert_eq!(pooling.pool([]), None);
            assert_eq!(pooling.pool([1.5]), Some(1.5));
            assert!((pooling.pool([-2.0; 7]).unwrap() + 2.0).abs() < 1e-12);
        }
    }

    #[test]
    fn one_sure_tile_outweighs_the_others() {
        let tiles = [5.0, -4.0, -4.0, -4.0];
        assert!(Pooling::Mean.pool(tiles).unwrap() < 0.0);
        assert!(Pooling::LogMeanExp.pool(tiles).unwrap() > 3.0);
        assert!(Pooling::LogMeanExp.pool([1000.0, -1000.0]).unwrap() > 999.0);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        assert!(Pooling::LogMeanExp.pool([f64::NAN, 1.0]).unwrap().is_nan());
        assert!(Pooling::Mean.pool([f64::NAN, 1.0]).unwrap().is_nan());
    }
}
