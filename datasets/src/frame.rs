//! One decoded frame and its grey values on screen.

/// VOI LUT functions, PS3.3 C.11.2.1.2 and C.11.2.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoiFunction {
    /// `LINEAR`: the half-pixel definition, the default.
    Linear,
    /// `LINEAR_EXACT`: the mathematical definition.
    LinearExact,
    /// `SIGMOID`.
    Sigmoid,
}

/// Which modality values are of interest and how they map to grey.
#[derive(Debug, Clone, PartialEq)]
pub enum Voi {
    /// A window, PS3.3 C.11.2.1.2.
    Window {
        /// Window Center (0028,1050).
        center: f64,
        /// Window Width (0028,1051).
        width: f64,
        /// VOI LUT Function (0028,1056).
        function: VoiFunction,
    },
    /// A table, PS3.3 C.11.2.1.1.
    Lut {
        /// The modality value that maps to the first entry.
        first: i32,
        /// Significant bits of an entry.
        bits: u16,
        /// The entries.
        data: Vec<u16>,
    },
    /// Black at `low`, white at `high`: the stored range of 8-bit images, or the 0.5 and 99.5
    /// percentiles of deeper ones that name no window.
    Range {
        /// The value shown black.
        low: f32,
        /// The value shown white.
        high: f32,
    },
}

/// How modality values become presentation values.
#[derive(Debug, Clone, PartialEq)]
pub struct Display {
    /// Whether the lowest value is white, as in MONOCHROME1.
    pub inverted: bool,
    /// The values of interest.
    pub voi: Voi,
}

impl Display {
    /// The grey level in `[0, 1]` of one modality value; 0 is black on screen.
    ///
    /// A value that is not a number is black.
    #[must_use]
    pub fn gray(&self, value: f32) -> f32 {
        let level = match &self.voi {
            Voi::Window {
                center,
                width,
                function,
            } => window(f64::from(value), *center, *width, *function) as f32,
            Voi::Lut { first, bits, data } => {
                // Values outside the table take its ends (PS3.3 C.11.2.1.1).
                let index = (f64::from(value).round() - f64::from(*first)).max(0.0) as usize;
                let top = f32::from(u16::MAX >> 16_u16.saturating_sub(*bits).min(15));
                data.get(index)
                    .or(data.last())
                    .map_or(0.0, |&entry| f32::from(entry) / top)
            }
            Voi::Range { low, high } if high > low => (value - low) / (high - low),
            Voi::Range { low, .. } => f32::from(u8::from(value > *low)),
        };
        self.shown(level)
    }

    /// [`Self::gray`] of many values.
    fn grays(&self, values: impl Iterator<Item = f32>) -> Vec<f32> {
        // What most images have gets a loop of its own, in which nothing is decided anew for every pixel.
        match self.voi {
            Voi::Window {
                center,
                width,
                function: function @ (VoiFunction::Linear | VoiFunction::LinearExact),
            } => values
                .map(|v| self.shown(window(f64::from(v), center, width, function) as f32))
                .collect(),
            Voi::Range { low, high } if high > low => values
                .map(|v| self.shown((v - low) / (high - low)))
                .collect(),
            _ => values.map(|v| self.gray(v)).collect(),
        }
    }

    /// A level within bounds, black for what is no number, inverted where the lowest value is white.
    #[expect(clippy::manual_clamp, reason = "clamp would keep what is no number")]
    fn shown(&self, level: f32) -> f32 {
        let level = level.max(0.0).min(1.0);
        if self.inverted { 1.0 - level } else { level }
    }
}

/// PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2 with an output range of `[0, 1]`.
fn window(x: f64, center: f64, width: f64, function: VoiFunction) -> f64 {
    let (center, width) = match function {
        VoiFunction::Linear => (center - 0.5, width - 1.0),
        VoiFunction::LinearExact | VoiFunction::Sigmoid => (center, width),
    };
    if function == VoiFunction::Sigmoid {
        return 1.0 / (1.0 + (-4.0 * (x - center) / width).exp());
    }
    if x <= center - width / 2.0 {
        0.0
    } else if x > center + width / 2.0 {
        1.0
    } else {
        (x - center) / width + 0.5
    }
}

