//! The grey levels an image uses.
//!
//! A forged pixel must lie on the levels of its neighbours: eight-bit images have 256, a windowed CT
//! a few hundred, a stretched one gaps. A value between them would give every forgery away.

const CODES: usize = 65_536;

/// Rounds to the levels of an image.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    /// For every sixteen-bit code the nearest level in use; `None`: the image has too many to tell.
    nearest: Option<Vec<f32>>,
}

impl Levels {
    /// The levels of `pixels` in `[0, 1]`.
    pub(super) fn of(pixels: &[f32]) -> Self {
        let mut present: Vec<f32> = vec![f32::NAN; CODES];
        let mut count = 0;
        for &value in pixels {
            let slot = &mut present[code(value)];
            if slot.is_nan() {
                count += 1;
                *slot = value;
            }
        }
        // Fewer than eight pixels a level: what was resampled in floating point has no levels.
        if count * 8 > pixels.len() {
            return Self { nearest: None };
        }
        let used: Vec<usize> = (0..CODES).filter(|&c| !present[c].is_nan()).collect();
        let mut at = 0;
        let nearest = (0..CODES)
            .map(|code| {
                while at + 1 < used.len() && used[at + 1].abs_diff(code) <= used[at].abs_diff(code)
                {
                    at += 1;
                }
                used.get(at).map_or(0.0, |&level| present[level])
            })
            .collect();
        Self {
            nearest: Some(nearest),
        }
    }

    /// The nearest level, or the value on sixteen bits where the image has none.
    pub(super) fn snap(&self, value: f32) -> f32 {
        match &self.nearest {
            Some(nearest) => nearest[code(value)],
            None => code(value) as f32 / (CODES - 1) as f32,
        }
    }
}

fn code(value: f32) -> usize {
    // The cast takes not-a-number to zero.
    (value.clamp(0.0, 1.0) * (CODES - 1) as f32).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapping_gives_only_levels_that_occur() {
        let pixels: Vec<f32> = (0..4096).map(|i| (i % 100 * 2) as f32 / 255.0).collect();
        let levels = Levels::of(&pixels);
        for i in 0..1000 {
            let value = i as f32 / 999.0;
            let snapped = levels.snap(value);
            assert!(pixels.contains(&snapped));
            assert!((snapped - value).abs() <= 1.01 / 255.0 || value > 198.0 / 255.0);
        }
        for value in pixels {
            assert_eq!(levels.snap(value), value);
        }
    }

    #[test]
    fn many_levels_mean_sixteen_bits() {
        let pixels: Vec<f32> = (0..4096).map(|i| i as f32 / 4095.0).collect();
        let snapped = Levels::of(&pixels).snap(0.123_456);
        assert!((snapped - 0.123_456).abs() < 1e-5);
    }
}
