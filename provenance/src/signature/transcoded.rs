//! Signatures made before lossless compression: the pixels are decoded and the MAC tried on what
//! they were (PS3.15, C: a transcoded image is not a changed one).
//!
//! Decoders apply rescale, palettes and colour transforms, which a MAC knows nothing of. So they are
//! given a [`PixelFile`]: a DICOM file with the compressed frames and a minimal header, in which a
//! stored sample is all there is to see.

use std::borrow::Cow;

use dicom_core::{Tag, VR};

use super::sign::text;
use super::stored::{Element, Encoding, Item, StoredFile, Value};
use super::write;

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const SAMPLES: Tag = Tag(0x0028, 0x0002);
const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
const PLANAR: Tag = Tag(0x0028, 0x0006);
const FRAMES: Tag = Tag(0x0028, 0x0008);
const ROWS: Tag = Tag(0x0028, 0x0010);
const COLUMNS: Tag = Tag(0x0028, 0x0011);
const ALLOCATED: Tag = Tag(0x0028, 0x0100);
const STORED: Tag = Tag(0x0028, 0x0101);
const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
const REPRESENTATION: Tag = Tag(0x0028, 0x0103);
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";

/// Compressed pixels on their own, for a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelFile {
    /// A DICOM file: unsigned samples whose bits all count, grey or RGB, by pixel.
    pub bytes: Vec<u8>,
    /// Samples that decoding must give: frames × rows × columns × samples per pixel.
    pub samples: usize,
}

/// Gives the samples of a [`PixelFile`], frame by frame, row by row, colours of a pixel together; or
/// `None` when it cannot. Nothing is lost by decoding lossy frames: the MAC will not hold on them.
pub type PixelDecoder<'d> = dyn Fn(PixelFile) -> Option<Vec<u16>> + Sync + 'd;

/// How the pixels of a file are laid out.
#[derive(Debug, Clone, Copy)]
struct Layout {
    channels: usize,
    allocated: u16,
    stored: u16,
    signed: bool,
    planar: bool,
    /// Samples of one frame.
    frame: usize,
}

/// Whether a transfer syntax can hold losslessly compressed pixels at all: not baseline and extended
/// JPEG, and not video.
fn may_be_lossless(syntax: &str) -> bool {
    let number = syntax
        .strip_prefix("1.2.840.10008.1.2.4.")
        .and_then(|n| n.parse::<u16>().ok());
    number.is_none_or(|n| !matches!(n, 50 | 51 | 100..=109))
}

/// Decodes pixels, no more of them than allowed, all frames and icons of a file together.
struct Source<'d> {
    syntax: &'d str,
    decoder: &'d PixelDecoder<'d>,
    /// Samples that may still be decoded.
    left: usize,
}

impl Source<'_> {
    fn decode(&mut self, item: &Item<'_>) -> Option<(Vec<u16>, Layout)> {
        let (carrier, layout) = carrier(item, self.syntax)?;
        let expected = carrier.samples;
        self.left = self.left.checked_sub(expected)?;
        let samples = (self.decoder)(carrier)?;
        (samples.len() == expected).then_some((samples, layout))
    }

    /// Decodes the pixels of all items below, which are icons; tells whether there were any.
    fn decode_below(&mut self, item: &mut Item<'_>) -> Option<bool> {
        let mut any = false;
        for element in &mut item.elements {
            let Value::Items(items) = &mut element.value else {
                continue;
            };
            for item in items {
                if is_compressed(item) {
                    let (samples, layout) = self.decode(item)?;
                    let bytes = bytes(&samples, layout, None, layout.planar);
                    item.put(Element::plain(PIXEL_DATA, VR::OW, bytes));
                    any = true;
                }
                any |= self.decode_below(item)?;
            }
        }
        Some(any)
    }
}

fn is_compressed(item: &Item<'_>) -> bool {
    matches!(
        item.get(PIXEL_DATA).map(|e| &e.value),
        Some(Value::Fragments(_))
    )
}

