//! What the header says of the pixels, and whether it can be so (PS3.3 C.7.6.3; PS3.5 8).

use super::super::Found;
use super::super::catalogue::{PIXEL_FRAMES, PIXEL_LAYOUT, PIXEL_LENGTH};
use super::super::set::{Parts, Set, Tag};

pub(super) const PIXELS: Tag = 0x7fe0_0010;

/// How a code stream is coded, as far as its own header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Lossless,
    Lossy,
    Unknown,
}

/// The code stream inside the first fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) name: &'static str,
    pub(super) coding: Coding,
}

/// Image Pixel attributes and what the pixel data element looks like.
#[derive(Debug, Clone)]
pub(crate) struct PixelHeader {
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) samples: u64,
    pub(super) allocated: u64,
    pub(super) stored: u64,
    high_bit: u64,
    pub(super) frames: u64,
    stated_frames: Option<f64>,
    photometric: String,
    pub(super) slope: f64,
    pub(super) intercept: f64,
    /// A modality LUT or per-frame rescale stands between stored and modality values.
    pub(super) indirect: bool,
    pub(super) rescale_type: Option<String>,
    pub(super) modality: String,
    pub(super) image_type: Vec<String>,
    /// Smallest and Largest Image Pixel Value.
    pub(super) range: [Option<f64>; 2],
    /// Center and width of the first window.
    pub(super) window: Option<[f64; 2]>,
    pub(super) padding: Option<f64>,
    pub(super) syntax: Option<String>,
    /// Length of native pixel data.
    native: Option<u64>,
    /// Length of all fragments but the offset table.
    pub(super) encoded: Option<u64>,
    pub(super) stream: Option<Stream>,
}

impl PixelHeader {
    /// Of a file.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let parts = Parts::split(bytes)?;
        let (file, _) = parts.parse()?;
        Self::of(&parts, &Set::of(&file.dataset))
    }

    /// Of a data set; `None` where it has no rows.
    pub(super) fn of(parts: &Parts<'_>, set: &Set<'_>) -> Option<Self> {
        let number = |tag| set.u16(tag).map(u64::from);
        let fragments = set.fragments(PIXELS);
        let signed = set.u16(0x0028_0103) == Some(1);
        let integer = |tag| {
            let raw = set.u16(tag)?;
            Some(if signed {
                f64::from(raw as i16)
            } else {
                f64::from(raw)
            })
        };
        let stated_frames = set.number(0x0028_0008);
        let window = set.number(0x0028_1050).zip(set.number(0x0028_1051));
        Some(Self {
            rows: number(0x0028_0010)?,
            columns: number(0x0028_0011)?,
            samples: number(0x0028_0002).unwrap_or(1),
            allocated: number(0x0028_0100)?,
            stored: number(0x0028_0101).unwrap_or(0),
            high_bit: number(0x0028_0102).unwrap_or(0),
            frames: stated_frames.filter(|&n| n >= 1.0).unwrap_or(1.0) as u64,
            stated_frames,
            photometric: set.text(0x0028_0004).unwrap_or_default(),
            slope: set.number(0x0028_1053).unwrap_or(1.0),
            intercept: set.number(0x0028_1052).unwrap_or(0.0),
            indirect: set.has(0x0028_3000) || set.has(0x5200_9229) || set.has(0x5200_9230),
            rescale_type: set.text(0x0028_1054),
            modality: set.text(0x0008_0060).unwrap_or_default(),
            image_type: set.values(0x0008_0008),
            range: [integer(0x0028_0106), integer(0x0028_0107)],
            window: window.map(|(center, width)| [center, width]),
            padding: integer(0x0028_0120),
            syntax: parts.transfer_syntax.clone(),
            native: set.bytes(PIXELS).map(|bytes| bytes.len() as u64),
            encoded: fragments
                .as_ref()
                .map(|list| list.iter().skip(1).map(|f| f.len() as u64).sum()),
            stream: fragments.and_then(|list| stream(list.get(1)?)),
        })
    }

    /// Whether no lossy code stream stands between the pixels and us.
    pub(crate) fn is_lossless(&self) -> bool {
        self.stream.is_none_or(|s| s.coding == Coding::Lossless)
    }

    /// Bytes of all frames when uncompressed.
    pub(super) fn uncompressed(&self) -> u64 {
        let Self {
            rows,
            columns,
            samples,
            allocated,
            frames,
            ..
        } = self;
        let subsampled = matches!(
            self.photometric.as_str(),
            "YBR_FULL_422" | "YBR_PARTIAL_422"
        );
        // Two chrominance samples are shared by two pixels.
        let samples = if subsampled && self.native.is_some() {
            2
        } else {
            *samples
        };
        let bits = [*columns, samples, *allocated, *frames]
            .iter()
            .fold(*rows, |product, &factor| product.saturating_mul(factor));
        bits.div_ceil(8)
    }

    pub(super) fn check(&self, set: &Set<'_>, found: &mut Found) {
        let Self {
            allocated,
            stored,
            high_bit,
            ..
        } = self;
        if *stored > *allocated || *stored == 0 || high_bit + 1 != *stored {
            // High bits elsewhere were legal until 2014 and are found in old files.
            let fits = *stored > 0 && *stored <= *high_bit + 1 && high_bit < allocated;
            if !fits {
                found.push(PIXEL_LAYOUT.note(format!(
                    "Bits Allocated {allocated}, Bits Stored {stored}, High Bit {high_bit}"
                )));
            }
        }
        if let Some(length) = self.native {
            let due = self.uncompressed();
            if length != due && length != due + due % 2 {
                found.push(PIXEL_LENGTH.note(format!(
                    "{} × {} pixels, {} sample(s) of {allocated} bits and {} frame(s) take {due} \
                     bytes, there are {length}",
                    self.columns, self.rows, self.samples, self.frames
                )));
            }
        }
        if self.stated_frames.is_some_and(|frames| frames < 1.0) {
            found.push(PIXEL_FRAMES.note("Number of Frames is below one"));
        }
        let groups = set.raw_items(0x5200_9230).len() as u64;
        if groups > 0 && groups != self.frames {
            found.push(PIXEL_FRAMES.note(format!(
                "Number of Frames is {}, per-frame functional groups exist for {groups}",
                self.frames
            )));
        }
    }
}

