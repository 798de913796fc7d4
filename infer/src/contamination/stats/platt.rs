//! Calibration as training does it, to repeat it in the bootstrap.

/// Pull towards the identity, as in training: keeps separable classes finite.
const RIDGE: f64 = 1e-3;

/// Slope and offset of `sigmoid(slope · x + offset)` by Newton's method on the likelihood with both
/// classes weighing the same (Platt, 1999). The slope stays positive.
pub(crate) fn platt(authentic: &[f64], manipulated: &[f64]) -> [f64; 2] {
    let (mut slope, mut offset) = (1.0_f64, 0.0_f64);
    for _ in 0..50 {
        let mut gradient = [RIDGE * (slope - 1.0), RIDGE * offset];
        let mut curve = [RIDGE, 0.0, RIDGE];
        for (values, label) in [(authentic, 0.0), (manipulated, 1.0)] {
            let weight = 0.5 / values.len().max(1) as f64;
            for x in values {
                let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
                let (error, bend) = (weight * (p - label), weight * (p * (1.0 - p)).max(1e-9));
                gradient[0] += error * x;
                gradient[1] += error;
                curve[0] += bend * x * x;
                curve[1] += bend * x;
                curve[2] += bend;
            }
        }
        let determinant = (curve[0] * curve[2] - curve[1] * curve[1]).max(1e-12);
        let step = [
            (curve[2] * gradient[0] - curve[1] * gradient[1]) / determinant,
            (curve[0] * gradient[1] - curve[1] * gradient[0]) / determinant,
        ];
        // Damped: the first steps of a separable pair of samples overshoot.
        slope = (slope - step[0].clamp(-0.5, 0.5)).max(1e-2);
        offset -= step[1].clamp(-2.0, 2.0);
        if step[0].abs() + step[1].abs() < 1e-6 {
            break;
        }
    }
    [slope, offset]
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

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
