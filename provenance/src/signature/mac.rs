//! The byte stream over which a signature's MAC is computed (PS3.3, C.12.1.1.3.1.1).
//!
//! The named elements in data-set order, then the signature item's own elements except the
//! certificate, the signature and the timestamp; explicit VR little endian, without lengths of
//! sequences and items and without item delimiters, so that neither length form changes the MAC.

use dicom_core::{Tag, VR};

use super::stored::{Element, Item, Value, has_long_form};
use super::write::padding;

pub(crate) const MAC_PARAMETERS: Tag = Tag(0x4FFE, 0x0001);
pub(crate) const MAC_ID: Tag = Tag(0x0400, 0x0005);
pub(crate) const MAC_TRANSFER_SYNTAX: Tag = Tag(0x0400, 0x0010);
pub(crate) const MAC_ALGORITHM: Tag = Tag(0x0400, 0x0015);
pub(crate) const ELEMENTS_SIGNED: Tag = Tag(0x0400, 0x0020);
pub(crate) const SIGNATURE_UID: Tag = Tag(0x0400, 0x0100);
pub(crate) const SIGNATURE_TIME: Tag = Tag(0x0400, 0x0105);
pub(crate) const CERTIFICATE_TYPE: Tag = Tag(0x0400, 0x0110);
pub(crate) const CERTIFICATE: Tag = Tag(0x0400, 0x0115);
pub(crate) const SIGNATURE: Tag = Tag(0x0400, 0x0120);
pub(crate) const TIMESTAMP_TYPE: Tag = Tag(0x0400, 0x0305);
pub(crate) const TIMESTAMP: Tag = Tag(0x0400, 0x0310);
pub(crate) const PURPOSE: Tag = Tag(0x0400, 0x0401);
pub(crate) const DIGITAL_SIGNATURES: Tag = Tag(0xFFFA, 0xFFFA);

/// Whether no signature may ever name this tag (PS3.3, C.12.1.1.3.1.1).
#[must_use]
pub fn is_never_signable(tag: Tag) -> bool {
    tag.element() == 0
        || tag == Tag(0x0008, 0x0001)
        || tag.group() < 0x0008
        || tag.group() == 0xFFFA
        || tag == MAC_PARAMETERS
        || tag == Tag(0xFFFC, 0xFFFC)
}

/// Whether this element can be signed as it is stored: a value whose VR is unknown cannot, because
/// the VR is part of the stream.
#[must_use]
pub fn is_signable(element: &Element<'_>) -> bool {
    !is_never_signable(element.tag) && !holds_unknown(element)
}

/// Whether the element, or anything in it, has lost its VR.
pub(crate) fn holds_unknown(element: &Element<'_>) -> bool {
    element.vr == VR::UN
        || match &element.value {
            Value::Items(items) => items
                .iter()
                .flat_map(|i| &i.elements)
                .any(|e| !is_never_signable(e.tag) && holds_unknown(e)),
            _ => false,
        }
}

/// Feeds the stream of one signature to `sink`.
///
/// `signed` are the tags of Data Elements Signed; those that are absent are skipped, as every
/// known implementation does, so a removed element shows as a MAC that does not match.
pub fn mac_stream(
    container: &Item<'_>,
    signed: &[Tag],
    signature: &Item<'_>,
    sink: &mut dyn FnMut(&[u8]),
) {
    let mut tags = signed.to_vec();
    tags.sort_unstable();
    let mut elements: Vec<&Element<'_>> = container
        .elements
        .iter()
        .filter(|e| tags.binary_search(&e.tag).is_ok() && is_signable(e))
        .collect();
    elements.sort_by_key(|e| e.tag);
    for element in elements {
        write_element(element, sink);
    }
    let mut own: Vec<&Element<'_>> = signature
        .elements
        .iter()
        .filter(|e| {
            is_signable(e) && ![CERTIFICATE, SIGNATURE, TIMESTAMP_TYPE, TIMESTAMP].contains(&e.tag)
        })
        .collect();
    own.sort_by_key(|e| e.tag);
    for element in own {
        write_element(element, sink);
    }
}

/// The whole stream, for tests and for comparing with other programs.
#[must_use]
pub fn mac_bytes(container: &Item<'_>, signed: &[Tag], signature: &Item<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    mac_stream(container, signed, signature, &mut |bytes| {
        out.extend_from_slice(bytes);
    });
    out
}

fn put_tag(tag: Tag, sink: &mut dyn FnMut(&[u8])) {
    sink(&tag.group().to_le_bytes());
    sink(&tag.element().to_le_bytes());
}

fn write_element(element: &Element<'_>, sink: &mut dyn FnMut(&[u8])) {
    put_tag(element.tag, sink);
    match &element.value {
        Value::Bytes(bytes) => {
            let odd = bytes.len() % 2 == 1;
            let length = bytes.len() + usize::from(odd);
            sink(element.vr.to_string().as_bytes());
            if has_long_form(element.vr) {
                sink(&[0, 0]);
                sink(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
            } else {
                sink(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
            }
            sink(bytes);
            if odd {
                sink(&[padding(element.vr)]);
            }
        }
        Value::Items(items) => {
            sink(b"SQ\0\0");
            for item in items {
                put_tag(Tag(0xFFFE, 0xE000), sink);
                // What can never be signed takes no part here either: group lengths, padding, and
                // the signatures of items, which may be added after that of the data set.
                let mut elements: Vec<&Element<'_>> = item
                    .elements
                    .iter()
                    .filter(|e| !is_never_signable(e.tag))
                    .collect();
                elements.sort_by_key(|e| e.tag);
                for element in elements {
                    write_element(element, sink);
                }
            }
            put_tag(Tag(0xFFFE, 0xE0DD), sink);
        }
        Value::Fragments(fragments) => {
            sink(b"OB\0\0");
            for fragment in fragments {
                put_tag(Tag(0xFFFE, 0xE000), sink);
                sink(fragment);
            }
            put_tag(Tag(0xFFFE, 0xE0DD), sink);
        }
    }
}