/// Tells a code stream by its first bytes.
fn stream(fragment: &[u8]) -> Option<Stream> {
    let stream = |name, coding| Some(Stream { name, coding });
    match fragment {
        [0xff, 0xd8, 0xff, ..] => {
            for (marker, segment) in super::super::jpeg::segments(fragment).take(1000) {
                match marker {
                    // SOF55: JPEG-LS; NEAR stands behind the component list of its scan header.
                    0xf7 => {
                        let scan = super::super::jpeg::segments(fragment).find(|s| s.0 == 0xda);
                        let near = scan.and_then(|(_, body)| {
                            body.get(1 + 2 * usize::from(*body.first()?)).copied()
                        });
                        return stream(
                            "JPEG-LS",
                            match near {
                                Some(0) => Coding::Lossless,
                                Some(_) => Coding::Lossy,
                                None => Coding::Unknown,
                            },
                        );
                    }
                    0xc3 | 0xc7 | 0xcb | 0xcf => return stream("lossless JPEG", Coding::Lossless),
                    0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                        let _ = segment;
                        return stream("JPEG", Coding::Lossy);
                    }
                    _ => {}
                }
            }
            stream("JPEG", Coding::Unknown)
        }
        [0xff, 0x4f, 0xff, 0x51, ..] => stream("JPEG 2000", wavelet(fragment)),
        [0, 0, 0, 12, b'j', b'P', ..] => {
            let start = fragment
                .windows(4)
                .take(4096)
                .position(|w| w == [0xff, 0x4f, 0xff, 0x51]);
            stream(
                "JPEG 2000",
                start.map_or(Coding::Unknown, |at| wavelet(&fragment[at..])),
            )
        }
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', ..] => {
            stream("JPEG XL", Coding::Unknown)
        }
        _ => None,
    }
}

/// The wavelet of the COD segment (ISO 15444-1 A.6.1): 9-7 is lossy, 5-3 may be truncated.
fn wavelet(data: &[u8]) -> Coding {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = data.get(at..at + 4) {
        if marker == 0x52 {
            return match data.get(at + 13) {
                Some(0) => Coding::Lossy,
                _ => Coding::Unknown,
            };
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if marker == 0x90 || length < 2 {
            break;
        }
        at += 2 + length;
    }
    Coding::Unknown
}
