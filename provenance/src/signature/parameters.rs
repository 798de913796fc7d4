//! What a signature item and its MAC Parameters item say (PS3.3, C.12.1.1.3).

use dicom_core::Tag;

use super::algorithm::DigestAlgorithm;
use super::mac;
use super::stored::Item;

/// Most tags one signature may name.
const MAX_SIGNED: usize = 100_000;
/// Transfer syntaxes without explicit VR little endian, and none at all.
const FORBIDDEN: [&str; 3] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", ""];

/// A signature's parameters.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) transfer_syntax: String,
    pub(crate) digest: Result<DigestAlgorithm, String>,
    /// In order, each once.
    pub(crate) signed: Vec<Tag>,
}

impl Parameters {
    /// Finds the MAC Parameters item that belongs to a signature.
    pub(crate) fn find(container: &Item<'_>, signature: &Item<'_>) -> Result<Self, String> {
        let id = signature
            .u16(mac::MAC_ID)
            .ok_or("the signature has no MAC ID number")?;
        let mut items = container
            .items(mac::MAC_PARAMETERS)
            .iter()
            .filter(|item| item.u16(mac::MAC_ID) == Some(id));
        let item = items
            .next()
            .ok_or_else(|| format!("no MAC parameters with ID {id}"))?;
        if items.next().is_some() {
            return Err(format!("several MAC parameters with ID {id}"));
        }
        let signed = signed_tags(item)?;
        let term = item.text(mac::MAC_ALGORITHM).unwrap_or_default();
        Ok(Self {
            transfer_syntax: item.text(mac::MAC_TRANSFER_SYNTAX).unwrap_or_default(),
            digest: DigestAlgorithm::from_term(&term)
                .ok_or_else(|| format!("unknown MAC algorithm '{term}'")),
            signed,
        })
    }

    /// Why nobody may compute a MAC in this transfer syntax: only explicit VR little endian forms
    /// are allowed (PS3.3, C.12.1.1.3.1.1).
    pub(crate) fn forbidden_syntax(&self) -> Option<String> {
        FORBIDDEN
            .contains(&self.transfer_syntax.as_str())
            .then(|| format!("MAC computed in transfer syntax '{}'", self.transfer_syntax))
    }
}

fn signed_tags(item: &Item<'_>) -> Result<Vec<Tag>, String> {
    let bytes = item.bytes(mac::ELEMENTS_SIGNED).unwrap_or_default();
    if bytes.is_empty() {
        return Err("the signature names no elements".to_owned());
    }
    if !bytes.len().is_multiple_of(4) || bytes.len() / 4 > MAX_SIGNED {
        return Err("broken list of signed elements".to_owned());
    }
    let mut tags: Vec<Tag> = bytes
        .chunks_exact(4)
        .map(|b| {
            Tag(
                u16::from_le_bytes([b[0], b[1]]),
                u16::from_le_bytes([b[2], b[3]]),
            )
        })
        .collect();
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}
