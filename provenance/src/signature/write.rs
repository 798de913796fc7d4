//! Writing a data set back: what was not touched keeps its bytes.

use dicom_core::{Tag, VR};

use super::stored::{Element, Encoding, Item, Value, has_long_form, swapped};

const UNDEFINED: u32 = u32::MAX;

/// Appends the data set to `out` in this encoding.
pub(crate) fn dataset(item: &Item<'_>, encoding: Encoding, out: &mut Vec<u8>) {
    for element in &item.elements {
        write_element(element, encoding, out);
    }
}

fn u16_(value: u16, encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::ExplicitBig => out.extend(value.to_be_bytes()),
        _ => out.extend(value.to_le_bytes()),
    }
}

fn u32_(value: u32, encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::ExplicitBig => out.extend(value.to_be_bytes()),
        _ => out.extend(value.to_le_bytes()),
    }
}

fn tag_(tag: Tag, encoding: Encoding, out: &mut Vec<u8>) {
    u16_(tag.group(), encoding, out);
    u16_(tag.element(), encoding, out);
}

fn header(tag: Tag, vr: VR, length: usize, encoding: Encoding, out: &mut Vec<u8>) {
    let length = u32::try_from(length).unwrap_or(UNDEFINED);
    tag_(tag, encoding, out);
    if encoding == Encoding::ImplicitLittle {
        return u32_(length, encoding, out);
    }
    let short = u16::try_from(length).ok().filter(|_| !has_long_form(vr));
    match short {
        Some(length) => {
            out.extend(vr.to_string().as_bytes());
            u16_(length, encoding, out);
        }
        None => {
            // A value too long for its VR's 16-bit length is written as UN (PS3.5, 6.2.2).
            let vr = if has_long_form(vr) { vr } else { VR::UN };
            out.extend(vr.to_string().as_bytes());
            out.extend([0, 0]);
            u32_(length, encoding, out);
        }
    }
}

fn write_element(element: &Element<'_>, encoding: Encoding, out: &mut Vec<u8>) {
    if !element.raw.is_empty() {
        out.extend(element.raw);
        return;
    }
    match &element.value {
        Value::Bytes(bytes) => {
            let odd = bytes.len() % 2 == 1;
            header(
                element.tag,
                element.vr,
                bytes.len() + usize::from(odd),
                encoding,
                out,
            );
            match encoding {
                Encoding::ExplicitBig => out.extend(swapped(element.vr, bytes)),
                _ => out.extend(bytes.iter()),
            }
            if odd {
                out.push(padding(element.vr));
            }
        }
        Value::Items(items) => {
            // Items of a sequence that was stored as UN are always implicit (PS3.5, 6.2.2).
            let inner = if element.vr == VR::UN {
                Encoding::ImplicitLittle
            } else {
                encoding
            };
            let mut body = Vec::new();
            for item in items {
                write_item(item, inner, &mut body);
            }
            let length = if element.undefined {
                UNDEFINED as usize
            } else {
                body.len()
            };
            header(element.tag, element.vr, length, encoding, out);
            out.extend(body);
            if element.undefined {
                tag_(Tag(0xFFFE, 0xE0DD), inner, out);
                u32_(0, inner, out);
            }
        }
        Value::Fragments(fragments) => {
            header(element.tag, element.vr, UNDEFINED as usize, encoding, out);
            for fragment in fragments {
                tag_(Tag(0xFFFE, 0xE000), encoding, out);
                u32_(
                    u32::try_from(fragment.len()).unwrap_or(UNDEFINED),
                    encoding,
                    out,
                );
                out.extend(fragment.iter());
            }
            tag_(Tag(0xFFFE, 0xE0DD), encoding, out);
            u32_(0, encoding, out);
        }
    }
}

fn write_item(item: &Item<'_>, encoding: Encoding, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    dataset(item, encoding, &mut body);
    tag_(Tag(0xFFFE, 0xE000), encoding, out);
    let length = if item.undefined {
        UNDEFINED
    } else {
        u32::try_from(body.len()).unwrap_or(UNDEFINED)
    };
    u32_(length, encoding, out);
    out.extend(body);
    if item.undefined {
        tag_(Tag(0xFFFE, 0xE00D), encoding, out);
        u32_(0, encoding, out);
    }
}

/// The byte that fills a value of odd length (PS3.5, 6.2): a space for text, else zero.
pub(crate) fn padding(vr: VR) -> u8 {
    match vr {
        VR::AE
        | VR::AS
        | VR::CS
        | VR::DA
        | VR::DS
        | VR::DT
        | VR::IS
        | VR::LO
        | VR::LT
        | VR::PN
        | VR::SH
        | VR::ST
        | VR::TM
        | VR::UC
        | VR::UR
        | VR::UT => b' ',
        _ => 0,
    }
}
