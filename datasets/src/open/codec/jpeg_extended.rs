//! Sequential DCT at 12 bits per sample: JPEG Extended, process 4 (ITU-T T.81).
//!
//! Common decoders stop at 8 bits. This one is plain rather than fast: 12-bit JPEG is rare outside
//! archives of the 1990s.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use super::huffman::{Bits, Table};
use super::jpeg::Segments;
use super::{CodecError, Decoded, Samples};

/// Order in which coefficients are stored (T.81 figure A.6).
const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

#[derive(Debug, Default)]
struct Component {
    id: u8,
    h: usize,
    v: usize,
    quantiser: usize,
    /// Samples per line of `plane`: whole blocks, padded to the interleaved units.
    stride: usize,
    lines: usize,
    plane: Vec<u16>,
    dc: usize,
    ac: usize,
    predictor: i32,
}

#[derive(Default)]
struct Picture {
    rows: usize,
    columns: usize,
    precision: u8,
    h_max: usize,
    v_max: usize,
    components: Vec<Component>,
    quantisers: [Option<[f32; 64]>; 4],
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart: usize,
}

pub(super) fn decode(data: &[u8]) -> Result<Decoded, CodecError> {
    let mut picture = Picture::default();
    let mut segments = Segments::new(data);
    let mut scans = 0;
    while let Some((marker, body)) = segments.next() {
        match marker {
            0xc0 | 0xc1 => picture.frame(body)?,
            0xc4 => picture.huffman(body)?,
            0xdb => picture.quantiser(body)?,
            0xdd => {
                picture.restart = body
                    .first_chunk()
                    .map_or(0, |&b| u16::from_be_bytes(b).into());
            }
            0xda => {
                let selected = picture.select(body)?;
                let mut bits = Bits::new(data, segments.at);
                picture.scan(&mut bits, &selected)?;
                segments = Segments::from(data, bits.at);
                scans += selected.len();
            }
            0xd9 => break,
            _ => {}
        }
    }
    if picture.components.is_empty() || scans < picture.components.len() {
        return Err(CodecError::corrupt("JPEG without all of its scans"));
    }
    Ok(picture.assemble())
}

impl Picture {
    fn frame(&mut self, body: &[u8]) -> Result<(), CodecError> {
        let &[precision, r1, r0, c1, c0, count, ref rest @ ..] = body else {
            return Err(CodecError::corrupt("short JPEG frame header"));
        };
        if !self.components.is_empty() {
            return Err(CodecError::corrupt("two JPEG frame headers"));
        }
        self.precision = precision;
        self.rows = u16::from_be_bytes([r1, r0]).into();
        self.columns = u16::from_be_bytes([c1, c0]).into();
        let (specs, _) = rest.as_chunks::<3>();
        let usable = |&[_, hv, tq]: &[u8; 3]| {
            (1..=4).contains(&(hv >> 4)) && (1..=4).contains(&(hv & 15)) && tq < 4
        };
        if self.rows * self.columns == 0
            || ![1, 3].contains(&count)
            || specs.len() != count.into()
            || !specs.iter().all(usable)
        {
            return Err(CodecError::unsupported(format!(
                "JPEG of {count} components"
            )));
        }
        let factor = |hv: u8| (usize::from(hv >> 4), usize::from(hv & 15));
        // The sampling of a lone component has no meaning (T.81 A.2.2).
        let factor = |hv: u8| if count == 1 { (1, 1) } else { factor(hv) };
        self.h_max = specs.iter().map(|s| factor(s[1]).0).max().unwrap_or(1);
        self.v_max = specs.iter().map(|s| factor(s[1]).1).max().unwrap_or(1);
        for &[id, hv, tq] in specs {
            let (h, v) = factor(hv);
            let stride = self.columns.div_ceil(8 * self.h_max) * h * 8;
            let lines = self.rows.div_ceil(8 * self.v_max) * v * 8;
            let plane = vec![0; stride * lines];
            let quantiser = tq.into();
            self.components.push(Component {
                id,
                h,
                v,
                quantiser,
                stride,
                lines,
                plane,
                ..Component::default()
            });
        }
        Ok(())
    }

