//! A data set as it is stored: every value a slice of the file, nothing decoded.
//!
//! A MAC is computed over stored bytes (PS3.15, Annex C), and a signed file must differ from its
//! original in nothing but the signature. Both want a reader that keeps bytes and length forms,
//! which general DICOM objects, with their decoded text and numbers, do not.

use std::borrow::Cow;
use std::fmt;

use dicom_core::{Tag, VR};

/// Nesting allowed in sequences. Real files stay below ten.
pub(crate) const MAX_DEPTH: usize = 48;

/// How the bytes of a data set are encoded (PS3.5, section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Implicit VR little endian.
    ImplicitLittle,
    /// Explicit VR little endian.
    ExplicitLittle,
    /// Explicit VR big endian (retired).
    ExplicitBig,
}

impl Encoding {
    /// The encoding of a data set: what its transfer syntax prescribes, unless the first element
    /// plainly has no VR. Some writers compress pixels and keep implicit VR; DCMTK and others read
    /// such files without a word, so a verdict on them is owed.
    #[must_use]
    pub fn detect(transfer_syntax: &str, body: &[u8]) -> Self {
        let letters = |vr: &[u8]| vr.iter().all(u8::is_ascii_uppercase);
        match (Self::of(transfer_syntax), body.get(4..6)) {
            (Self::ExplicitLittle, Some(vr)) if !letters(vr) => Self::ImplicitLittle,
            (encoding, _) => encoding,
        }
    }

    /// The encoding that a transfer syntax prescribes.
    #[must_use]
    pub fn of(transfer_syntax: &str) -> Self {
        match transfer_syntax {
            "1.2.840.10008.1.2" => Self::ImplicitLittle,
            "1.2.840.10008.1.2.2" => Self::ExplicitBig,
            _ => Self::ExplicitLittle,
        }
    }
}

/// Whether the transfer syntax holds pixel data as fragments (PS3.5, A.4).
#[must_use]
pub fn is_encapsulated(transfer_syntax: &str) -> bool {
    !matches!(
        transfer_syntax,
        "1.2.840.10008.1.2"
            | "1.2.840.10008.1.2.1"
            | "1.2.840.10008.1.2.2"
            | "1.2.840.10008.1.2.1.99"
            | "1.2.840.10008.1.2.1.98"
    )
}

/// Which VR an implicit-VR reader takes where the dictionary allows two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VrChoice {
    /// Pixel and overlay data are `OB`, not `OW`.
    pub bytes_for_pixels: bool,
    /// 'US or SS' is the other one than Pixel Representation says.
    pub flip_sign: bool,
    /// Look-up table data are `US`, not `OW`.
    pub short_for_tables: bool,
}

/// A data element.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Its VR as stored, or as the dictionary has it.
    pub vr: VR,
    /// Its value.
    pub value: Value<'a>,
    /// Whether a sequence was stored with undefined length.
    pub(crate) undefined: bool,
    /// The element as it stands in the file; empty when it was made here or changed.
    pub(crate) raw: &'a [u8],
}

/// A value, little endian.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// Bytes of a plain value.
    Bytes(Cow<'a, [u8]>),
    /// Items of a sequence.
    Items(Vec<Item<'a>>),
    /// Fragments of encapsulated pixel data, the offset table first.
    Fragments(Vec<Cow<'a, [u8]>>),
}

/// An item of a sequence.
#[derive(Debug, Clone, Default)]
pub struct Item<'a> {
    /// Its elements, in stored order.
    pub elements: Vec<Element<'a>>,
    /// Whether it was stored with undefined length.
    pub(crate) undefined: bool,
}

impl<'a> Item<'a> {
    /// The first element with this tag.
    #[must_use]
    pub fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements.iter().find(|e| e.tag == tag)
    }

    /// The bytes of a plain value.
    #[must_use]
    pub fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        self.get(tag)?.bytes()
    }

    /// A value as text without its padding. Bytes outside ASCII are replaced, so it is for
    /// identifiers, codes and messages, not for names.
    #[must_use]
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.bytes(tag)?).into_owned();
        Some(text.trim_matches([' ', '\0']).to_owned())
    }

    /// The first 16-bit number of a value.
    #[must_use]
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        Some(u16::from_le_bytes(
            self.bytes(tag)?.first_chunk::<2>().copied()?,
        ))
    }

    /// The items of a sequence; empty when absent.
    #[must_use]
    pub fn items(&self, tag: Tag) -> &[Item<'a>] {
        match self.get(tag).map(|e| &e.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// The first tag that occurs twice. Readers differ about which occurrence counts.
    #[must_use]
    pub fn duplicate(&self) -> Option<Tag> {
        let mut tags: Vec<Tag> = self.elements.iter().map(|e| e.tag).collect();
        tags.sort_unstable();
        tags.windows(2)
            .find(|pair| pair[0] == pair[1])
            .map(|pair| pair[0])
    }

    /// Puts an element where its tag belongs, in place of any other with that tag.
    pub(crate) fn put(&mut self, element: Element<'a>) {
        self.elements.retain(|e| e.tag != element.tag);
        let at = self
            .elements
            .iter()
            .position(|e| e.tag > element.tag)
            .unwrap_or(self.elements.len());
        self.elements.insert(at, element);
    }
}

impl<'a> Element<'a> {
    /// A new element with a plain value.
    pub(crate) fn plain(tag: Tag, vr: VR, value: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            tag,
            vr,
            value: Value::Bytes(value.into()),
            undefined: false,
            raw: &[],
        }
    }

    /// A new sequence.
    pub(crate) fn sequence(tag: Tag, items: Vec<Item<'a>>) -> Self {
        Self {
            tag,
            vr: VR::SQ,
            value: Value::Items(items),
            undefined: false,
            raw: &[],
        }
    }

    /// The bytes of a plain value.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A data set and its transfer syntax.
#[derive(Debug, Clone)]
pub struct StoredFile<'a> {
    /// The transfer syntax of the data set.
    pub transfer_syntax: String,
    /// The data set.
    pub dataset: Item<'a>,
}

/// Why bytes could not be read as a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where in the data set, in bytes.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// Whether the VR has a 32-bit length field in explicit encodings (PS3.5, 7.1.2).
pub(crate) fn has_long_form(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SQ
            | VR::SV
            | VR::UC
            | VR::UN
            | VR::UR
            | VR::UT
            | VR::UV
    )
}

/// Bytes per number of a VR, for turning big endian into little endian and back.
fn unit(vr: VR) -> usize {
    match vr {
        VR::AT | VR::OW | VR::SS | VR::US => 2,
        VR::FL | VR::OF | VR::OL | VR::SL | VR::UL => 4,
        VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
        _ => 1,
    }
}

/// The value with the byte order of its numbers reversed.
pub(crate) fn swapped(vr: VR, value: &[u8]) -> Vec<u8> {
    let mut out = value.to_vec();
    let unit = unit(vr);
    if unit > 1 {
        out.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
    }
    out
}
