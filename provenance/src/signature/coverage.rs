//! What a signature says nothing about.
//!
//! A valid signature over the name leaves the pixels free to change, and anyone may add elements
//! that were not there. A verdict without coverage would therefore mislead.

use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use serde::{Deserialize, Serialize};

use super::mac::{DIGITAL_SIGNATURES, MAC_PARAMETERS, is_signable};
use super::stored::Item;

/// A group of elements that stand or fall together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Aspect {
    /// Pixel data and what is needed to read them.
    Pixels,
    /// Spacing, position, orientation, side.
    Geometry,
    /// Rescale, window, look-up tables and overlays: how stored values become shown ones.
    Rescale,
    /// Patient, study, series and instance.
    Identity,
}

impl std::fmt::Display for Aspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pixels => "pixels",
            Self::Geometry => "geometry",
            Self::Rescale => "rescale",
            Self::Identity => "identity",
        })
    }
}

impl std::str::FromStr for Aspect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pixels" => Ok(Self::Pixels),
            "geometry" => Ok(Self::Geometry),
            "rescale" | "lut" => Ok(Self::Rescale),
            "identity" => Ok(Self::Identity),
            other => Err(format!(
                "unknown coverage '{other}'; there are pixels, geometry, rescale and identity"
            )),
        }
    }
}

/// Elements of Pixel Data and of the Image Pixel Module that decide how bytes become samples.
const PIXEL_DATA: [Tag; 3] = [
    Tag(0x7FE0, 0x0008),
    Tag(0x7FE0, 0x0009),
    Tag(0x7FE0, 0x0010),
];
const PIXEL_LAYOUT: [Tag; 10] = [
    Tag(0x0028, 0x0002),
    Tag(0x0028, 0x0004),
    Tag(0x0028, 0x0006),
    Tag(0x0028, 0x0008),
    Tag(0x0028, 0x0010),
    Tag(0x0028, 0x0011),
    Tag(0x0028, 0x0100),
    Tag(0x0028, 0x0101),
    Tag(0x0028, 0x0102),
    Tag(0x0028, 0x0103),
];
const GEOMETRY: [Tag; 19] = [
    Tag(0x0018, 0x0050),
    Tag(0x0018, 0x0088),
    Tag(0x0018, 0x1114),
    Tag(0x0018, 0x1164),
    Tag(0x0018, 0x2010),
    Tag(0x0018, 0x5100),
    Tag(0x0018, 0x5101),
    Tag(0x0020, 0x0020),
    Tag(0x0020, 0x0032),
    Tag(0x0020, 0x0037),
    Tag(0x0020, 0x0052),
    Tag(0x0020, 0x0060),
    Tag(0x0020, 0x0062),
    Tag(0x0020, 0x1041),
    Tag(0x0028, 0x0030),
    Tag(0x0028, 0x0034),
    Tag(0x0018, 0x6011),
    Tag(0x5200, 0x9229),
    Tag(0x5200, 0x9230),
];
const RESCALE: [Tag; 26] = [
    Tag(0x0028, 0x0120),
    Tag(0x0028, 0x0121),
    Tag(0x0028, 0x1040),
    Tag(0x0028, 0x1041),
    Tag(0x0028, 0x1050),
    Tag(0x0028, 0x1051),
    Tag(0x0028, 0x1052),
    Tag(0x0028, 0x1053),
    Tag(0x0028, 0x1054),
    Tag(0x0028, 0x1056),
    Tag(0x0028, 0x1101),
    Tag(0x0028, 0x1102),
    Tag(0x0028, 0x1103),
    Tag(0x0028, 0x1201),
    Tag(0x0028, 0x1202),
    Tag(0x0028, 0x1203),
    Tag(0x0028, 0x1221),
    Tag(0x0028, 0x1222),
    Tag(0x0028, 0x1223),
    Tag(0x0028, 0x2000),
    Tag(0x0028, 0x3000),
    Tag(0x0028, 0x3010),
    Tag(0x2050, 0x0010),
    Tag(0x2050, 0x0020),
    Tag(0x0040, 0x9096),
    Tag(0x0054, 0x1001),
];
const IDENTITY: [Tag; 16] = [
    Tag(0x0008, 0x0016),
    Tag(0x0008, 0x0018),
    Tag(0x0008, 0x0020),
    Tag(0x0008, 0x0030),
    Tag(0x0008, 0x0050),
    Tag(0x0008, 0x0060),
    Tag(0x0010, 0x0010),
    Tag(0x0010, 0x0020),
    Tag(0x0010, 0x0021),
    Tag(0x0010, 0x0024),
    Tag(0x0010, 0x0030),
    Tag(0x0010, 0x0040),
    Tag(0x0010, 0x1000),
    Tag(0x0010, 0x1002),
    Tag(0x0020, 0x000D),
    Tag(0x0020, 0x000E),
];
/// Functional groups hold geometry and rescale of multi-frame images.
const FUNCTIONAL_GROUPS: [Tag; 2] = [Tag(0x5200, 0x9229), Tag(0x5200, 0x9230)];

