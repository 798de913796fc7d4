//! JPEG-LS, lossless and near-lossless (ITU-T T.87), with all three interleave modes.

mod bits;
mod scan;

use super::jpeg::Segments;
use super::{Claim, CodecError, Decoded, Samples};
use scan::{Interleave, Parameters};

#[derive(Debug, Clone, Default)]
struct Frame {
    rows: usize,
    columns: usize,
    precision: u8,
    ids: Vec<u8>,
    /// MAXVAL, T1, T2, T3 and RESET of an LSE marker; 0 means default.
    preset: [u16; 5],
}

/// Size and depth, from the frame header.
pub(in crate::open) fn claim(data: &[u8]) -> Result<Claim, CodecError> {
    let body = Segments::new(data).find(|(marker, _)| *marker == 0xf7);
    let (_, body) = body.ok_or_else(|| CodecError::corrupt("no JPEG-LS frame header"))?;
    let frame = frame(body)?;
    Ok(Claim {
        rows: frame.rows as u32,
        columns: frame.columns as u32,
        channels: frame.ids.len() as u16,
        precision: frame.precision,
    })
}

fn frame(body: &[u8]) -> Result<Frame, CodecError> {
    let &[precision, r1, r0, c1, c0, count, ref rest @ ..] = body else {
        return Err(CodecError::corrupt("short JPEG-LS frame header"));
    };
    let ids: Vec<u8> = rest.as_chunks::<3>().0.iter().map(|spec| spec[0]).collect();
    let rows = u16::from_be_bytes([r1, r0]).into();
    let columns = u16::from_be_bytes([c1, c0]).into();
    if !(2..=16).contains(&precision) || ids.len() != count.into() || rows * columns == 0 {
        return Err(CodecError::corrupt("impossible JPEG-LS frame header"));
    }
    if ![1, 3].contains(&count) {
        return Err(CodecError::unsupported(format!(
            "JPEG-LS of {count} components"
        )));
    }
    Ok(Frame {
        rows,
        columns,
        precision,
        ids,
        preset: [0; 5],
    })
}

/// Decodes one frame; three components come out interleaved.
pub(in crate::open) fn decode(data: &[u8]) -> Result<Decoded, CodecError> {
    let mut segments = Segments::new(data);
    let mut frame_seen: Option<Frame> = None;
    let mut preset = [0; 5];
    let mut planes: Vec<Vec<u16>> = Vec::new();
    while let Some((marker, body)) = segments.next() {
        match marker {
            0xf7 if frame_seen.is_none() => frame_seen = Some(frame(body)?),
            0xf8 => match body {
                [1, rest @ ..] if rest.len() >= 10 => {
                    for (value, bytes) in preset.iter_mut().zip(rest.as_chunks::<2>().0) {
                        *value = u16::from_be_bytes(*bytes);
                    }
                }
                _ => {
                    return Err(CodecError::unsupported(
                        "JPEG-LS mapping tables or oversize images",
                    ));
                }
            },
            0xdd if body.iter().any(|&b| b != 0) => {
                return Err(CodecError::unsupported("JPEG-LS with restart markers"));
            }
            0xda => {
                let Some(frame) = &mut frame_seen else {
                    return Err(CodecError::corrupt("JPEG-LS scan before its frame"));
                };
                frame.preset = preset;
                let entropy = &data[segments.at..];
                planes.extend(decode_scan(frame, body, entropy)?);
                if planes.len() >= frame.ids.len() {
                    break;
                }
                segments = Segments::from(data, segments.at + end_of_scan(entropy));
            }
            0xd9 => break,
            _ => {}
        }
    }
    let frame = frame_seen.ok_or_else(|| CodecError::corrupt("no JPEG-LS frame header"))?;
    if planes.len() != frame.ids.len() {
        return Err(CodecError::corrupt("JPEG-LS without all of its scans"));
    }
    let pixels = frame.rows * frame.columns;
    let channels = planes.len();
    let samples = match planes.as_mut_slice() {
        [gray] => std::mem::take(gray),
        planes => (0..pixels * channels)
            .map(|i| planes[i % channels][i / channels])
            .collect(),
    };
    Ok(Decoded {
        rows: frame.rows as u32,
        columns: frame.columns as u32,
        channels: channels as u8,
        precision: frame.precision,
        samples: Samples::narrow(samples, frame.precision),
    })
}

/// Offset of the marker that ends the entropy-coded data: inside, a byte after FF is below 80.
fn end_of_scan(entropy: &[u8]) -> usize {
    entropy
        .array_windows()
        .position(|&[a, b]| a == 0xff && b >= 0x80)
        .unwrap_or(entropy.len())
}

fn decode_scan(frame: &Frame, body: &[u8], entropy: &[u8]) -> Result<Vec<Vec<u16>>, CodecError> {
    let bad = || CodecError::corrupt("JPEG-LS scan header does not fit its frame");
    let (&count, rest) = body.split_first().ok_or_else(bad)?;
    let (specs, rest) = rest
        .split_at_checked(2 * usize::from(count))
        .ok_or_else(bad)?;
    let &[near, interleave, transform, ..] = rest else {
        return Err(bad());
    };
    if specs.chunks_exact(2).any(|s| s[1] != 0) || transform != 0 {
        return Err(CodecError::unsupported(
            "JPEG-LS with mapping tables or a point transform",
        ));
    }
    let interleave = match (count, interleave) {
        (1, _) => Interleave::None,
        (_, 1) => Interleave::Line,
        (3, 2) => Interleave::Sample,
        _ => return Err(bad()),
    };
    if usize::from(count) > frame.ids.len() {
        return Err(bad());
    }
    let parameters = Parameters::new(frame.precision, near.into(), frame.preset)
        .ok_or_else(|| CodecError::corrupt("impossible JPEG-LS parameters"))?;
    scan::decode(
        entropy,
        &parameters,
        frame.rows,
        frame.columns,
        count.into(),
        interleave,
    )
}
