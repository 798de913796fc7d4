//! XMP packets: only the statements about origin are looked for.

use super::catalogue::IMAGE_GENERATOR;
use super::{Found, quote, tiff};

/// Longest packet that is searched.
const LONGEST: usize = 1 << 20;

/// IPTC's digital source types that mean generation or editing by a trained algorithm.
pub(super) const SOURCE_TYPES: [&str; 4] = [
    "compositeWithTrainedAlgorithmicMedia",
    "trainedAlgorithmicMedia",
    "compositeSynthetic",
    "algorithmicallyEnhanced",
];

pub(super) fn packet(text: &str, found: &mut Found) {
    let end = (0..=LONGEST.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    let text = text.get(..end.unwrap_or(0)).unwrap_or_default();
    if let Some(kind) = SOURCE_TYPES.into_iter().find(|kind| text.contains(kind)) {
        found.push(IMAGE_GENERATOR.note(format!("XMP digital source type {}", quote(kind))));
    }
    for name in ["CreatorTool", "softwareAgent", "Credit"] {
        if let Some(value) = value(text, name) {
            tiff::software(&format!("XMP {name}"), value, found);
        }
    }
}

/// The first value of a property, written as an attribute or as an element.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.find(&format!(":{name}"))? + 1 + name.len();
    let rest = text.get(at..)?;
    if let Some(rest) = rest.strip_prefix('=') {
        let mark = rest.chars().next().filter(|&c| matches!(c, '"' | '\''))?;
        return rest.get(1..)?.split(mark).next();
    }
    rest.strip_prefix('>')?.split('<').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(
            value("<x xmp:CreatorTool='GIMP 2'/>", "CreatorTool"),
            Some("GIMP 2")
        );
        assert_eq!(
            value("<xmp:CreatorTool>A</xmp:CreatorTool>", "CreatorTool"),
            Some("A")
        );
        assert_eq!(value("xmp:CreatorTool", "CreatorTool"), None);
    }
}