/// Overlay planes (PS3.3, C.9.2), which repeat in even groups.
fn is_overlay(tag: Tag) -> bool {
    (0x6000..0x6020).contains(&tag.group()) && tag.group().is_multiple_of(2) && tag.element() != 0
}

impl Aspect {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Pixels, Self::Geometry, Self::Rescale, Self::Identity];

    fn holds(self, tag: Tag) -> bool {
        match self {
            Self::Pixels => PIXEL_DATA.contains(&tag) || PIXEL_LAYOUT.contains(&tag),
            Self::Geometry => GEOMETRY.contains(&tag),
            Self::Rescale => {
                RESCALE.contains(&tag) || FUNCTIONAL_GROUPS.contains(&tag) || is_overlay(tag)
            }
            Self::Identity => IDENTITY.contains(&tag),
        }
    }

    /// Without one of these present, there is nothing of this aspect to sign.
    fn is_core(self, tag: Tag) -> bool {
        match self {
            Self::Pixels => PIXEL_DATA.contains(&tag),
            Self::Identity => tag == Tag(0x0010, 0x0010) || tag == Tag(0x0010, 0x0020),
            // Overlays, where present, must be signed, but are no rescale by themselves.
            Self::Rescale => self.holds(tag) && !is_overlay(tag),
            _ => self.holds(tag),
        }
    }
}

/// An element, for reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ElementName {
    /// `(gggg,eeee)`.
    pub tag: String,
    /// Its keyword in the dictionary; empty for private elements.
    pub name: String,
}

/// The tag of a keyword of the dictionary, or of eight hexadecimal digits: `PatientID`, `00100020`.
///
/// # Errors
/// With what is wrong, in words.
pub fn tag_named(text: &str) -> Result<Tag, String> {
    let half = |range| u16::from_str_radix(text.get(range)?, 16).ok();
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = || Some(Tag(half(0..4)?, half(4..8)?));
    let found = match digits {
        true => number(),
        false => StandardDataDictionary
            .by_name(text)
            .map(DataDictionaryEntry::tag),
    };
    found.ok_or_else(|| {
        format!("'{text}' is neither a keyword such as PatientID nor eight digits such as 00100020")
    })
}

impl ElementName {
    pub(crate) fn of(tag: Tag) -> Self {
        let name = StandardDataDictionary
            .by_tag(tag)
            .map(|entry| entry.alias().to_owned())
            .unwrap_or_default();
        Self {
            tag: format!("({:04X},{:04X})", tag.group(), tag.element()),
            name,
        }
    }
}

impl std::fmt::Display for ElementName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.tag)?;
        if self.name.is_empty() {
            Ok(())
        } else {
            write!(f, " {}", self.name)
        }
    }
}

fn names(tags: &[Tag]) -> Vec<ElementName> {
    let first = tags.iter().take(MAX_NAMED);
    first.copied().map(ElementName::of).collect()
}