/// One decoded frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Height in pixels.
    pub rows: u32,
    /// Width in pixels.
    pub columns: u32,
    /// 1, or 3 for interleaved red, green, blue.
    pub channels: u8,
    /// Modality values, row-major, `rows * columns * channels` of them. Grey: stored values through
    /// modality LUT or rescale (Hounsfield units in CT). Colour: `0..=2^bits - 1`. Always finite.
    pub values: Vec<f32>,
    /// How the values are meant to be shown.
    pub display: Display,
    /// What was done to this frame beyond [`crate::ImageInfo::notes`], in words.
    pub notes: Vec<String>,
}

impl Frame {
    /// The frame as shown on screen: grey in `[0, 1]`, 0 = black. Colour becomes luma (ITU-R BT.601).
    #[must_use]
    pub fn to_gray(&self) -> GrayImage {
        let pixels = if self.channels == 3 {
            let luma = |p: &[f32]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            self.display.grays(self.values.chunks_exact(3).map(luma))
        } else {
            self.display.grays(self.values.iter().copied())
        };
        GrayImage {
            rows: self.rows as usize,
            columns: self.columns as usize,
            pixels,
        }
    }

    /// The largest difference between the channels of a pixel as a share of the display range, in
    /// `[0, 1]`. Tells colour images (ultrasound Doppler, photographs) from grey ones stored as RGB.
    /// 0 for grey frames.
    #[must_use]
    pub fn chroma(&self) -> f32 {
        let Voi::Range { low, high } = self.display.voi else {
            return 0.0;
        };
        if self.channels != 3 || high <= low {
            return 0.0;
        }
        let spread = |p: &[f32]| p[0].max(p[1]).max(p[2]) - p[0].min(p[1]).min(p[2]);
        let largest = self.values.chunks_exact(3).map(spread).fold(0.0, f32::max);
        (largest / (high - low)).clamp(0.0, 1.0)
    }
}

/// A grey picture as a person sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct GrayImage {
    /// Height in pixels.
    pub rows: usize,
    /// Width in pixels.
    pub columns: usize,
    /// Row-major, `rows * columns` levels in `[0, 1]`, 0 = black.
    pub pixels: Vec<f32>,
}

/// The 0.5 and 99.5 percentiles, or the extremes where those coincide.
///
/// Frames above four million pixels are sampled at a regular stride.
pub(crate) fn robust_range(values: &[f32]) -> (f32, f32) {
    const SAMPLES: usize = 4_000_000;
    let stride = values.len().div_ceil(SAMPLES).max(1);
    let mut sample: Vec<f32> = values
        .iter()
        .step_by(stride)
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    if sample.is_empty() {
        return (0.0, 1.0);
    }
    let last = sample.len() - 1;
    let mut at = |share: f64| {
        let index = (share * last as f64).round() as usize;
        *sample.select_nth_unstable_by(index, f32::total_cmp).1
    };
    let (low, high) = (at(0.005), at(0.995));
    if low < high {
        (low, high)
    } else {
        (at(0.0), at(1.0))
    }
}

