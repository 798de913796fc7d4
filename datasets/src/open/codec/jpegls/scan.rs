//! One JPEG-LS scan: context modelling, run mode and Golomb codes (T.87 Annex A).

use super::super::CodecError;
use super::bits::Bits;

/// How the components of a scan take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interleave {
    None,
    Line,
    Sample,
}

/// Constants of a scan (T.87 A.2 and C.2.4.1.1).
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    near: i32,
    max: i32,
    range: i32,
    /// Bits of a quantised error.
    error_bits: u32,
    limit: u32,
    thresholds: [i32; 3],
    reset: i32,
}

impl Parameters {
    /// `preset` holds MAXVAL, T1, T2, T3 and RESET; 0 stands for the default.
    pub(super) fn new(precision: u8, near: i32, preset: [u16; 5]) -> Option<Self> {
        let full = (1_i32 << precision) - 1;
        let [max, t1, t2, t3, reset] = preset.map(i32::from);
        let max = if max == 0 { full } else { max };
        if max > full || near > 255.min(max / 2) {
            return None;
        }
        let clamp = |value: i32, low: i32| {
            if value > max || value < low {
                low
            } else {
                value
            }
        };
        let (d1, d2, d3) = if max >= 128 {
            let factor = (max.min(4095) + 128) / 256;
            (
                factor + 2 + 3 * near,
                factor * 4 + 3 + 5 * near,
                factor * 17 + 4 + 7 * near,
            )
        } else {
            let factor = 256 / (max + 1);
            let part = |least: i32, base: i32, times: i32| least.max(base / factor + times * near);
            (part(2, 3, 3), part(3, 7, 5), part(4, 21, 7))
        };
        let or = |value: i32, default: i32| if value == 0 { default } else { value };
        let t1 = or(t1, clamp(d1, near + 1));
        let t2 = or(t2, clamp(d2, t1));
        let t3 = or(t3, clamp(d3, t2));
        let reset = or(reset, 64);
        if !(near < t1 && t1 <= t2 && t2 <= t3 && t3 <= max && reset >= 3) {
            return None;
        }
        let range = (max + 2 * near) / (2 * near + 1) + 1;
        let bits = |values: i32| 32 - (values - 1).leading_zeros();
        let bpp = bits(max + 1).max(2);
        let limit = 2 * (bpp + bpp.max(8));
        Some(Self {
            near,
            max,
            range,
            error_bits: bits(range),
            limit,
            thresholds: [t1, t2, t3],
            reset,
        })
    }

    /// Region of a local gradient, -4 to 4 (A.3.3).
    fn quantise(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.thresholds;
        let region = match gradient.abs() {
            size if size <= self.near => 0,
            size if size < t1 => 1,
            size if size < t2 => 2,
            size if size < t3 => 3,
            _ => 4,
        };
        region * gradient.signum()
    }

    /// Adds an error to a prediction, modulo the range (A.4.4 and A.4.5 in reverse).
    fn reconstruct(&self, prediction: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = prediction + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.max + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.max)
    }
}

/// Adaptive state of one context (A.6).
#[derive(Debug, Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
    /// Count of negative errors, in the run contexts only.
    negative: i32,
}

/// Order of Golomb codes for runs (A.2.1).
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];
/// The first of the two run contexts.
const RUN: usize = 365;

struct Scan<'a> {
    p: &'a Parameters,
    bits: Bits<'a>,
    contexts: Vec<Context>,
}

/// The samples around the current one (figure 3 of T.87): left, above, above left, above right.
#[derive(Clone, Copy)]
struct Around {
    a: i32,
    b: i32,
    c: i32,
    d: i32,
}

/// Decodes a scan of `count` components into one plane each.
pub(super) fn decode(
    data: &[u8],
    p: &Parameters,
    rows: usize,
    columns: usize,
    count: usize,
    interleave: Interleave,
) -> Result<Vec<Vec<u16>>, CodecError> {
    let start = Context {
        a: ((p.range + 32) / 64).max(2),
        b: 0,
        c: 0,
        n: 1,
        negative: 0,
    };
    let mut scan = Scan {
        p,
        bits: Bits::new(data),
        contexts: vec![start; RUN + 2],
    };
    let mut planes = vec![vec![0_u16; rows * columns]; count];
    // Lines with one sample of margin on either side; the margins follow A.2.1.
    let mut above = vec![vec![0_i32; columns + 2]; count];
    let mut line = above.clone();
    let mut run_index = vec![0; count];
    for row in 0..rows {
        for (above, line) in above.iter_mut().zip(&mut line) {
            above[columns + 1] = above[columns];
            line[0] = above[1];
        }
        if interleave == Interleave::Sample {
            scan.line(&above, &mut line, columns, &mut run_index[0])?;
        } else {
            for i in 0..count {
                scan.line(&above[i..=i], &mut line[i..=i], columns, &mut run_index[i])?;
            }
        }
        for (plane, line) in planes.iter_mut().zip(&line) {
            let out = &mut plane[row * columns..(row + 1) * columns];
            for (out, &value) in out.iter_mut().zip(&line[1..]) {
                *out = value as u16;
            }
        }
        std::mem::swap(&mut above, &mut line);
    }
    Ok(planes)
}

