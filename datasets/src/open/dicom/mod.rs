//! DICOM: Part 10 files, and data sets that lack their preamble or meta header.
//!
//! The stages are those of the standard: stored values (PS3.3 C.7.6.3, PS3.5 chapter 8 and Annex A),
//! modality values (C.11.1), presentation values (C.11.2). Unlike a general DICOM library this reader
//! stops at the pixels, keeps three dozen attributes, never reads who the patient is, and leaves the
//! pixels in the file until a frame is asked for.

mod decode;
mod element;
mod encoding;
mod fragments;
mod header;
mod native;
mod parse;
mod syntax;
mod transform;

use std::io::Read;
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::source::Source;
use super::{Decode, OpenOptions, Opened};
use crate::frame::make_finite;
use crate::{Display, Frame, ImageInfo, OpenError, Voi};
use decode::Patterns;
use element::{DataSet, tags};
use encoding::Encoding;
use fragments::Fragments;
use header::{Color, Header, Kind};
use parse::Parsed;
use syntax::{Codec, Syntax};
use transform::{Lut, Modality};

/// Largest inflated data set of the deflated transfer syntax; it is inflated in memory.
const MAX_INFLATED: u64 = 1 << 30;

struct Dicom {
    source: Source,
    set: DataSet,
    header: Header,
    /// Where compressed frames are; `None` for native pixel data.
    fragments: Option<Fragments>,
    palette: Option<[Lut; 3]>,
}

pub(super) fn open(path: &Path, source: Source, options: &OpenOptions) -> Opened {
    let mut notes = Vec::new();
    let (mut source, parsed, syntax, encoding) = data_set(path, source, options, &mut notes)?;
    notes.extend(parsed.notes);
    let set = parsed.set;
    let Some(pixels) = parsed.pixels else {
        if let Some(at) = parsed.cut_at {
            return Err(OpenError::truncated(path, "data set", at, source.len()));
        }
        return Err(no_pixels(path, &set));
    };
    let mut header = header::read(path, &set, pixels, encoding, syntax, options, &mut notes)?;
    if header.syntax.codec == Codec::Unknown {
        return Err(OpenError::UnsupportedTransferSyntax {
            path: path.into(),
            reason: header.syntax.missing().into(),
            uid: header.syntax.uid,
        });
    }
    let fragments = match pixels.length {
        Some(length) => {
            check_length(path, &source, &mut header, length, &mut notes)?;
            None
        }
        None => Some(Fragments::read(
            &mut source,
            path,
            &set,
            &header,
            &mut notes,
        )?),
    };
    let palette = if header.color == Color::Palette {
        Some(palette(path, &set, &header)?)
    } else {
        None
    };
    describe(&set, &header, &mut notes);
    let info = header::info(path, &set, &header, notes);
    Ok((
        info,
        Box::new(Dicom {
            source,
            set,
            header,
            fragments,
            palette,
        }),
    ))
}

/// Reads meta header and data set up to the pixels.
fn data_set(
    path: &Path,
    mut source: Source,
    options: &OpenOptions,
    notes: &mut Vec<String>,
) -> Result<(Source, Parsed, Syntax, Encoding), OpenError> {
    let head = source.head(path, 132)?;
    let preamble = head.get(128..132) == Some(b"DICM");
    let start = if preamble { 132 } else { 0 };
    if !preamble {
        notes.push("no preamble".into());
    }
    let (meta, mut at) = parse::meta(&mut source, path, start)?;
    let named = meta
        .code(tags::TRANSFER_SYNTAX)
        .map(|uid| Syntax::new(&uid));
    if meta.code(tags::MEDIA_CLASS).as_deref() == Some("1.2.840.10008.1.3.10") {
        let reason = "a DICOMDIR lists files and holds none".into();
        return Err(OpenError::NoPixels {
            path: path.into(),
            reason,
        });
    }
    if named.as_ref().is_some_and(|syntax| syntax.deflated) {
        source = inflate(path, source, at, options)?;
        at = 0;
    }
    let guess = encoding::guess(&mut source, path, at)?;
    let (syntax, encoding) = match named {
        Some(syntax) => {
            let said = syntax.encoding();
            if said != guess && at < source.len() {
                notes.push(format!(
                    "data set is written as {guess:?}, unlike its transfer syntax"
                ));
            }
            (syntax, guess)
        }
        None => {
            let syntax = Syntax::guessed(guess);
            let what = if meta.values.is_empty() {
                "meta header"
            } else {
                "transfer syntax"
            };
            notes.push(format!("no {what}: {} assumed", syntax.uid));
            (syntax, guess)
        }
    };
    let parsed = parse::data_set(&mut source, path, at, encoding)?;
    Ok((source, parsed, syntax, encoding))
}

