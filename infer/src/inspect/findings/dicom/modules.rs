//! Required attributes of the mandatory modules of common image IODs (PS3.3).

mod tables;

use super::super::catalogue::{MODULE_TYPE1, MODULE_TYPE2, Note};
use super::super::set::{Set, Tag, spell};
use Condition::{
    Always, Arbitrary, Inversion, Original, Palette, Plural, Projection, Repetition, Scanned,
};
use Type::{One, Two};
use tables::{ANY, IODS};

/// How strictly an attribute is required (PS3.5 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    /// There, with a value.
    One,
    /// There, a value only if known.
    Two,
}

/// When an attribute is required; only conditions that the data set itself decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// Samples per Pixel above 1.
    Plural,
    /// PALETTE COLOR.
    Palette,
    /// No Image Orientation (Patient), which would say the same.
    Projection,
    /// CT and MR without Patient Orientation Code Sequence.
    Scanned,
    /// Image Type starts with ORIGINAL or MIXED.
    Original,
    /// Not an echo-planar sequence that is not segmented.
    Repetition,
    /// Scanning Sequence holds IR.
    Inversion,
    /// No Pixel Data Provider URL or float pixels.
    Arbitrary,
}

type Attribute = (Tag, Type, Condition, &'static str);

struct Module {
    name: &'static str,
    section: &'static str,
    attributes: &'static [Attribute],
}

/// Checks the modules of the data set's SOP class; one finding for each module and type.
pub(super) fn check(set: &Set<'_>) -> Vec<Note> {
    let class = set.text(0x0008_0016).unwrap_or_default();
    let listed = IODS.iter().find(|(uid, _)| *uid == class);
    let modules = match listed {
        Some((_, modules)) => modules,
        None if set.has(0x7fe0_0010) => ANY,
        None => return Vec::new(),
    };
    let mut notes = Vec::new();
    for module in modules {
        let due = || {
            let attributes = module.attributes.iter();
            attributes.filter(|(_, _, condition, _)| holds(*condition, set, &class))
        };
        let first: Vec<String> = due()
            .filter(|(tag, kind, ..)| *kind == One && !set.filled(*tag))
            .map(|(tag, _, _, name)| {
                let state = if set.has(*tag) { "empty" } else { "absent" };
                format!("{name} {} {state}", spell(*tag))
            })
            .collect();
        if !first.is_empty() {
            notes.push(MODULE_TYPE1.note(sentence(module, "requires", &first)));
        }
        let second: Vec<String> = due()
            .filter(|(tag, kind, ..)| *kind == Two && !set.has(*tag))
            .map(|(tag, _, _, name)| format!("{name} {} absent", spell(*tag)))
            .collect();
        if !second.is_empty() {
            notes.push(MODULE_TYPE2.note(sentence(module, "wants at least empty", &second)));
        }
    }
    notes
}

fn sentence(module: &Module, verb: &str, missing: &[String]) -> String {
    let Module { name, section, .. } = module;
    format!("{name} (PS3.3 {section}) {verb}: {}", missing.join(", "))
}

fn holds(condition: Condition, set: &Set<'_>, class: &str) -> bool {
    let image_type = || set.values(0x0008_0008).first().cloned().unwrap_or_default();
    let sequence = || set.values(0x0018_0020);
    match condition {
        Always => true,
        Plural => set.u16(0x0028_0002).is_some_and(|samples| samples > 1),
        Palette => set.text(0x0028_0004).as_deref() == Some("PALETTE COLOR"),
        Projection => !set.has(0x0020_0037),
        Scanned => {
            // C.7.3.1.1.2 names these classes.
            let scanned = ["2", "2.1", "4", "4.1"];
            let class = class.strip_prefix("1.2.840.10008.5.1.4.1.1.");
            class.is_some_and(|c| scanned.contains(&c)) && !set.has(0x0054_0410)
        }
        Original => matches!(image_type().as_str(), "ORIGINAL" | "MIXED"),
        Repetition => {
            let echo_planar = sequence().iter().any(|s| s == "EP");
            !echo_planar || set.values(0x0018_0021).iter().any(|v| v == "SK")
        }
        Inversion => sequence().iter().any(|s| s == "IR"),
        Arbitrary => ![0x0028_7fe0, 0x7fe0_0008, 0x7fe0_0009]
            .iter()
            .any(|&t| set.has(t)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_and_free_of_duplicates() {
        for (uid, modules) in &IODS {
            assert!(uid.starts_with("1.2.840.10008.5.1.4.1.1."));
            for module in *modules {
                let mut tags: Vec<Tag> = module.attributes.iter().map(|a| a.0).collect();
                let count = tags.len();
                tags.sort_unstable();
                tags.dedup();
                assert_eq!(tags.len(), count, "{}", module.name);
                assert!(module.section.starts_with("C."));
            }
        }
    }
}
