//! The file around the data set, and the order of its elements (PS3.10 7; PS3.5 7).

use veraray_provenance::signature::Item;

use super::super::catalogue::{
    FILE_DUAL_TIFF, FILE_POLYGLOT, META_MISSING, META_SYNTAX, SET_DUPLICATE, SET_ORDER,
    SET_TRAILING,
};
use super::super::set::{Parts, Set, Tag, spell};
use super::super::{Found, magic, tiff};

/// Padding fills a block of a medium; what is longer holds something else.
const LONG_PADDING: usize = 32 << 10;

pub(super) fn check(
    parts: &Parts<'_>,
    item: &Item<'_>,
    meta: Option<&Set<'_>>,
    set: &Set<'_>,
    found: &mut Found,
) {
    match parts.preamble {
        None => found.push(META_MISSING.note("no preamble and no file meta information")),
        Some(preamble) => {
            if tiff::is_tiff(preamble) {
                found.push(FILE_DUAL_TIFF.note("the preamble is a TIFF header"));
            } else if let Some(what) = magic(preamble) {
                found.push(FILE_POLYGLOT.note(format!("the DICOM preamble begins like {what}")));
            }
            let absent: Vec<&str> = [
                (0x0002_0002, "Media Storage SOP Class UID"),
                (0x0002_0003, "Media Storage SOP Instance UID"),
                (0x0002_0010, "Transfer Syntax UID"),
                (0x0002_0012, "Implementation Class UID"),
            ]
            .into_iter()
            .filter(|(tag, _)| !meta.is_some_and(|meta| meta.filled(*tag)))
            .map(|(_, name)| name)
            .collect();
            if !absent.is_empty() {
                let list = absent.join(", ");
                found.push(META_MISSING.note(format!("file meta information lacks {list}")));
            }
        }
    }
    let stored = |explicit: bool| if explicit { "explicit" } else { "implicit" };
    if let (Some(syntax), Some(vr)) = (&parts.transfer_syntax, parts.body.get(4..6)) {
        let said = syntax != "1.2.840.10008.1.2";
        let is = vr.iter().all(u8::is_ascii_uppercase);
        if said != is {
            found.push(META_SYNTAX.note(format!(
                "the data set has {} value representations, the transfer syntax says {}",
                stored(is),
                stored(said)
            )));
        }
    }
    order(item, found);
    trailing(set, found);
}

fn order(item: &Item<'_>, found: &mut Found) {
    let tags: Vec<Tag> = item
        .elements
        .iter()
        .map(|e| Tag::from(e.tag.group()) << 16 | Tag::from(e.tag.element()))
        .collect();
    if let Some(tag) = item.duplicate() {
        let tag = Tag::from(tag.group()) << 16 | Tag::from(tag.element());
        found.push(SET_DUPLICATE.note(format!("{} stands twice in the data set", spell(tag))));
    }
    if let Some(pair) = tags.windows(2).find(|pair| pair[0] > pair[1]) {
        let (a, b) = (spell(pair[0]), spell(pair[1]));
        found.push(SET_ORDER.note(format!("{b} follows {a}")));
    }
}

/// What follows the pixels: padding is meant for media, anything else is unusual.
fn trailing(set: &Set<'_>, found: &mut Found) {
    // Behind the pixels the standard puts padding, signatures and nothing else.
    let late: Vec<String> = set
        .iter()
        .map(|(tag, _)| tag)
        .filter(|&tag| tag > 0x7fe0_0010 && !matches!(tag, 0xfffa_fffa | 0xfffc_fffc))
        .map(spell)
        .take(4)
        .collect();
    if !late.is_empty() {
        found.push(SET_TRAILING.note(format!("{} after the pixel data", late.join(", "))));
    }
    let Some(padding) = set.bytes(0xfffc_fffc) else {
        return;
    };
    let start = padding
        .iter()
        .position(|&b| b != 0)
        .unwrap_or(padding.len());
    let rest = padding.get(start..).unwrap_or_default();
    if let Some(what) = magic(rest) {
        found.push(FILE_POLYGLOT.note(format!(
            "Data Set Trailing Padding holds {} bytes that begin like {what}",
            rest.len()
        )));
    } else if rest.len() > LONG_PADDING {
        found.push(SET_TRAILING.note(format!(
            "Data Set Trailing Padding holds {} bytes that are not zero",
            rest.len()
        )));
    }
}