/// Deflated Explicit VR Little Endian (PS3.5 A.5).
fn inflate(
    path: &Path,
    mut source: Source,
    at: u64,
    options: &OpenOptions,
) -> Result<Source, OpenError> {
    let limit = options.max_decoded_bytes.min(MAX_INFLATED);
    source.seek_to(at).map_err(|e| OpenError::io(path, e))?;
    let mut bytes = Vec::new();
    let read = DeflateDecoder::new(source)
        .take(limit + 1)
        .read_to_end(&mut bytes);
    if bytes.len() as u64 > limit {
        let (path, size) = (path.into(), bytes.len() as u64);
        return Err(OpenError::TooLarge {
            path,
            what: "inflated data set in bytes",
            size,
            limit,
        });
    }
    match read {
        Ok(_) => Ok(Source::memory(bytes)),
        Err(error) => Err(OpenError::corrupt(
            path,
            format!("deflated data set: {error}"),
        )),
    }
}

/// Checks that native pixel data are all there, before any frame is read.
fn check_length(
    path: &Path,
    source: &Source,
    header: &mut Header,
    length: u64,
    notes: &mut Vec<String>,
) -> Result<(), OpenError> {
    if header.syntax.codec != Codec::Native {
        notes.push("pixel data are native, unlike the transfer syntax".into());
    }
    let present = length.min(source.len().saturating_sub(header.pixels.offset));
    let total = |header: &Header| {
        native::frame_bits(header)
            .saturating_mul(header.frames.into())
            .div_ceil(8)
    };
    if header.color == Color::YbrFull422 && present >= total(header) / 2 * 3 {
        notes.push("YBR_FULL_422 without subsampling: read as YBR_FULL".into());
        header.color = Color::YbrFull;
    }
    let expected = total(header);
    if present < expected {
        let Header {
            rows,
            columns,
            frames,
            ..
        } = header;
        let what = format!("pixel data of {frames} frames of {columns} x {rows}");
        return Err(OpenError::truncated(path, what, expected, present));
    }
    Ok(())
}

fn palette(path: &Path, set: &DataSet, header: &Header) -> Result<[Lut; 3], OpenError> {
    if set.bytes(tags::PALETTE_SEGMENTED).is_some() {
        return Err(OpenError::unsupported(path, "segmented palette"));
    }
    let table = |color: u32| {
        Lut::read(
            set,
            tags::PALETTE_DESCRIPTOR + color,
            tags::PALETTE_DATA + color,
            header.signed,
        )
        .ok_or_else(|| OpenError::corrupt(path, "PALETTE COLOR without its tables"))
    };
    Ok([table(0)?, table(1)?, table(2)?])
}

fn describe(set: &DataSet, header: &Header, notes: &mut Vec<String>) {
    match header.color {
        Color::Monochrome1 => notes.push("MONOCHROME1 inverted for display".into()),
        Color::Palette => notes.push("palette colour converted to RGB".into()),
        Color::YbrFull | Color::YbrFull422 => notes.push("YBR converted to RGB".into()),
        _ => {}
    }
    if let Some(padding) = set.u16(tags::PADDING) {
        let padding = if header.signed {
            i32::from(padding as i16)
        } else {
            padding.into()
        };
        notes.push(format!("pixel padding value {padding}"));
    }
    if !set.items(tags::MODALITY_LUT).is_empty() {
        notes.push("modality LUT applied".into());
    }
}

