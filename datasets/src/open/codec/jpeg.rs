//! JPEG: baseline and progressive, lossless (process 14), and 12-bit extended.

use std::io::Cursor;

use jpeg_decoder::{ColorTransform, Decoder, Error, PixelFormat};

use super::{CodecError, Decoded, Samples, jpeg_extended};

/// What the markers before the first scan say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::open) struct Header {
    pub rows: u16,
    pub columns: u16,
    pub precision: u8,
    pub components: u8,
    /// SOF3: predictive coding instead of a cosine transform.
    pub lossless: bool,
    /// Component identifiers spell `RGB`.
    pub rgb_ids: bool,
    /// An APP0 marker says JFIF, hence luminance and chrominance.
    pub jfif: bool,
    /// The colour transform that an Adobe marker names; 0 is none.
    pub adobe: Option<u8>,
    /// Huffman-coded sequential DCT (SOF0 or SOF1).
    pub sequential: bool,
}

impl Header {
    /// Whether three components are luminance and chrominance, for files that say it nowhere else.
    pub(in crate::open) fn is_ycc(&self) -> bool {
        self.components == 3
            && !self.rgb_ids
            && (self.jfif
                || self
                    .adobe
                    .map_or(!self.lossless, |transform| transform != 0))
    }
}

/// Walks the markers up to the frame header.
pub(in crate::open) fn header(data: &[u8]) -> Result<Header, CodecError> {
    let (mut jfif, mut adobe) = (false, None);
    for (marker, body) in Segments::new(data) {
        match marker {
            0xe0 if body.starts_with(b"JFIF") => jfif = true,
            0xee if body.starts_with(b"Adobe") => adobe = body.get(11).copied(),
            // SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC).
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                let &[precision, r1, r0, c1, c0, components, ref rest @ ..] = body else {
                    break;
                };
                let ids: Vec<u8> = rest
                    .iter()
                    .step_by(3)
                    .take(3)
                    .map(u8::to_ascii_uppercase)
                    .collect();
                return Ok(Header {
                    rows: u16::from_be_bytes([r1, r0]),
                    columns: u16::from_be_bytes([c1, c0]),
                    precision,
                    components,
                    lossless: marker == 0xc3,
                    rgb_ids: components == 3 && ids == b"RGB",
                    jfif,
                    adobe,
                    sequential: marker <= 0xc1,
                });
            }
            _ => {}
        }
    }
    Err(CodecError::corrupt("no JPEG frame header"))
}

/// Marker segments from the start of image up to the first scan: marker and body without length.
pub(super) struct Segments<'a> {
    data: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 2 }
    }

    pub(super) fn from(data: &'a [u8], at: usize) -> Self {
        Self { data, at }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Any number of FF may fill up before a marker.
        while *self.data.get(self.at)? != 0xff {
            self.at += 1;
        }
        while *self.data.get(self.at)? == 0xff {
            self.at += 1;
        }
        let marker = self.data[self.at];
        self.at += 1;
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            return Some((marker, &[]));
        }
        let length = self.data.get(self.at..self.at + 2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let body = self.data.get(self.at + 2..self.at + length)?;
        self.at += length;
        Some((marker, body))
    }
}

/// Decodes without any colour transform.
pub(in crate::open) fn decode(data: &[u8]) -> Result<Decoded, CodecError> {
    let header = header(data)?;
    if header.precision > 8 && header.sequential {
        return jpeg_extended::decode(data);
    }
    if header.precision > 8 && !header.lossless {
        return Err(CodecError::unsupported(format!(
            "progressive {}-bit JPEG",
            header.precision
        )));
    }
    let mut decoder = Decoder::new(Cursor::new(data));
    if header.components > 1 {
        // What the decoder calls RGB is a plain copy of the components.
        decoder.set_color_transform(ColorTransform::RGB);
    }
    let bytes = decoder.decode().map_err(|error| match error {
        Error::Unsupported(feature) => CodecError::unsupported(format!("JPEG with {feature:?}")),
        Error::Io(_) => CodecError::corrupt("JPEG data end before the picture does"),
        error => CodecError::corrupt(format!("JPEG: {error}")),
    })?;
    let info = decoder
        .info()
        .ok_or_else(|| CodecError::corrupt("JPEG without frame"))?;
    let channels = match info.pixel_format {
        PixelFormat::L8 | PixelFormat::L16 => 1,
        PixelFormat::RGB24 => 3,
        PixelFormat::CMYK32 => return Err(CodecError::unsupported("JPEG of four components")),
    };
    // Lossless data deeper than 8 bits come as native-endian pairs, whatever the format says.
    let count = usize::from(info.height) * usize::from(info.width) * usize::from(channels);
    let samples = if bytes.len() == 2 * count {
        Samples::U16(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| u16::from_ne_bytes(b))
                .collect(),
        )
    } else {
        Samples::U8(bytes)
    };
    let (rows, columns) = (info.height.into(), info.width.into());
    Ok(Decoded {
        rows,
        columns,
        channels,
        precision: header.precision,
        samples,
    })
}
