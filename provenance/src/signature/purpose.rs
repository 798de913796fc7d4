//! Digital signature purposes (PS3.16, CID 7007; ASTM E1762).

use std::str::FromStr;

use dicom_core::{Tag, VR};

use super::sign::text;
use super::stored::Item;

/// Why something was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose(u8);

const MEANINGS: [&str; 18] = [
    "Author's Signature",
    "Coauthor's Signature",
    "Co-participant's Signature",
    "Transcriptionist/Recorder Signature",
    "Verification Signature",
    "Validation Signature",
    "Consent Signature",
    "Signature Witness Signature",
    "Event Witness Signature",
    "Identity Witness Signature",
    "Consent Witness Signature",
    "Interpreter Signature",
    "Review Signature",
    "Source Signature",
    "Addendum Signature",
    "Modification Signature",
    "Administrative (Error/Edit) Signature",
    "Timestamp Signature",
];

impl Purpose {
    /// The purpose with this code, 1 to 18.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        (1..=18).contains(&code).then_some(Self(code))
    }

    /// Its code.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }

    /// Its meaning.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        MEANINGS[usize::from(self.0) - 1]
    }

    /// The item of Digital Signature Purpose Code Sequence.
    pub(crate) fn item<'a>(self) -> Item<'a> {
        let mut item = Item::default();
        item.put(text(Tag(0x0008, 0x0100), VR::SH, &self.0.to_string()));
        item.put(text(Tag(0x0008, 0x0102), VR::SH, "ASTM-sigpurpose"));
        item.put(text(Tag(0x0008, 0x0104), VR::LO, self.meaning()));
        item
    }
}

impl FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let code = text.parse().ok().and_then(Self::from_code);
        code.ok_or_else(|| {
            format!("unknown signature purpose '{text}'; there are 1 to 18 (PS3.16, CID 7007)")
        })
    }
}
