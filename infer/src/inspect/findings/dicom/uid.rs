//! UIDs: form, origin and agreement (PS3.5 9, PS3.3 C.12.1).

use super::super::catalogue::{
    UID_DEIDENTIFIED, UID_INVALID, UID_LEVELS, UID_META, UID_TOOLKIT, UID_VENDOR,
};
use super::super::set::{Set, Tag, spell};
use super::super::{Found, quote};
use super::vendors::{self, Kind};

const LEVELS: [(Tag, &str); 5] = [
    (0x0008_0018, "SOP Instance UID"),
    (0x0020_000d, "Study Instance UID"),
    (0x0020_000e, "Series Instance UID"),
    (0x0008_0016, "SOP Class UID"),
    (0x0020_0052, "Frame of Reference UID"),
];

/// What is wrong with a UID (PS3.5 9.1), if anything.
pub(super) fn fault(uid: &str) -> Option<&'static str> {
    if uid.len() > 64 {
        return Some("is longer than 64 characters");
    }
    if !uid.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Some("holds other characters than digits and dots");
    }
    let parts: Vec<&str> = uid.split('.').collect();
    if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
        return Some("has an empty component");
    }
    if parts
        .iter()
        .any(|part| part.len() > 1 && part.starts_with('0'))
    {
        return Some("has a component with a leading zero");
    }
    let first = parts[0];
    if !matches!(first, "0" | "1" | "2") {
        return Some("begins with another arc than 0, 1 or 2");
    }
    let second = parts[1];
    let beyond = second.len() > 2 || (second.len() == 2 && second >= "40");
    (first != "2" && beyond).then_some("has a second component above 39 (ISO/IEC 8824)")
}

pub(super) fn check(set: &Set<'_>, meta: Option<&Set<'_>>, found: &mut Found) {
    for (tag, name) in LEVELS {
        let Some(uid) = set.text(tag) else { continue };
        if let Some(fault) = fault(&uid) {
            let uid = quote(&uid);
            found.push(UID_INVALID.note(format!("{name} {} {uid} {fault}", spell(tag))));
        }
    }
    let level = |tag| set.text(tag);
    let (instance, study, series) = (level(0x0008_0018), level(0x0020_000d), level(0x0020_000e));
    let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    if same(&instance, &study) || same(&instance, &series) || same(&study, &series) {
        found.push(UID_LEVELS.note("two of study, series and instance carry the same UID"));
    }
    if let Some(meta) = meta {
        let pairs = [
            (0x0002_0002, 0x0008_0016, "SOP class"),
            (0x0002_0003, 0x0008_0018, "SOP instance"),
        ];
        for (stored, inner, name) in pairs {
            if let (Some(a), Some(b)) = (meta.text(stored), set.text(inner))
                && a != b
            {
                let (a, b) = (quote(&a), quote(&b));
                found.push(UID_META.note(format!(
                    "file meta information names {name} {a}, the data set {b}"
                )));
            }
        }
    }
    origin(set, instance.as_deref(), found);
}

/// Who made the instance UID.
fn origin(set: &Set<'_>, instance: Option<&str>, found: &mut Found) {
    let Some(uid) = instance else { return };
    let shown = quote(uid);
    if let Some(software) = vendors::software_by_uid(uid) {
        let name = software.name;
        found.push(match software.kind {
            Kind::Anonymous => {
                UID_DEIDENTIFIED.note(format!("SOP Instance UID {shown} comes from {name}"))
            }
            Kind::Library | Kind::Archive => UID_TOOLKIT.note(format!(
                "SOP Instance UID {shown} was made with {name}, not by a scanner"
            )),
        });
    }
    let maker = set.text(0x0008_0070);
    if let (Some(owner), Some(maker)) = (vendors::by_uid(uid), maker)
        && let Some(named) = vendors::by_name(&maker)
        && named.name != owner.name
    {
        found.push(UID_VENDOR.note(format!(
            "SOP Instance UID {shown} belongs to {}, Manufacturer is {}",
            owner.name,
            quote(&maker)
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_follow_the_rules() {
        for good in ["1.2.840.10008.1.2", "2.25.123", "0.39.0", "2.999.1"] {
            assert_eq!(fault(good), None, "{good}");
        }
        let long = format!("1.2.{}", "3".repeat(61));
        for bad in [
            "1.2.03",
            "1..2",
            "3.1",
            "1.40.1",
            "1.2.x",
            "12",
            "1.2.",
            long.as_str(),
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