/// Names the pixel data of all items below `OB` instead of `OW`.
fn rename_below(item: &mut Item<'_>) {
    for element in &mut item.elements {
        if let Value::Items(items) = &mut element.value {
            for item in items {
                rename_below(item);
                let pixels = item.elements.iter_mut().filter(|e| e.tag == PIXEL_DATA);
                pixels.for_each(|e| e.vr = VR::OB);
            }
        }
    }
}

/// Shows `visit` every form that the data set may have had before its pixels were compressed, one at a
/// time; false when they cannot be decoded, or hold more than `max_samples`.
pub(crate) fn before<'a>(
    file: &StoredFile<'a>,
    decoder: &PixelDecoder<'_>,
    max_samples: usize,
    visit: &mut dyn FnMut(&StoredFile<'a>),
) -> bool {
    let mut source = Source {
        syntax: &file.transfer_syntax,
        decoder,
        left: max_samples,
    };
    let mut base = file.clone();
    base.transfer_syntax = EXPLICIT_LITTLE.to_owned();
    let Some((samples, layout)) = source.decode(&file.dataset) else {
        return false;
    };
    let Some(icons) = source.decode_below(&mut base.dataset) else {
        return false;
    };
    let photometric = base.dataset.text(PHOTOMETRIC).unwrap_or_default();
    // These names belong to the compressed form: the pixels were RGB before.
    if ["YBR_RCT", "YBR_ICT"].contains(&photometric.as_str()) {
        base.dataset.put(text(PHOTOMETRIC, VR::CS, "RGB"));
    }
    let forms = layout.forms();
    for renamed in if icons { &[false, true][..] } else { &[false] } {
        if *renamed {
            rename_below(&mut base.dataset);
        }
        for form in &forms {
            let mut whole = base.clone();
            let bytes = bytes(&samples, layout, form.sign, form.planar);
            let pixels = Element::plain(PIXEL_DATA, form.vr, Cow::Owned(bytes));
            whole.dataset.put(pixels);
            if form.planar != layout.planar {
                whole.dataset.put(number(PLANAR, u16::from(form.planar)));
            }
            visit(&whole);
        }
    }
    true
}

/// What codecs do not keep of native pixel data.
#[derive(Debug, Clone, Copy)]
struct Form {
    vr: VR,
    /// How many bits above the stored ones take the sign; else they are zero.
    sign: Option<u16>,
    planar: bool,
}

impl Layout {
    fn forms(self) -> Vec<Form> {
        let unused = self.allocated - self.stored;
        let signs: &[Option<u16>] = if self.signed && unused > 0 {
            &[Some(unused), None]
        } else {
            &[None]
        };
        let planes: &[bool] = if self.channels > 1 {
            &[self.planar, !self.planar]
        } else {
            &[self.planar]
        };
        let vrs: &[VR] = if self.allocated > 8 {
            &[VR::OW]
        } else {
            &[VR::OB, VR::OW]
        };
        let mut out = Vec::new();
        for &sign in signs {
            for &planar in planes {
                out.extend(vrs.iter().map(|&vr| Form { vr, sign, planar }));
            }
        }
        out
    }
}

