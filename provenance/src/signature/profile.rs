//! Digital signature profiles (PS3.15, Annex C): what each wants signed, and with what.
//!
//! No attribute names the profile, so a verifier infers it from what was signed.

use dicom_core::Tag;
use serde::{Deserialize, Serialize};

use super::algorithm::PublicKey;
use super::mac::{DIGITAL_SIGNATURES, MAC_PARAMETERS, is_never_signable, is_signable};
use super::modules;
use super::stored::Item;

/// A digital signature profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Profile {
    /// No profile's rules.
    None,
    /// Base RSA Digital Signature Profile (C.1).
    Base,
    /// Authorization RSA Digital Signature Profile (C.3).
    Authorization,
    /// Creator RSA Digital Signature Profile (C.2).
    Creator,
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "base" => Ok(Self::Base),
            "creator" => Ok(Self::Creator),
            "authorization" => Ok(Self::Authorization),
            other => Err(format!(
                "unknown profile '{other}'; there are none, base, creator and authorization"
            )),
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Base => "base",
            Self::Authorization => "authorization",
            Self::Creator => "creator",
        })
    }
}

/// What both image profiles always want: SOP class and instance, study and series.
const ALWAYS: [Tag; 4] = [
    Tag(0x0008, 0x0016),
    Tag(0x0008, 0x0018),
    Tag(0x0020, 0x000D),
    Tag(0x0020, 0x000E),
];
/// Instance Creation Date and Time.
const CREATION: [Tag; 2] = [Tag(0x0008, 0x0012), Tag(0x0008, 0x0013)];
/// Creator-Version UID occurs only in the Raw Data Module, whose data are private elements.
const CREATOR_VERSION: Tag = Tag(0x0008, 0x9123);
/// Elements of the retired Curve Module.
const CURVE: [u16; 15] = [
    0x0005, 0x0010, 0x0022, 0x0030, 0x0040, 0x0103, 0x0104, 0x0105, 0x0106, 0x0110, 0x0112, 0x0114,
    0x2500, 0x2600, 0x3000,
];

impl Profile {
    /// Whether the profile wants this element signed when it is present.
    fn wants(self, tag: Tag, raw_data: bool) -> bool {
        if !matches!(self, Self::Creator | Self::Authorization) {
            return false;
        }
        let (group, number) = (tag.group(), tag.element());
        let even = group % 2 == 0;
        let listed = |list: &[u32], tag: Tag| {
            list.contains(&(u32::from(tag.group()) << 16 | u32::from(tag.element())))
        };
        // Overlays repeat in even groups from 6000 to 601E, curves from 5000 to 501E.
        let base = if (0x6000..0x6020).contains(&group) && even {
            Tag(0x6000, number)
        } else {
            tag
        };
        ALWAYS.contains(&tag)
            || listed(modules::CONTENT, base)
            || ((0x5000..0x5020).contains(&group) && even && CURVE.contains(&number))
            || (raw_data && !even)
            || (self == Self::Creator
                && (CREATION.contains(&tag) || listed(modules::EQUIPMENT, tag)))
    }

    /// The tags that a signature of this profile signs in this data set.
    #[must_use]
    pub fn tags(self, dataset: &Item<'_>) -> Vec<Tag> {
        let raw_data = dataset.get(CREATOR_VERSION).is_some();
        dataset
            .elements
            .iter()
            .map(|e| e.tag)
            .filter(|&t| self.wants(t, raw_data) && !is_never_signable(t))
            .collect()
    }

    /// What the profile wants and the signature lacks.
    #[must_use]
    pub fn missing(self, dataset: &Item<'_>, signed: &[Tag]) -> Vec<Tag> {
        if !matches!(self, Self::Creator | Self::Authorization) {
            return Vec::new();
        }
        let mut signed = signed.to_vec();
        signed.sort_unstable();
        let is_signed = |tag: &Tag| signed.binary_search(tag).is_ok();
        let absent = ALWAYS
            .into_iter()
            .filter(|tag| dataset.get(*tag).is_none() || !is_signed(tag));
        let unsigned = self
            .tags(dataset)
            .into_iter()
            .filter(|tag| !is_signed(tag) && !ALWAYS.contains(tag));
        absent.chain(unsigned).collect()
    }

    /// The profiles that a signature keeps, weakest first. All but `None` want an RSA key; the two
    /// image profiles sign whole data sets only.
    #[must_use]
    pub fn kept(
        dataset: &Item<'_>,
        signed: &[Tag],
        key: Option<&PublicKey>,
        whole: bool,
    ) -> Vec<Self> {
        let mut out = vec![Self::None];
        if key.is_some_and(PublicKey::is_rsa) {
            out.push(Self::Base);
            if whole {
                out.extend(
                    [Self::Authorization, Self::Creator]
                        .into_iter()
                        .filter(|p| p.missing(dataset, signed).is_empty()),
                );
            }
        }
        out
    }
}

/// Every element of the data set that can be signed.
#[must_use]
pub fn signable_tags(dataset: &Item<'_>) -> Vec<Tag> {
    let ours = [MAC_PARAMETERS, DIGITAL_SIGNATURES];
    dataset
        .elements
        .iter()
        .filter(|e| is_signable(e) && !ours.contains(&e.tag))
        .map(|e| e.tag)
        .collect()
}
