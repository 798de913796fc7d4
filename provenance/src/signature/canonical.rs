//! Differences between stored forms that mean nothing: surplus padding of text values, and names of
//! value representations that implicit VR loses.
//!
//! Trailing spaces of text (and NULs of UIDs) mean nothing (PS3.5, 6.2), and DCMTK, like others,
//! drops all but the one that evens the length when it reads a file. A signature over surplus
//! padding would therefore fail after any pass through such a program: we do not make one, and on
//! verification we try without it.

use std::borrow::Cow;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

use super::stored::{Element, Item, Value};
use super::write::padding;

/// Drops surplus padding of an element and everything in it; tells whether there was any.
pub(crate) fn trim_element(element: &mut Element<'_>) -> bool {
    let changed = match &mut element.value {
        Value::Items(items) => items
            .iter_mut()
            .fold(false, |changed, item| trim_item(item) | changed),
        Value::Bytes(bytes) if is_text(element.vr) => match trimmed(bytes, padding(element.vr)) {
            Some(shorter) => {
                *bytes = Cow::Owned(shorter);
                true
            }
            None => false,
        },
        _ => false,
    };
    if changed {
        element.raw = &[];
    }
    changed
}

/// Drops surplus padding everywhere in an item, and the group lengths that are then wrong.
pub(crate) fn trim_item(item: &mut Item<'_>) -> bool {
    trim_where(item, |_| true)
}

/// Like [`trim_item`], of the elements that `wanted` names.
pub(crate) fn trim_where(item: &mut Item<'_>, wanted: impl Fn(Tag) -> bool) -> bool {
    let mut groups = Vec::new();
    for element in item.elements.iter_mut().filter(|e| wanted(e.tag)) {
        if trim_element(element) {
            groups.push(element.tag.group());
        }
    }
    item.elements
        .retain(|e| e.tag.element() != 0 || !groups.contains(&e.tag.group()));
    !groups.is_empty()
}

/// Which VR changed names without changing bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Renaming {
    /// `OB` and `OW`, of pixels, overlays and the like. Little endian has them alike (PS3.5, A.1).
    pub(crate) pixels: bool,
    /// `US` and `OW`, of look-up tables.
    pub(crate) tables: bool,
}

/// Exchanges value representations that a pass through implicit VR exchanges, where the dictionary
/// allows either and the bytes are the same (PS3.6). `US` and `SS` are left alone: they read
/// differently. Tells whether there were any.
pub(crate) fn rename(item: &mut Item<'_>, which: Renaming) -> bool {
    let mut changed = false;
    for element in &mut item.elements {
        if let Value::Items(items) = &mut element.value {
            for item in items {
                changed |= rename(item, which);
            }
            continue;
        }
        let kind = StandardDataDictionary
            .by_tag(element.tag)
            .map(DataDictionaryEntry::vr);
        let renamed = match (kind, element.vr) {
            (Some(VirtualVr::Px | VirtualVr::Ox), VR::OB) if which.pixels => VR::OW,
            (Some(VirtualVr::Px | VirtualVr::Ox), VR::OW) if which.pixels => VR::OB,
            (Some(VirtualVr::Lt), VR::US) if which.tables => VR::OW,
            (Some(VirtualVr::Lt), VR::OW) if which.tables => VR::US,
            _ => continue,
        };
        if matches!(element.value, Value::Bytes(_)) {
            element.vr = renamed;
            element.raw = &[];
            changed = true;
        }
    }
    changed
}

fn is_text(vr: VR) -> bool {
    vr == VR::UI || padding(vr) == b' '
}

fn trimmed(bytes: &[u8], pad: u8) -> Option<Vec<u8>> {
    let kept = bytes
        .iter()
        .rposition(|&b| b != pad)
        .map_or(0, |last| last + 1);
    let even = kept + kept % 2;
    (even < bytes.len()).then(|| bytes[..even].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_one_byte_of_padding() {
        assert_eq!(trimmed(b"AB  ", b' '), Some(b"AB".to_vec()));
        assert_eq!(trimmed(b"ABC ", b' '), None);
        assert_eq!(trimmed(b"ABC   ", b' '), Some(b"ABC ".to_vec()));
        assert_eq!(trimmed(b"  ", b' '), Some(Vec::new()));
        assert_eq!(trimmed(b"", b' '), None);
    }
}
