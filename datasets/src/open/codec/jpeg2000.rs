//! JPEG 2000 and High-Throughput JPEG 2000, as a bare code stream or in a JP2 file.
//!
//! Two decoders of one ancestry, both without unsafe code: `hayro-jpeg2000` reconstructs truncated
//! (lossy) coefficients at the middle of their interval as OpenJPEG does (ITU-T T.800 E.1.1.2), and
//! `dicom-toolkit-jpeg2000` knows the block coder of Part 15.

use dicom_toolkit_jpeg2000 as high_throughput;
use hayro_jpeg2000 as classic;

use super::{Claim, CodecError, Decoded, Samples};

/// Start of a code stream: SOC, then SIZ.
const MAGIC: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];

/// What the SIZ and CAP markers say (T.800 A.5.1, T.814 A.2).
#[derive(Debug, Clone, Copy)]
pub(in crate::open) struct Header {
    pub claim: Claim,
    signed: bool,
    /// Coded with the high-throughput block coder.
    high_throughput: bool,
}

pub(in crate::open) fn header(data: &[u8]) -> Result<Header, CodecError> {
    let short = || CodecError::corrupt("no JPEG 2000 image header");
    // A JP2 file has boxes of some hundred bytes before the code stream.
    let window = &data[..data.len().min(1 << 16)];
    let start = window
        .array_windows()
        .position(|w| *w == MAGIC)
        .ok_or_else(short)?;
    let siz = &data[start + 4..];
    let word = |at: usize| {
        siz.get(at..at + 4)?
            .first_chunk()
            .map(|&b| u32::from_be_bytes(b))
    };
    let size = |end: usize, origin: usize| word(end)?.checked_sub(word(origin)?);
    let columns = size(4, 12).ok_or_else(short)?;
    let rows = size(8, 16).ok_or_else(short)?;
    let &[high, low, depth, ..] = siz.get(36..40).ok_or_else(short)? else {
        return Err(short());
    };
    let channels = u16::from_be_bytes([high, low]);
    // CAP must follow SIZ where it is used at all.
    let next = 38 + 3 * usize::from(channels);
    Ok(Header {
        claim: Claim {
            rows,
            columns,
            channels,
            precision: (depth & 0x7f) + 1,
        },
        signed: depth & 0x80 != 0,
        high_throughput: siz.get(next..next + 2) == Some(&[0xff, 0x50]),
    })
}

/// Decodes one frame. The second value says that damage was skipped over.
///
/// Signed samples come out as two's complement of `precision` bits.
pub(in crate::open) fn decode(data: &[u8]) -> Result<(Decoded, bool), CodecError> {
    let header = header(data)?;
    if header.claim.precision > 16 {
        return Err(CodecError::unsupported(format!(
            "JPEG 2000 of {} bits",
            header.claim.precision
        )));
    }
    let run = |strict| {
        if header.high_throughput {
            run_high_throughput(data, strict)
        } else {
            run_classic(data, strict)
        }
    };
    let (raw, damaged) = match run(true) {
        Ok(raw) => (raw, false),
        Err(_) => match run(false) {
            Ok(raw) => (raw, true),
            Err(reason) => return Err(CodecError::corrupt(format!("JPEG 2000: {reason}"))),
        },
    };
    let half = 1_u16 << (header.claim.precision - 1);
    let mask = u16::MAX >> (16 - header.claim.precision);
    // The decoders shift signed samples up by half the range as if they were unsigned (G.1.2).
    let unshift = |v: u16| {
        if header.signed {
            v.wrapping_sub(half) & mask
        } else {
            v
        }
    };
    let decoded = Decoded {
        rows: raw.rows,
        columns: raw.columns,
        channels: raw.channels,
        precision: header.claim.precision,
        samples: Samples::narrow(
            raw.samples.into_iter().map(unshift).collect(),
            header.claim.precision,
        ),
    };
    Ok((decoded, damaged))
}

/// Interleaved samples, shifted to be unsigned.
struct Raw {
    rows: u32,
    columns: u32,
    channels: u8,
    samples: Vec<u16>,
}

fn run_classic(data: &[u8], strict: bool) -> Result<Raw, String> {
    use classic::{DecodeSettings, DecoderContext, Image};
    let settings = DecodeSettings {
        resolve_palette_indices: false,
        strict,
        target_resolution: None,
    };
    let image = Image::new(data, &settings).map_err(|e| e.to_string())?;
    let (rows, columns) = (image.height(), image.width());
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|e| e.to_string())?;
    let components = decoded.components();
    let count = rows as usize * columns as usize;
    if components
        .iter()
        .any(|c| c.samples().len() != count || c.bit_depth() > 16)
    {
        return Err("components of different sizes".into());
    }
    let integer = |c: &classic::ComponentData, i: usize| {
        let top = f32::from(u16::MAX >> (16 - c.bit_depth().max(1)));
        c.samples()[i].round().clamp(0.0, top) as u16
    };
    let samples = (0..count)
        .flat_map(|i| components.iter().map(move |c| integer(c, i)))
        .collect();
    Ok(Raw {
        rows,
        columns,
        channels: components.len() as u8,
        samples,
    })
}

fn run_high_throughput(data: &[u8], strict: bool) -> Result<Raw, String> {
    use high_throughput::{DecodeSettings, Image};
    let settings = DecodeSettings {
        resolve_palette_indices: false,
        strict,
        target_resolution: None,
    };
    let image = Image::new(data, &settings).map_err(|e| e.to_string())?;
    let image = image.decode_native().map_err(|e| e.to_string())?;
    let samples = if image.bytes_per_sample == 1 {
        image.data.into_iter().map(u16::from).collect()
    } else {
        image
            .data
            .as_chunks()
            .0
            .iter()
            .map(|&b| u16::from_le_bytes(b))
            .collect()
    };
    Ok(Raw {
        rows: image.height,
        columns: image.width,
        channels: image.num_components,
        samples,
    })
}
