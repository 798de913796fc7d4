//! Luminance and chrominance to red, green and blue (PS3.3 C.7.6.3.1.2).

use super::Samples;

/// `YBR_FULL` to RGB, in place, for samples of `precision` bits.
pub(in crate::open) fn ybr_full_to_rgb(samples: &mut Samples, precision: u8) {
    let top = f32::from(u16::MAX >> 16_u8.saturating_sub(precision.max(1)));
    let middle = ((top + 1.0) / 2.0).floor();
    let convert = |[y, cb, cr]: [f32; 3]| {
        let (cb, cr) = (cb - middle, cr - middle);
        let green = y - 0.114 * 1.772 / 0.587 * cb - 0.299 * 1.402 / 0.587 * cr;
        [y + 1.402 * cr, green, y + 1.772 * cb].map(|v| (v + 0.5).floor().clamp(0.0, top))
    };
    match samples {
        Samples::U8(v) => {
            for pixel in v.as_chunks_mut::<3>().0 {
                *pixel = convert(pixel.map(f32::from)).map(|v| v as u8);
            }
        }
        Samples::U16(v) => {
            for pixel in v.as_chunks_mut::<3>().0 {
                *pixel = convert(pixel.map(f32::from)).map(|v| v as u16);
            }
        }
        Samples::U32(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries() {
        let mut samples = Samples::U8(vec![255, 128, 128, 76, 85, 255, 0, 128, 128]);
        ybr_full_to_rgb(&mut samples, 8);
        assert_eq!(
            samples,
            Samples::U8(vec![255, 255, 255, 254, 0, 0, 0, 0, 0])
        );
    }
}