impl Scan<'_> {
    /// One line of one component, or of all components sample by sample.
    fn line(
        &mut self,
        above: &[Vec<i32>],
        line: &mut [Vec<i32>],
        columns: usize,
        run_index: &mut usize,
    ) -> Result<(), CodecError> {
        let mut x = 1;
        while x <= columns {
            let mut flat = true;
            for (above, line) in above.iter().zip(line.iter()) {
                let near = self.p.near;
                let Around { a, b, c, d } = around(above, line, x);
                flat &= (d - b).abs() <= near && (b - c).abs() <= near && (c - a).abs() <= near;
            }
            if flat {
                x += self.run(above, line, x, columns, run_index)?;
                continue;
            }
            for (above, line) in above.iter().zip(line.iter_mut()) {
                line[x] = self.regular(around(above, line, x))?;
            }
            x += 1;
        }
        Ok(())
    }

    /// Regular mode (A.4 to A.6).
    fn regular(&mut self, Around { a, b, c, d }: Around) -> Result<i32, CodecError> {
        let p = self.p;
        let q = 81 * p.quantise(d - b) + 9 * p.quantise(b - c) + p.quantise(c - a);
        let sign = if q < 0 { -1 } else { 1 };
        let context = &mut self.contexts[q.unsigned_abs() as usize];
        let edge = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let prediction = (edge + sign * context.c).clamp(0, p.max);
        let k = order(context.n, context.a);
        let mapped = self.bits.golomb(k, p.limit, p.error_bits)?;
        let half = (mapped >> 1) as i32;
        let odd = mapped & 1 == 1;
        let error = if p.near == 0 && k == 0 && 2 * context.b <= -context.n {
            if odd { half } else { -half - 1 }
        } else if odd {
            -half - 1
        } else {
            half
        };
        context.b += error * (2 * p.near + 1);
        context.a += error.abs();
        if context.n == p.reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        if context.b <= -context.n {
            context.b = (context.b + context.n).max(1 - context.n);
            context.c = (context.c - 1).max(-128);
        } else if context.b > 0 {
            context.b = (context.b - context.n).min(0);
            context.c = (context.c + 1).min(127);
        }
        Ok(p.reconstruct(prediction, sign * error))
    }

    /// Run mode (A.7); returns how many samples it produced.
    fn run(
        &mut self,
        above: &[Vec<i32>],
        line: &mut [Vec<i32>],
        x: usize,
        columns: usize,
        index: &mut usize,
    ) -> Result<usize, CodecError> {
        let left = columns + 1 - x;
        let mut length = 0;
        while self.bits.take(1)? == 1 {
            let step = 1_usize << J[*index];
            if length + step <= left {
                *index = (*index + 1).min(31);
            }
            length = (length + step).min(left);
            if length == left {
                break;
            }
        }
        if length < left {
            length += self.bits.take(J[*index])? as usize;
            if length >= left {
                // At least the sample that ended the run must fit.
                return Err(CodecError::corrupt("JPEG-LS run beyond its line"));
            }
        }
        for line in line.iter_mut() {
            let value = line[x - 1];
            line[x..x + length].fill(value);
        }
        if length == left {
            return Ok(length);
        }
        let at = x + length;
        let several = line.len() > 1;
        for (above, line) in above.iter().zip(line.iter_mut()) {
            line[at] = self.interruption(line[at - 1], above[at], several, J[*index])?;
        }
        *index = index.saturating_sub(1);
        Ok(length + 1)
    }

    /// The sample that ends a run (A.7.2). With several components per sample the first run context
    /// serves them all.
    fn interruption(&mut self, a: i32, b: i32, several: bool, run: u32) -> Result<i32, CodecError> {
        let p = self.p;
        let alike = !several && (a - b).abs() <= p.near;
        let kind = i32::from(alike);
        let context = &mut self.contexts[RUN + usize::from(alike)];
        let k = order(
            context.n,
            context.a + if alike { context.n >> 1 } else { 0 },
        );
        let mapped = self.bits.golomb(k, p.limit - run - 1, p.error_bits)? as i32;
        let code = mapped + kind;
        let odd = code & 1 == 1;
        let size = (code + 1) >> 1;
        let negative = (k != 0 || 2 * context.negative >= context.n) == odd;
        let error = if negative { -size } else { size };
        if error < 0 {
            context.negative += 1;
        }
        context.a += (mapped + 1 - kind) >> 1;
        if context.n == p.reset {
            context.a >>= 1;
            context.n >>= 1;
            context.negative >>= 1;
        }
        context.n += 1;
        let (prediction, sign) = match (alike, a > b) {
            (true, _) => (a, 1),
            (false, true) => (b, -1),
            (false, false) => (b, 1),
        };
        Ok(p.reconstruct(prediction, sign * error))
    }
}

fn around(above: &[i32], line: &[i32], x: usize) -> Around {
    Around {
        a: line[x - 1],
        b: above[x],
        c: above[x - 1],
        d: above[x + 1],
    }
}

/// Golomb parameter k (A.5.1).
fn order(n: i32, a: i32) -> u32 {
    (0..31)
        .find(|&k| (i64::from(n) << k) >= i64::from(a))
        .unwrap_or(31)
}