fn no_pixels(path: &Path, set: &DataSet) -> OpenError {
    let kind = match set.code(tags::SOP_CLASS).unwrap_or_default().as_str() {
        "1.2.840.10008.1.3.10" => "a DICOMDIR".into(),
        uid if uid.starts_with("1.2.840.10008.5.1.4.1.1.88.") => "a structured report".into(),
        uid if uid.starts_with("1.2.840.10008.5.1.4.1.1.9.") => "a waveform".into(),
        uid if uid.starts_with("1.2.840.10008.5.1.4.1.1.11.") => "a presentation state".into(),
        uid if uid.starts_with("1.2.840.10008.5.1.4.1.1.104.") => "an encapsulated document".into(),
        "1.2.840.10008.5.1.4.1.1.481.3" => "an RT structure set".into(),
        uid if uid.starts_with("1.2.840.10008.5.1.4.1.1.481.") => "a radiotherapy object".into(),
        "" => "a DICOM data set without SOP class".to_owned(),
        uid => format!("a DICOM object of SOP class {uid}"),
    };
    let modality = set
        .code(tags::MODALITY)
        .map(|m| format!(", modality {m}"))
        .unwrap_or_default();
    OpenError::NoPixels {
        path: path.into(),
        reason: format!("{kind}{modality}, without pixel data"),
    }
}

impl Decode for Dicom {
    fn frame(&mut self, info: &ImageInfo, index: u32) -> Result<Frame, OpenError> {
        let path = &info.path;
        let Self {
            source,
            set,
            header,
            fragments,
            palette,
        } = self;
        let mut notes = Vec::new();
        let mut frame = Frame {
            rows: header.rows,
            columns: header.columns,
            channels: header.channels,
            values: Vec::new(),
            display: Display {
                inverted: false,
                voi: Voi::Range {
                    low: 0.0,
                    high: 1.0,
                },
            },
            notes: Vec::new(),
        };
        let modality = Modality::read(set, header, index);
        if header.kind == Kind::Integer {
            let patterns = match fragments {
                Some(fragments) => decode::frame(
                    path,
                    fragments.frame(source, path, index)?,
                    header,
                    &mut notes,
                )?,
                None => {
                    let (bytes, first_bit) = native::read(source, path, header, index)?;
                    let samples = native::samples(bytes, first_bit, header);
                    let samples = decode::to_rgb(samples, header.stored as u8, header.color);
                    Patterns::stored(samples, header)
                }
            };
            if let Some(palette) = palette {
                return Ok(color_mapped(frame, patterns, palette, header));
            }
            if header.channels == 3 {
                let top = 2_f64.powi(patterns.bits.into()) - 1.0;
                frame.values = values(patterns, false, |v| v as f32);
                frame.display.voi = Voi::Range {
                    low: 0.0,
                    high: top as f32,
                };
                frame.notes = notes;
                return Ok(frame);
            }
            frame.values = values(patterns, header.signed, |v| modality.apply(v));
        } else {
            let (bytes, _) = native::read(source, path, header, index)?;
            frame.values = native::floats(&bytes, header)
                .into_iter()
                .map(|v| modality.apply(v))
                .collect();
        }
        make_finite(&mut frame.values, &mut notes);
        frame.display =
            transform::display(set, header, index, &modality, &frame.values, &mut notes);
        frame.notes = notes;
        Ok(frame)
    }
}

/// Cuts the significant bits out of every pattern, extends the sign and converts.
fn values(patterns: Patterns, signed: bool, convert: impl Fn(f64) -> f32) -> Vec<f32> {
    let Patterns {
        samples,
        shift,
        bits,
    } = patterns;
    let unused = 32 - u32::from(bits).clamp(1, 32);
    samples.map(|pattern| {
        let value = pattern >> shift.min(31) << unused;
        convert(if signed {
            (value as i32 >> unused).into()
        } else {
            (value >> unused).into()
        })
    })
}

/// Looks indices up in the red, green and blue tables (PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6).
fn color_mapped(
    mut frame: Frame,
    patterns: Patterns,
    palette: &[Lut; 3],
    header: &Header,
) -> Frame {
    let indices = values(patterns, header.signed, |v| v as f32);
    let rgb = indices.into_iter().flat_map(|index| {
        [0, 1, 2].map(|color: usize| f32::from(palette[color].at(f64::from(index))))
    });
    frame.values = rgb.collect();
    frame.channels = 3;
    let high = f32::from(u16::MAX >> (16 - palette[0].bits));
    frame.display.voi = Voi::Range { low: 0.0, high };
    frame
}
