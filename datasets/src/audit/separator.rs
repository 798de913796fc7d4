//! The classifier behind every null model: logistic regression, then boosted stumps on its
//! residual, so that a leak shows whether it is a trend or an interval of values.
//!
//! Regression by iteratively reweighted least squares with a ridge; stumps after Friedman, "Greedy
//! function approximation: a gradient boosting machine", Annals of Statistics 2001. Both are fixed in
//! advance, so that nothing is tuned on what they are judged by.

/// Newton steps.
const STEPS: usize = 12;
/// Ridge on the weights of standardised features, in images.
const RIDGE: f64 = 1.0;
/// Stumps, and how much of each is taken.
const STUMPS: usize = 40;
const RATE: f64 = 0.3;
/// Shrinks the leaves of stumps, in images.
const SHRINK: f64 = 4.0;
/// Standardised features are cut here, so that one odd file does not lever the line.
const CUT: f64 = 4.0;

/// A fitted null model.
#[derive(Debug, Clone)]
pub struct Separator {
    centre: Vec<f64>,
    scale: Vec<f64>,
    weights: Vec<f64>,
    offset: f64,
    stumps: Vec<Stump>,
}

#[derive(Debug, Clone)]
struct Stump {
    feature: usize,
    /// Values up to it go left.
    threshold: f64,
    leaves: [f64; 2],
}

impl Separator {
    /// Fits on rows of features of equal length; `true` marks manipulated images. Weights are scaled
    /// so that both classes weigh the same. `None` when a class is empty or weighs nothing.
    #[must_use]
    pub fn fit(rows: &[&[f64]], labels: &[bool], weights: &[f64]) -> Option<Self> {
        let width = rows.first()?.len();
        let mut totals = [0.0; 2];
        for (label, weight) in labels.iter().zip(weights) {
            totals[usize::from(*label)] += weight;
        }
        if totals.iter().any(|total| *total <= 0.0) {
            return None;
        }
        let half = rows.len() as f64 / 2.0;
        let weights: Vec<f64> = labels
            .iter()
            .zip(weights)
            .map(|(label, weight)| weight * half / totals[usize::from(*label)])
            .collect();
        let total = 2.0 * half;
        let mean = |values: &dyn Fn(usize) -> f64| {
            let sum: f64 = weights.iter().enumerate().map(|(i, w)| w * values(i)).sum();
            sum / total
        };
        let centre: Vec<f64> = (0..width).map(|f| mean(&|i| rows[i][f])).collect();
        let scale: Vec<f64> = (0..width)
            .map(|f| {
                let variance = mean(&|i| (rows[i][f] - centre[f]).powi(2));
                if variance > 1e-18 {
                    variance.sqrt()
                } else {
                    1.0
                }
            })
            .collect();
        let mut model = Self {
            centre,
            scale,
            weights: vec![0.0; width],
            offset: 0.0,
            stumps: Vec::new(),
        };
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| model.standardise(row)).collect();
        model.regress(&rows, labels, &weights);
        model.boost(&rows, labels, &weights);
        Some(model)
    }

    /// Log-odds of a row of features: higher means more likely manipulated.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        let row = self.standardise(row);
        let stumps: f64 = self.stumps.iter().map(|stump| stump.value(&row)).sum();
        self.linear(&row) + stumps
    }

    fn standardise(&self, row: &[f64]) -> Vec<f64> {
        row.iter()
            .zip(self.centre.iter().zip(&self.scale))
            .map(|(x, (centre, scale))| ((x - centre) / scale).clamp(-CUT, CUT))
            .collect()
    }

    fn linear(&self, row: &[f64]) -> f64 {
        let dot: f64 = self.weights.iter().zip(row).map(|(w, x)| w * x).sum();
        dot + self.offset
    }

    fn regress(&mut self, rows: &[Vec<f64>], labels: &[bool], weights: &[f64]) {
        let width = self.weights.len();
        // The last column is the offset.
        let size = width + 1;
        for _ in 0..STEPS {
            let mut gradient = vec![0.0; size];
            let mut hessian = vec![0.0; size * size];
            for ((row, label), weight) in rows.iter().zip(labels).zip(weights) {
                let p = sigmoid(self.linear(row));
                let error = weight * (p - f64::from(u8::from(*label)));
                let curve = weight * (p * (1.0 - p)).max(1e-6);
                let at = |i: usize| if i == width { 1.0 } else { row[i] };
                for i in 0..size {
                    gradient[i] += error * at(i);
                    for j in 0..=i {
                        hessian[i * size + j] += curve * at(i) * at(j);
                    }
                }
            }
            for i in 0..width {
                gradient[i] += RIDGE * self.weights[i];
                hessian[i * size + i] += RIDGE;
            }
            hessian[width * size + width] += 1e-6;
            let Some(mut step) = solve(hessian, gradient, size) else {
                return;
            };
            // Separable classes ask for ever longer steps.
            let norm = step.iter().map(|s| s * s).sum::<f64>().sqrt();
            let shorten = (4.0 / norm).min(1.0);
            step.iter_mut().for_each(|s| *s *= shorten);
            for (weight, step) in self.weights.iter_mut().zip(&step) {
                *weight -= step;
            }
            self.offset -= step[width];
            if norm < 1e-5 {
                return;
            }
        }
    }

    fn boost(&mut self, rows: &[Vec<f64>], labels: &[bool], weights: &[f64]) {
        let count = rows.len();
        let least = (count / 50).max(5);
        if count < 2 * least {
            return;
        }
        let orders: Vec<Vec<usize>> = (0..self.weights.len())
            .map(|feature| {
                let mut order: Vec<usize> = (0..count).collect();
                order.sort_by(|a, b| rows[*a][feature].total_cmp(&rows[*b][feature]));
                order
            })
            .collect();
        let mut margins: Vec<f64> = rows.iter().map(|row| self.linear(row)).collect();
        for _ in 0..STUMPS {
            // Gradient and curvature of the logistic loss per image.
            let slopes: Vec<[f64; 2]> = (0..count)
                .map(|i| {
                    let p = sigmoid(margins[i]);
                    let label = f64::from(u8::from(labels[i]));
                    [weights[i] * (label - p), weights[i] * p * (1.0 - p)]
                })
                .collect();
            let Some(stump) = best_stump(rows, &orders, &slopes, least) else {
                return;
            };
            for (margin, row) in margins.iter_mut().zip(rows) {
                *margin += stump.value(row);
            }
            self.stumps.push(stump);
        }
    }
}

