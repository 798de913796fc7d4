//! Transfer syntaxes (PS3.5 chapter 10 and Annex A) and the codecs behind them.

use super::encoding::Encoding;

/// How pixel data are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Native,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
    JpegXl,
    /// Deflated Image Frame Compression: native frames, each deflated.
    DeflatedFrame,
    /// Video and others that have no decoder here.
    Unknown,
}

/// A transfer syntax by its UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Syntax {
    pub uid: String,
    pub codec: Codec,
    /// The data set after the meta header is deflated (PS3.5 A.5).
    pub deflated: bool,
}

const ROOT: &str = "1.2.840.10008.1.2";

impl Syntax {
    pub(super) fn new(uid: &str) -> Self {
        let codec = match uid.strip_prefix(ROOT) {
            Some("" | ".1" | ".1.98" | ".1.99" | ".2") => Codec::Native,
            Some(".5") => Codec::Rle,
            Some(".4.50" | ".4.51" | ".4.53" | ".4.55" | ".4.57" | ".4.70") => Codec::Jpeg,
            Some(".4.80" | ".4.81") => Codec::JpegLs,
            Some(".4.90" | ".4.91" | ".4.92" | ".4.93" | ".4.201" | ".4.202" | ".4.203") => {
                Codec::Jpeg2000
            }
            Some(".4.110" | ".4.111" | ".4.112") => Codec::JpegXl,
            Some(".8.1") => Codec::DeflatedFrame,
            _ => Codec::Unknown,
        };
        Self {
            uid: uid.into(),
            codec,
            deflated: uid == "1.2.840.10008.1.2.1.99",
        }
    }

    /// The syntax that was guessed for a data set without meta header.
    pub(super) fn guessed(encoding: Encoding) -> Self {
        Self::new(match (encoding.explicit, encoding.big_endian) {
            (false, _) => "1.2.840.10008.1.2",
            (true, false) => "1.2.840.10008.1.2.1",
            (true, true) => "1.2.840.10008.1.2.2",
        })
    }

    /// How the data set is written. Every compressed syntax is explicit VR little endian (PS3.5 A.4).
    pub(super) fn encoding(&self) -> Encoding {
        match self.uid.strip_prefix(ROOT) {
            Some("") => Encoding::IMPLICIT,
            Some(".2") => Encoding::BIG,
            _ => Encoding::EXPLICIT,
        }
    }

    /// A word for messages about codecs that are missing.
    pub(super) fn missing(&self) -> &'static str {
        match self.uid.strip_prefix("1.2.840.10008.1.2.4.") {
            Some(number) if number.starts_with("10") => "video is not read",
            _ => "no decoder for it",
        }
    }
}

/// The codec that a compressed frame's first bytes name, whatever the header says.
pub(super) fn sniff(frame: &[u8]) -> Option<Codec> {
    match frame {
        [0xff, 0xd8, 0xff, rest @ ..] => {
            // JPEG-LS has a frame marker of its own: SOF55.
            let mut markers = crate::open::codec::markers(frame);
            let jpegls = rest.first() == Some(&0xf7)
                || markers.find(|m| matches!(m, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xf7)) == Some(0xf7);
            Some(if jpegls { Codec::JpegLs } else { Codec::Jpeg })
        }
        [0xff, 0x4f, 0xff, 0x51, ..] | [0, 0, 0, 12, b'j', b'P', ..] => Some(Codec::Jpeg2000),
        [0, 0, 0, 12, b'J', b'X', b'L', ..] | [0xff, 0x0a, ..] => Some(Codec::JpegXl),
        _ => None,
    }
}