/// The compressed pixels of a data set or icon on their own.
fn carrier(set: &Item<'_>, syntax: &str) -> Option<(PixelFile, Layout)> {
    let pixels = set.get(PIXEL_DATA)?;
    if !is_compressed(set) || !may_be_lossless(syntax) {
        return None;
    }
    let (rows, columns) = (set.u16(ROWS)?, set.u16(COLUMNS)?);
    let channels = set.u16(SAMPLES)?;
    let allocated = set.u16(ALLOCATED)?;
    let stored = set.u16(STORED)?;
    // A decoder that gives 16 bits cannot give more; nobody compresses other numbers of samples.
    if !matches!(allocated, 8 | 16) || !(1..=allocated).contains(&stored) {
        return None;
    }
    let photometric = match channels {
        1 => "MONOCHROME2",
        3 => "RGB",
        _ => return None,
    };
    let frames: usize = match set.text(FRAMES) {
        Some(text) => text.parse().ok().filter(|&n| n > 0)?,
        None => 1,
    };
    let layout = Layout {
        channels: usize::from(channels),
        allocated,
        stored,
        signed: set.u16(REPRESENTATION) == Some(1),
        planar: set.u16(PLANAR) == Some(1),
        frame: usize::from(rows) * usize::from(columns) * usize::from(channels),
    };
    let samples = layout.frame.checked_mul(frames).filter(|&n| n > 0)?;
    let mut bare = Item::default();
    for (tag, value) in [
        (SAMPLES, channels),
        (PLANAR, 0),
        (ROWS, rows),
        (COLUMNS, columns),
        (ALLOCATED, allocated),
        (STORED, allocated),
        (HIGH_BIT, allocated - 1),
        (REPRESENTATION, 0),
    ] {
        if tag != PLANAR || channels > 1 {
            bare.put(number(tag, value));
        }
    }
    bare.put(text(PHOTOMETRIC, VR::CS, photometric));
    bare.put(text(FRAMES, VR::IS, &frames.to_string()));
    bare.put(Element {
        raw: &[],
        vr: VR::OB,
        undefined: true,
        ..pixels.clone()
    });
    let mut meta = Item::default();
    meta.put(text(Tag(0x0002, 0x0010), VR::UI, syntax));
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    write::dataset(&meta, Encoding::ExplicitLittle, &mut bytes);
    write::dataset(&bare, Encoding::ExplicitLittle, &mut bytes);
    Some((PixelFile { bytes, samples }, layout))
}

fn number<'a>(tag: Tag, value: u16) -> Element<'a> {
    Element::plain(tag, VR::US, value.to_le_bytes().to_vec())
}

/// The samples as native little-endian pixel data; `sign` is the number of bits above the stored
/// ones that take the sign.
fn bytes(samples: &[u16], layout: Layout, sign: Option<u16>, planar: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(samples.len() * usize::from(layout.allocated / 8));
    let mut push = |sample: u16| {
        // Shifted to the top of the cell and back, so that the sign fills what is unused.
        let cell = match (sign, layout.allocated) {
            (Some(unused), 8) => {
                i16::from(((sample << unused) as u8).cast_signed() >> unused).cast_unsigned()
            }
            (Some(unused), _) => ((sample << unused).cast_signed() >> unused).cast_unsigned(),
            (None, _) => sample,
        };
        let [low, high] = cell.to_le_bytes();
        out.push(low);
        if layout.allocated > 8 {
            out.push(high);
        }
    };
    if planar && layout.channels > 1 {
        for frame in samples.chunks_exact(layout.frame) {
            for channel in 0..layout.channels {
                frame
                    .iter()
                    .skip(channel)
                    .step_by(layout.channels)
                    .for_each(|&s| push(s));
            }
        }
    } else {
        samples.iter().for_each(|&s| push(s));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: Layout = Layout {
        channels: 1,
        allocated: 16,
        stored: 12,
        signed: true,
        planar: false,
        frame: 2,
    };

    #[test]
    fn signs_are_extended_and_planes_separated() {
        assert_eq!(
            bytes(&[0x0FFF, 0x07FF], GREY, None, false),
            [255, 15, 255, 7]
        );
        assert_eq!(
            bytes(&[0x0FFF, 0x07FF], GREY, Some(4), false),
            [255, 255, 255, 7]
        );
        let byte = Layout {
            allocated: 8,
            stored: 7,
            ..GREY
        };
        assert_eq!(bytes(&[0x7F, 0x3F], byte, Some(1), false), [255, 0x3F]);
        let colour = Layout {
            channels: 3,
            allocated: 8,
            stored: 8,
            signed: false,
            planar: true,
            frame: 6,
        };
        assert_eq!(
            bytes(&[1, 2, 3, 4, 5, 6], colour, None, true),
            [1, 4, 2, 5, 3, 6]
        );
    }
}
