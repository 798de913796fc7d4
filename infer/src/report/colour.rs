//! Colour maps whose steps look equal, so that a heat map shows its numbers and not its palette.
//!
//! Both are paths through OKLab (Ottosson, "A perceptual color space for image processing", 2020),
//! kept inside sRGB and walked at constant speed: equal differences in value are equal distances to
//! the eye. Lightness rises all the way in the first, so that it survives a grey print and colour
//! blindness.

use std::sync::LazyLock;

/// An sRGB colour.
pub(crate) type Rgb = [u8; 3];

/// Entries of a map.
const STEPS: usize = 256;

/// Points from which a path is measured.
const FINE: usize = 2048;

static HEAT: LazyLock<[Rgb; STEPS]> = LazyLock::new(|| walk(heat_path));
static BALANCE: LazyLock<[Rgb; STEPS]> = LazyLock::new(|| walk(balance_path));

/// Dark violet through red to yellow, for `value` from 0 to 1. The bright end keeps its colour, so that
/// it shows on a bright image too.
pub(crate) fn heat(value: f32) -> Rgb {
    HEAT[entry(value)]
}

/// Blue through grey to orange, for `value` from -1 to 1.
pub(crate) fn balance(value: f32) -> Rgb {
    BALANCE[entry(value.mul_add(0.5, 0.5))]
}

/// A map as a CSS gradient from left to right.
pub(crate) fn gradient(map: fn(f32) -> Rgb, from: f32) -> String {
    let stops: Vec<String> = (0..=16)
        .map(|step| {
            let share = step as f32 / 16.0;
            let [r, g, b] = map(from + share * (1.0 - from));
            format!("rgb({r} {g} {b})")
        })
        .collect();
    format!("linear-gradient(to right, {})", stops.join(", "))
}

fn entry(value: f32) -> usize {
    // What is no number converts to 0.
    (value.clamp(0.0, 1.0) * (STEPS - 1) as f32).round() as usize
}

/// Lightness, chroma and hue in degrees.
type Lch = [f64; 3];

fn heat_path(t: f64) -> Lch {
    [
        0.20 + 0.66 * t,
        0.07 + 0.15 * (0.8 * std::f64::consts::PI * t).sin(),
        285.0 + 173.0 * t,
    ]
}

fn balance_path(t: f64) -> Lch {
    let side = 2.0 * t - 1.0;
    let hue = if side < 0.0 { 252.0 } else { 48.0 };
    [0.92 - 0.42 * side.abs(), 0.16 * side.abs(), hue]
}

/// Walks a path at constant perceived speed.
fn walk(path: fn(f64) -> Lch) -> [Rgb; STEPS] {
    let points: Vec<[f64; 3]> = (0..FINE)
        .map(|index| inside(path(index as f64 / (FINE - 1) as f64)))
        .collect();
    let mut length = vec![0.0];
    for pair in points.windows(2) {
        let last = length[length.len() - 1];
        length.push(last + distance(pair[0], pair[1]));
    }
    let whole = length[FINE - 1];
    std::array::from_fn(|step| {
        let target = whole * step as f64 / (STEPS - 1) as f64;
        let index = length.partition_point(|&at| at < target).min(FINE - 1);
        to_srgb(points[index]).map(|channel| (channel.clamp(0.0, 1.0) * 255.0).round() as u8)
    })
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// The OKLab colour of a lightness and hue with as much of the chroma as sRGB holds.
fn inside([lightness, chroma, hue]: Lch) -> [f64; 3] {
    let (sin, cos) = hue.to_radians().sin_cos();
    let colour = |chroma: f64| [lightness, chroma * cos, chroma * sin];
    let fits = |chroma: f64| {
        to_srgb(colour(chroma))
            .iter()
            .all(|channel| (-1e-4..=1.0001).contains(channel))
    };
    if fits(chroma) {
        return colour(chroma);
    }
    let (mut low, mut high) = (0.0, chroma);
    for _ in 0..20 {
        let middle = (low + high) / 2.0;
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    colour(low)
}

/// OKLab to gamma-encoded sRGB, channels nominally in `[0, 1]`; the matrices are Ottosson's.
fn to_srgb([lightness, a, b]: [f64; 3]) -> [f64; 3] {
    let long = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let medium = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let short = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * long - 3.307_711_591_3 * medium + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * medium - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * medium + 1.707_614_701_0 * short,
    ]
    .map(|linear| {
        if linear <= 0.003_130_8 {
            12.92 * linear
        } else {
            1.055 * linear.powf(1.0 / 2.4) - 0.055
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sRGB to OKLab by the inverse matrices of the same publication.
    fn oklab(colour: Rgb) -> [f64; 3] {
        let [r, g, b] = colour.map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        [
            0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
        ]
    }

    #[test]
    fn steps_are_equal_and_lightness_only_rises() {
        // Every sixteenth entry: between neighbours the rounding to bytes dominates.
        let colours: Vec<[f64; 3]> = (0..=15)
            .map(|step| oklab(heat(step as f32 / 15.0)))
            .collect();
        let steps: Vec<f64> = colours
            .windows(2)
            .map(|pair| distance(pair[0], pair[1]))
            .collect();
        let mean = steps.iter().sum::<f64>() / steps.len() as f64;
        for step in &steps {
            assert!((step / mean - 1.0).abs() < 0.12, "{steps:?}");
        }
        assert!(colours.windows(2).all(|pair| pair[0][0] < pair[1][0]));
    }

    #[test]
    fn the_middle_of_the_balance_is_grey_and_its_ends_are_not() {
        let [r, g, b] = balance(0.0);
        assert!(r.abs_diff(g) < 6 && g.abs_diff(b) < 6);
        let (low, high) = (balance(-1.0), balance(1.0));
        assert!(low[2] > low[0] && high[0] > high[2]);
        let lightness = |colour| oklab(colour)[0];
        assert!((lightness(low) - lightness(high)).abs() < 0.02);
    }

    #[test]
    fn what_is_no_number_has_a_colour() {
        assert_eq!(heat(f32::NAN), heat(0.0));
        assert_eq!(heat(7.0), heat(1.0));
        assert!(gradient(heat, 0.0).starts_with("linear-gradient(to right, rgb("));
    }
}