/// Replaces what is not finite by the smallest finite value and says so in `notes`.
pub(crate) fn make_finite(values: &mut [f32], notes: &mut Vec<String>) {
    let bad = values.iter().filter(|v| !v.is_finite()).count();
    if bad == 0 {
        return;
    }
    let floor = values
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .fold(f32::INFINITY, f32::min);
    let floor = if floor.is_finite() { floor } else { 0.0 };
    for value in values.iter_mut().filter(|v| !v.is_finite()) {
        *value = floor;
    }
    notes.push(format!("{bad} non-finite values replaced by {floor}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(voi: Voi, value: f32) -> f32 {
        Display {
            inverted: false,
            voi,
        }
        .gray(value)
    }

    #[test]
    fn linear_window_follows_the_half_pixel_definition() {
        // PS3.3 C.11.2.1.2.1, note: c = 2048, w = 4096 maps 0..4095 to the full range.
        let voi = Voi::Window {
            center: 2048.0,
            width: 4096.0,
            function: VoiFunction::Linear,
        };
        assert_eq!(show(voi.clone(), 0.0), 0.0);
        assert_eq!(show(voi.clone(), 4095.0), 1.0);
        assert!((show(voi, 2047.5) - 0.5).abs() < 1e-6);
        // c = 0, w = 1: negative is black, the rest white.
        let voi = Voi::Window {
            center: 0.0,
            width: 1.0,
            function: VoiFunction::Linear,
        };
        assert_eq!(show(voi.clone(), -1.0), 0.0);
        assert_eq!(show(voi, 0.0), 1.0);
    }

    #[test]
    fn exact_and_sigmoid_windows() {
        let exact = Voi::Window {
            center: 10.0,
            width: 4.0,
            function: VoiFunction::LinearExact,
        };
        assert_eq!(show(exact.clone(), 8.0), 0.0);
        assert_eq!(show(exact.clone(), 12.0), 1.0);
        assert_eq!(show(exact, 10.0), 0.5);
        let sigmoid = Voi::Window {
            center: 10.0,
            width: 4.0,
            function: VoiFunction::Sigmoid,
        };
        assert_eq!(show(sigmoid.clone(), 10.0), 0.5);
        assert!((show(sigmoid, 12.0) - 0.880_797).abs() < 1e-5);
    }

    #[test]
    fn tables_clamp_at_their_ends() {
        let voi = Voi::Lut {
            first: -2,
            bits: 8,
            data: vec![0, 51, 255],
        };
        assert_eq!(show(voi.clone(), -100.0), 0.0);
        assert_eq!(show(voi.clone(), -1.0), 0.2);
        assert_eq!(show(voi.clone(), 100.0), 1.0);
        assert_eq!(show(voi, f32::NAN), 0.0);
    }

    #[test]
    fn inversion_range_and_constant_images() {
        let display = Display {
            inverted: true,
            voi: Voi::Range {
                low: 0.0,
                high: 4.0,
            },
        };
        assert_eq!(display.gray(1.0), 0.75);
        assert_eq!(
            show(
                Voi::Range {
                    low: 3.0,
                    high: 3.0
                },
                3.0
            ),
            0.0
        );
        assert_eq!(robust_range(&[7.0; 10]), (7.0, 7.0));
        let ramp: Vec<f32> = (0..=1000).map(|v| v as f32).collect();
        assert_eq!(robust_range(&ramp), (5.0, 995.0));
    }

    #[test]
    fn non_finite_values_take_the_smallest_finite_one() {
        let mut values = [3.0, f32::NAN, f32::INFINITY, -2.0];
        let mut notes = Vec::new();
        make_finite(&mut values, &mut notes);
        assert_eq!(values, [3.0, -2.0, -2.0, -2.0]);
        assert_eq!(notes, ["2 non-finite values replaced by -2"]);
    }

    #[test]
    fn chroma_is_the_largest_channel_difference() {
        let mut frame = Frame {
            rows: 1,
            columns: 2,
            channels: 3,
            values: vec![10.0, 10.0, 10.0, 0.0, 51.0, 0.0],
            display: Display {
                inverted: false,
                voi: Voi::Range {
                    low: 0.0,
                    high: 255.0,
                },
            },
            notes: Vec::new(),
        };
        assert_eq!(frame.chroma(), 0.2);
        frame.values[4] = 0.0;
        assert_eq!(frame.chroma(), 0.0);
    }
}
