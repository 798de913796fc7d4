//! What the file says about where its pixels come from (PS3.3 C.7.6.1.1.2, C.7.6.1.1.3, C.12.1).

use super::super::catalogue::{
    DERIVATION, GENERATOR, SYNTHETIC, TYPE_INVALID, TYPE_ORIGINAL, TYPE_UNEXPLAINED,
};
use super::super::quote::generator;
use super::super::set::{Set, Tag};
use super::super::{Found, quote};

/// Attributes that only derived images have.
const DERIVED: [(Tag, &str); 3] = [
    (0x0008_2111, "Derivation Description"),
    (0x0008_9215, "Derivation Code Sequence"),
    (0x0008_2112, "Source Image Sequence"),
];
/// Free text that names what made an image.
const TEXTS: [(Tag, &str); 10] = [
    (0x0008_0070, "Manufacturer"),
    (0x0008_1090, "Manufacturer's Model Name"),
    (0x0018_1020, "Software Versions"),
    (0x0008_2111, "Derivation Description"),
    (0x0008_103e, "Series Description"),
    (0x0008_1030, "Study Description"),
    (0x0020_4000, "Image Comments"),
    (
        0x0018_1018,
        "Secondary Capture Device Manufacturer's Model Name",
    ),
    (0x0018_1016, "Secondary Capture Device Manufacturer"),
    (0x0018_1019, "Secondary Capture Device Software Versions"),
];

pub(super) fn check(set: &Set<'_>, found: &mut Found) {
    let values = set.values(0x0008_0008);
    let value = |index: usize| values.get(index).map_or("", String::as_str);
    if !values.is_empty() {
        let first = ["ORIGINAL", "DERIVED", "MIXED"].contains(&value(0));
        let second = ["PRIMARY", "SECONDARY", "MIXED"].contains(&value(1));
        if !first || !second {
            let shown = quote(&values.join("\\"));
            found.push(TYPE_INVALID.note(format!("Image Type begins with {shown}")));
        }
    }
    let signs: Vec<&str> = DERIVED
        .iter()
        .filter(|(tag, _)| set.filled(*tag))
        .map(|&(_, name)| name)
        .collect();
    match value(0) {
        "ORIGINAL" if !signs.is_empty() => found.push(TYPE_ORIGINAL.note(format!(
            "Image Type says ORIGINAL, but there is a {}",
            signs.join(" and a ")
        ))),
        "DERIVED" if signs.is_empty() && !set.has(0x5200_9229) => {
            found.push(TYPE_UNEXPLAINED.note("Image Type says DERIVED; from what is not said"));
        }
        _ => {}
    }
    if let Some(text) = set.text(0x0008_2111) {
        found.push(DERIVATION.note(format!("Derivation Description: {}", quote(&text))));
    }
    if set.text(0x0008_001c).as_deref() == Some("YES") {
        found.push(SYNTHETIC.note("Synthetic Data (0008,001C) is YES"));
    }
    if values.iter().any(|value| value == "SYNTHETIC") {
        found.push(SYNTHETIC.note("Image Type holds the value SYNTHETIC"));
    }
    let contributors = set.items(0x0018_a001);
    let nested = contributors.iter().flat_map(|item| {
        [0x0008_0070, 0x0008_1090, 0x0018_a003]
            .map(|tag| ("Contributing Equipment", item.text(tag)))
    });
    let own = TEXTS.iter().map(|&(tag, name)| (name, set.text(tag)));
    for (name, text) in own.chain(nested) {
        if let Some(text) = text
            && let Some(word) = generator(&text)
        {
            found.push(GENERATOR.note(format!(
                "{name} names image generation (“{word}”): {}",
                quote(&text)
            )));
        }
    }
}