/// What a signature covers of its data set or item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Every pixel element present is signed, pixel data among them.
    pub pixels: bool,
    /// Every geometric element present is signed, and there is one.
    pub geometry: bool,
    /// Every rescale, window and table element present is signed, and there is one.
    pub rescale: bool,
    /// Every identifying element present is signed, name or ID among them.
    pub identity: bool,
    /// How many elements are signed.
    pub signed: usize,
    /// Elements that could have been signed and were not: their values may be anyone's.
    pub unsigned: Vec<ElementName>,
    /// How many there are; `unsigned` names the first [`MAX_NAMED`] only.
    pub unsigned_count: usize,
    /// Elements present that no signature can cover as stored, other than the signatures' own and
    /// group lengths: private elements without VR, trailing padding. Anything may hide there.
    pub unsignable: Vec<ElementName>,
    /// How many there are.
    pub unsignable_count: usize,
    /// Unsigned elements that were most likely added after signing: the signature covers most of
    /// the rest. An inference; the signer may also have left them out.
    pub added_since: Vec<ElementName>,
    /// Elements that the signature names and that are not there: removed, if the MAC fails.
    pub absent: Vec<ElementName>,
}

/// Most elements that each list of a [`Coverage`] names. A file may hold millions, and hundreds of
/// signatures that say nothing of them.
pub const MAX_NAMED: usize = 1000;

impl Coverage {
    /// Compares a data set or item with what a signature names.
    #[must_use]
    pub fn of(container: &Item<'_>, signed: &[Tag]) -> Self {
        let mut signed = signed.to_vec();
        signed.sort_unstable();
        let is_signed = |tag: Tag| signed.binary_search(&tag).is_ok();
        let covered = |aspect: Aspect| {
            let mut present = container
                .elements
                .iter()
                .map(|e| e.tag)
                .filter(|&t| aspect.holds(t));
            container.elements.iter().any(|e| aspect.is_core(e.tag)) && present.all(is_signed)
        };
        let open: Vec<_> = container
            .elements
            .iter()
            .filter(|e| !is_signed(e.tag))
            .collect();
        let unsigned: Vec<Tag> = open
            .iter()
            .filter(|e| is_signable(e))
            .map(|e| e.tag)
            .collect();
        let own =
            |tag: Tag| tag.element() == 0 || tag == MAC_PARAMETERS || tag == DIGITAL_SIGNATURES;
        let unsignable: Vec<Tag> = open
            .iter()
            .filter(|e| !is_signable(e) && !own(e.tag))
            .map(|e| e.tag)
            .collect();
        let count = container
            .elements
            .iter()
            .filter(|e| is_signed(e.tag))
            .count();
        let mut present: Vec<Tag> = container.elements.iter().map(|e| e.tag).collect();
        present.sort_unstable();
        let absent: Vec<Tag> = signed
            .iter()
            .filter(|tag| present.binary_search(tag).is_err())
            .copied()
            .collect();
        // A signer who signs everything names nearly all; one who picks names few.
        let added = if unsigned.len() * 4 <= count {
            unsigned.as_slice()
        } else {
            &[]
        };
        Self {
            pixels: covered(Aspect::Pixels),
            geometry: covered(Aspect::Geometry),
            rescale: covered(Aspect::Rescale),
            identity: covered(Aspect::Identity),
            signed: count,
            unsigned: names(&unsigned),
            unsigned_count: unsigned.len(),
            unsignable: names(&unsignable),
            unsignable_count: unsignable.len(),
            added_since: names(added),
            absent: names(&absent),
        }
    }

    /// Whether this aspect is covered.
    #[must_use]
    pub fn covers(&self, aspect: Aspect) -> bool {
        match aspect {
            Aspect::Pixels => self.pixels,
            Aspect::Geometry => self.geometry,
            Aspect::Rescale => self.rescale,
            Aspect::Identity => self.identity,
        }
    }
}
