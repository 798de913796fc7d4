//! Temperature and bias by maximum likelihood (Platt, 1999).

/// Slope and offset of `sigmoid(slope * z + offset)` by Newton's method on the balanced,
/// slightly regularised likelihood. The slope is kept positive: a detector that ranks the wrong
/// way round must not be turned into a good one by its calibration.
#[must_use]
pub fn platt(authentic: &[f64], manipulated: &[f64]) -> [f64; 2] {
    const RIDGE: f64 = 1e-3;
    let classes = [(authentic, 0.0), (manipulated, 1.0)];
    let (mut slope, mut offset) = (1.0f64, 0.0f64);
    for _ in 0..100 {
        let (mut g, mut h) = ([RIDGE * (slope - 1.0), RIDGE * offset], [RIDGE, 0.0, RIDGE]);
        for (logits, label) in classes {
            let weight = 0.5 / logits.len().max(1) as f64;
            for z in logits {
                let p = 1.0 / (1.0 + (-(slope * z + offset)).exp());
                let (error, curve) = (weight * (p - label), weight * (p * (1.0 - p)).max(1e-9));
                g[0] += error * z;
                g[1] += error;
                h[0] += curve * z * z;
                h[1] += curve * z;
                h[2] += curve;
            }
        }
        let determinant = (h[0] * h[2] - h[1] * h[1]).max(1e-12);
        let step = [
            (h[2] * g[0] - h[1] * g[1]) / determinant,
            (h[0] * g[1] - h[1] * g[0]) / determinant,
        ];
        // Damping keeps the first steps of a saturated detector from overshooting.
        slope = (slope - step[0].clamp(-0.5, 0.5)).max(1e-2);
        offset -= step[1].clamp(-2.0, 2.0);
        if step[0].abs() + step[1].abs() < 1e-9 {
            break;
        }
    }
    [slope, offset]
}
