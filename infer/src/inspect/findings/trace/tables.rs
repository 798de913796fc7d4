//! Quantisation tables and sampling of a JPEG code stream (ISO 10918-1 B.2).

use super::super::jpeg::segments;

/// Where the coefficients of a DQT segment belong (ISO 10918-1 figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];
/// The example luminance table (ISO 10918-1 table K.1), row-major.
const LUMINANCE: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// Steps in row-major order.
pub(super) type Table = [u16; 64];

/// What the headers of a code stream say.
pub(super) struct Tables {
    pub(super) precision: u8,
    marker: u8,
    /// Sampling factors of the components.
    factors: Vec<u8>,
    /// The first component's table; none for lossless JPEG.
    pub(super) luma: Option<Table>,
}

/// Reads frame header and tables; `None` without a frame header, or for JPEG-LS.
pub(super) fn read(stream: &[u8]) -> Option<Tables> {
    let mut tables: [Option<Table>; 4] = [None; 4];
    let mut frame = None;
    for (marker, body) in segments(stream) {
        match marker {
            0xdb => quantisers(body, &mut tables),
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) && frame.is_none() => {
                let (&[precision, _, _, _, _, count], specs) = body.split_first_chunk::<6>()?;
                let specs = specs.as_chunks::<3>().0;
                (specs.len() == usize::from(count) && count > 0).then_some(())?;
                frame = Some((marker, precision, specs.to_vec()));
            }
            _ => {}
        }
    }
    let (marker, precision, specs) = frame?;
    let first = specs.first().map_or(0, |spec| usize::from(spec[2]));
    Some(Tables {
        precision,
        marker,
        factors: specs.iter().map(|spec| spec[1]).collect(),
        luma: tables.get(first).copied().flatten(),
    })
}

fn quantisers(mut body: &[u8], tables: &mut [Option<Table>; 4]) {
    while let Some((&head, rest)) = body.split_first() {
        let (wide, slot) = (head >> 4 != 0, usize::from(head & 15));
        let size = if wide { 128 } else { 64 };
        let (Some(values), Some(table)) = (rest.get(..size), tables.get_mut(slot)) else {
            return;
        };
        let mut steps = [0; 64];
        for (index, &place) in ZIGZAG.iter().enumerate() {
            steps[place] = match wide {
                true => u16::from_be_bytes([values[2 * index], values[2 * index + 1]]),
                false => values[index].into(),
            };
        }
        *table = Some(steps);
        body = &rest[size..];
    }
}

/// The IJG's table for a quality from 1 to 100 (libjpeg, `jpeg_quality_scaling`).
pub(super) fn ijg(quality: u16) -> Table {
    let scale = match quality.clamp(1, 100) {
        low @ ..50 => 5000 / u32::from(low),
        high => 200 - 2 * u32::from(high),
    };
    LUMINANCE.map(|step| ((u32::from(step) * scale + 50) / 100).clamp(1, 255) as u16)
}

/// The IJG quality whose table is nearest, and the mean difference to it.
pub(super) fn quality(table: &Table) -> (u16, f64) {
    let distance = |quality: u16| {
        let pairs = ijg(quality).into_iter().zip(table);
        let sum: u32 = pairs.map(|(a, &b)| u32::from(a.abs_diff(b))).sum();
        (quality, f64::from(sum) / 64.0)
    };
    let nearest = (1..=100).map(distance).min_by(|a, b| a.1.total_cmp(&b.1));
    nearest.unwrap_or((0, f64::INFINITY))
}

/// A word on a table that is not the IJG's.
pub(super) fn known(table: &Table, stream: &[u8]) -> &'static str {
    let first = table[1];
    if table[1..].iter().all(|&step| step == first) {
        return "with equal steps (flat)";
    }
    let adobe = segments(stream).any(|(marker, body)| marker == 0xee && body.starts_with(b"Adobe"));
    let photoshop =
        segments(stream).any(|(marker, body)| marker == 0xed && body.starts_with(b"Photoshop"));
    match (photoshop, adobe) {
        (true, _) => "of Photoshop (its resource block is there)",
        (_, true) => "of a program that writes Adobe's marker",
        _ => "of a device or program's own",
    }
}

impl Tables {
    pub(super) fn process(&self) -> &'static str {
        match self.marker {
            0xc0 => "baseline",
            0xc1 => "extended",
            0xc2 => "progressive",
            0xc3 => "lossless",
            _ => "rarely used",
        }
    }

    /// Chroma subsampling in the usual notation.
    pub(super) fn sampling(&self) -> Option<&'static str> {
        let [luma, chroma, other] = self.factors[..] else {
            return None;
        };
        Some(match (luma, chroma == other, chroma) {
            (0x11, true, 0x11) | (0x22, true, 0x22) => "4:4:4",
            (0x21, true, 0x11) => "4:2:2",
            (0x22, true, 0x11) => "4:2:0",
            (0x12, true, 0x11) => "4:4:0",
            (0x41, true, 0x11) => "4:1:1",
            _ => "in an unusual ratio",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_are_found_again() {
        for asked in [1, 10, 49, 50, 75, 90, 98] {
            let (found, distance) = quality(&ijg(asked));
            assert_eq!((ijg(found), distance), (ijg(asked), 0.0));
        }
        assert_eq!(ijg(50)[0], 16);
        assert_eq!(known(&[16; 64], b""), "with equal steps (flat)");
    }
}