impl Stump {
    fn value(&self, row: &[f64]) -> f64 {
        self.leaves[usize::from(row[self.feature] > self.threshold)]
    }
}

fn best_stump(
    rows: &[Vec<f64>],
    orders: &[Vec<usize>],
    slopes: &[[f64; 2]],
    least: usize,
) -> Option<Stump> {
    let total = slopes
        .iter()
        .fold([0.0; 2], |sum, s| [sum[0] + s[0], sum[1] + s[1]]);
    let gain = |s: [f64; 2]| s[0] * s[0] / (s[1] + SHRINK);
    let mut best: Option<(f64, Stump)> = None;
    for (feature, order) in orders.iter().enumerate() {
        let mut left = [0.0; 2];
        for (position, pair) in order.windows(2).enumerate() {
            let slope = slopes[pair[0]];
            left = [left[0] + slope[0], left[1] + slope[1]];
            let (here, next) = (rows[pair[0]][feature], rows[pair[1]][feature]);
            if here == next || position + 1 < least || order.len() - position - 1 < least {
                continue;
            }
            let right = [total[0] - left[0], total[1] - left[1]];
            let found = gain(left) + gain(right);
            if best.as_ref().is_none_or(|(most, _)| found > *most) {
                let leaf = |s: [f64; 2]| RATE * s[0] / (s[1] + SHRINK);
                let stump = Stump {
                    feature,
                    threshold: 0.5 * (here + next),
                    leaves: [leaf(left), leaf(right)],
                };
                best = Some((found, stump));
            }
        }
    }
    best.map(|(_, stump)| stump)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Solves a symmetric positive system whose lower triangle is given, by Cholesky's method.
fn solve(mut a: Vec<f64>, mut b: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        for j in 0..=i {
            let mut sum = a[i * n + j];
            for k in 0..j {
                sum -= a[i * n + k] * a[j * n + k];
            }
            if i == j {
                if sum <= 0.0 || !sum.is_finite() {
                    return None;
                }
                a[i * n + i] = sum.sqrt();
            } else {
                a[i * n + j] = sum / a[j * n + j];
            }
        }
    }
    for i in 0..n {
        for k in 0..i {
            b[i] -= a[i * n + k] * b[k];
        }
        b[i] /= a[i * n + i];
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            b[i] -= a[k * n + i] * b[k];
        }
        b[i] /= a[i * n + i];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accuracy(rows: &[Vec<f64>], labels: &[bool]) -> f64 {
        let views: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let model = Separator::fit(&views, labels, &vec![1.0; rows.len()]).unwrap();
        let right = rows
            .iter()
            .zip(labels)
            .filter(|(row, label)| (model.score(row) > 0.0) == **label)
            .count();
        right as f64 / rows.len() as f64
    }

    #[test]
    fn trends_and_intervals_are_found() {
        let rows: Vec<Vec<f64>> = (0..200)
            .map(|i| vec![f64::from(i * 37 % 101), f64::from(i)])
            .collect();
        let trend: Vec<bool> = (0..200).map(|i| i >= 100).collect();
        assert!(accuracy(&rows, &trend) > 0.97);
        // Only an interval of the second feature is manipulated: a line cannot tell.
        let interval: Vec<bool> = (0..200).map(|i| (70..130).contains(&i)).collect();
        assert!(accuracy(&rows, &interval) > 0.95);
    }

    #[test]
    fn constant_features_and_empty_classes_are_no_trouble() {
        let rows = vec![vec![1.0, 2.0]; 20];
        let views: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let labels: Vec<bool> = (0..20).map(|i| i % 2 == 0).collect();
        let model = Separator::fit(&views, &labels, &[1.0; 20]).unwrap();
        assert!(model.score(&rows[0]).abs() < 1e-6);
        assert!(Separator::fit(&views, &[true; 20], &[1.0; 20]).is_none());
        assert!(Separator::fit(&[], &[], &[]).is_none());
    }
}