    fn huffman(&mut self, mut body: &[u8]) -> Result<(), CodecError> {
        let short = || CodecError::corrupt("short Huffman table");
        while let Some((&target, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
            let total = counts.iter().map(|&c| usize::from(c)).sum();
            let (values, rest) = rest.split_at_checked(total).ok_or_else(short)?;
            let tables = if target >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            *tables.get_mut(usize::from(target & 15)).ok_or_else(short)? =
                Some(Table::new(counts, values)?);
            body = rest;
        }
        Ok(())
    }

    fn quantiser(&mut self, mut body: &[u8]) -> Result<(), CodecError> {
        let short = || CodecError::corrupt("short quantisation table");
        while let Some((&target, rest)) = body.split_first() {
            let bytes = if target >> 4 == 0 { 1 } else { 2 };
            let (steps, rest) = rest.split_at_checked(64 * bytes).ok_or_else(short)?;
            let mut table = [0.0; 64];
            for (&at, step) in ZIGZAG.iter().zip(steps.chunks_exact(bytes)) {
                table[usize::from(at)] = step.iter().fold(0.0, |v, &b| v * 256.0 + f32::from(b));
            }
            *self
                .quantisers
                .get_mut(usize::from(target & 15))
                .ok_or_else(short)? = Some(table);
            body = rest;
        }
        Ok(())
    }

    /// Reads a scan header; returns the indices of its components.
    fn select(&mut self, body: &[u8]) -> Result<Vec<usize>, CodecError> {
        let bad = || CodecError::corrupt("JPEG scan header does not fit its frame");
        let (&count, rest) = body.split_first().ok_or_else(bad)?;
        let mut selected = Vec::new();
        for &[id, tables] in rest.as_chunks::<2>().0.iter().take(count.into()) {
            let index = self
                .components
                .iter()
                .position(|c| c.id == id)
                .ok_or_else(bad)?;
            let component = &mut self.components[index];
            (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            component.predictor = 0;
            if selected.contains(&index) {
                return Err(bad());
            }
            selected.push(index);
        }
        if selected.is_empty() {
            Err(bad())
        } else {
            Ok(selected)
        }
    }

    fn scan(&mut self, bits: &mut Bits<'_>, selected: &[usize]) -> Result<(), CodecError> {
        let basis = basis();
        let alone = selected.len() == 1;
        let (units_x, units_y) = if alone {
            // A lone component is scanned block by block over its own size (T.81 A.2.2).
            let c = &self.components[selected[0]];
            let size =
                |full: usize, factor: usize, max: usize| (full * factor).div_ceil(max).div_ceil(8);
            (
                size(self.columns, c.h, self.h_max),
                size(self.rows, c.v, self.v_max),
            )
        } else {
            (
                self.columns.div_ceil(8 * self.h_max),
                self.rows.div_ceil(8 * self.v_max),
            )
        };
        for unit in 0..units_x * units_y {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                bits.restart()?;
                for &index in selected {
                    self.components[index].predictor = 0;
                }
            }
            let (x, y) = (unit % units_x, unit / units_x);
            for &index in selected {
                let (h, v) = if alone {
                    (1, 1)
                } else {
                    (self.components[index].h, self.components[index].v)
                };
                for block in 0..h * v {
                    let coefficients = self.block(bits, index)?;
                    self.store(
                        index,
                        x * h + block % h,
                        y * v + block / h,
                        &coefficients,
                        &basis,
                    );
                }
            }
        }
        Ok(())
    }

    /// Decodes and dequantises one block (T.81 F.2.2).
    fn block(&mut self, bits: &mut Bits<'_>, index: usize) -> Result<[f32; 64], CodecError> {
        let missing = || CodecError::corrupt("JPEG table missing");
        let component = &mut self.components[index];
        let dc = self
            .dc
            .get(component.dc)
            .and_then(Option::as_ref)
            .ok_or_else(missing)?;
        let ac = self
            .ac
            .get(component.ac)
            .and_then(Option::as_ref)
            .ok_or_else(missing)?;
        let steps = self.quantisers[component.quantiser]
            .as_ref()
            .ok_or_else(missing)?;
        let size = bits.symbol(dc)?;
        if size > 16 {
            return Err(CodecError::corrupt("JPEG difference of more than 16 bits"));
        }
        component.predictor = component.predictor.wrapping_add(bits.signed(size.into())?);
        let mut block = [0.0; 64];
        block[0] = component.predictor as f32 * steps[0];
        let mut at = 1;
        while at < 64 {
            let symbol = bits.symbol(ac)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    break;
                }
                at += 16;
                continue;
            }
            at += run;
            let value = bits.signed(size)?;
            let place = usize::from(
                *ZIGZAG
                    .get(at)
                    .ok_or_else(|| CodecError::corrupt("JPEG block overflows"))?,
            );
            block[place] = value as f32 * steps[place];
            at += 1;
        }
        Ok(block)
    }

    /// Inverse cosine transform of one block into its component's plane.
    fn store(
        &mut self,
        index: usize,
        x: usize,
        y: usize,
        block: &[f32; 64],
        basis: &[[f32; 8]; 8],
    ) {
        let mut half = [0.0; 64];
        for (row, out) in block.chunks_exact(8).zip(half.chunks_exact_mut(8)) {
            for (cosines, out) in basis.iter().zip(out) {
                *out = row.iter().zip(cosines).map(|(a, b)| a * b).sum();
            }
        }
        let top = f32::from(u16::MAX >> 16_u8.saturating_sub(self.precision));
        let shift = ((top + 1.0) / 2.0).floor();
        let component = &mut self.components[index];
        if (y + 1) * 8 > component.lines || (x + 1) * 8 > component.stride {
            return;
        }
        for (j, cosines) in basis.iter().enumerate() {
            let line = (y * 8 + j) * component.stride + x * 8;
            for (i, out) in component.plane[line..line + 8].iter_mut().enumerate() {
                let value: f32 = cosines
                    .iter()
                    .enumerate()
                    .map(|(v, c)| c * half[v * 8 + i])
                    .sum();
                *out = (value + shift).round().clamp(0.0, top) as u16;
            }
        }
    }

    /// Interleaves the planes, interpolating subsampled chrominance.
    fn assemble(self) -> Decoded {
        let (rows, columns) = (self.rows, self.columns);
        let count = self.components.len();
        let mut samples = vec![0; rows * columns * count];
        for (index, c) in self.components.iter().enumerate() {
            if (c.h, c.v) == (self.h_max, self.v_max) {
                for (y, line) in samples.chunks_exact_mut(columns * count).enumerate() {
                    let plane = &c.plane[y * c.stride..];
                    line.iter_mut()
                        .skip(index)
                        .step_by(count)
                        .zip(plane)
                        .for_each(|(out, v)| *out = *v);
                }
                continue;
            }
            let (down, across) = (taps(rows, c.v, self.v_max), taps(columns, c.h, self.h_max));
            for (line, &(top, bottom, v)) in samples.chunks_exact_mut(columns * count).zip(&down) {
                let at = |y: usize, x: usize| f32::from(c.plane[y * c.stride + x]);
                for (out, &(left, right, h)) in
                    line.iter_mut().skip(index).step_by(count).zip(&across)
                {
                    let upper = at(top, left) * (1.0 - h) + at(top, right) * h;
                    let lower = at(bottom, left) * (1.0 - h) + at(bottom, right) * h;
                    *out = (upper * (1.0 - v) + lower * v + 0.5) as u16;
                }
            }
        }
        Decoded {
            rows: rows as u32,
            columns: columns as u32,
            channels: count as u8,
            precision: self.precision,
            samples: Samples::narrow(samples, self.precision),
        }
    }
}

/// For each of `size` full-resolution positions the two samples of a component that surround it and
/// the weight of the second, samples being centred in the area that they cover (T.81 A.1.1).
fn taps(size: usize, factor: usize, max: usize) -> Vec<(usize, usize, f32)> {
    let last = (size * factor).div_ceil(max) - 1;
    (0..size)
        .map(|at| {
            let place = (at as f32 + 0.5) * factor as f32 / max as f32 - 0.5;
            let place = place.clamp(0.0, last as f32);
            let first = place as usize;
            (first, (first + 1).min(last), place.fract())
        })
        .collect()
}

/// `basis[x][u]` = C(u)/2 cos((2x + 1) u pi / 16), T.81 A.3.3.
fn basis() -> [[f32; 8]; 8] {
    std::array::from_fn(|x| {
        std::array::from_fn(|u| {
            let scale = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 };
            scale / 2.0 * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos()
        })
    })
}
