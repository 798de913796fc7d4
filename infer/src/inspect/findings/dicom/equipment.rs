//! Who made the image and who wrote the file (PS3.3 C.7.5.1; PS3.10 7.1).

use super::super::catalogue::{
    CONTRIBUTING, DEIDENTIFIED, EQUIPMENT_BARE, EQUIPMENT_CAPTURE, EQUIPMENT_FOREIGN,
    EQUIPMENT_IMPLAUSIBLE, EQUIPMENT_MODALITY, EQUIPMENT_PRIVATE, META_TOOLKIT, META_VENDOR,
    META_WRITER, SOFTWARE,
};
use super::super::set::{Set, Tag, spell};
use super::super::{Found, quote};
use super::vendors::{self, Kind, Vendor};

const CLASS: &str = "1.2.840.10008.5.1.4.1.1.";

pub(super) fn check(set: &Set<'_>, meta: Option<&Set<'_>>, found: &mut Found) {
    let maker = set.text(0x0008_0070);
    let vendor = maker.as_deref().and_then(vendors::by_name);
    private(set, vendor, found);
    writer(meta, vendor, found);
    modality(set, found);
    plausible(set, found);
    contributors(set, found);
    if let Some(text) = set.text(0x0018_1020) {
        found.push(SOFTWARE.note(format!("Software Versions: {}", quote(&text))));
    }
    if set.text(0x0012_0062).as_deref() == Some("YES") {
        let how = set.text(0x0012_0063).map(|m| format!(": {}", quote(&m)));
        found.push(DEIDENTIFIED.note(format!(
            "Patient Identity Removed is YES{}",
            how.unwrap_or_default()
        )));
    }
}

/// Private creators against the maker.
fn private(set: &Set<'_>, vendor: Option<&'static Vendor>, found: &mut Found) {
    let is_creator = |tag: Tag| tag >> 16 & 1 == 1 && (0x10..=0xff).contains(&(tag & 0xffff));
    let creators: Vec<String> = set
        .iter()
        .filter(|(tag, _)| is_creator(*tag))
        .filter_map(|(tag, _)| set.text(tag))
        .collect();
    let Some(vendor) = vendor else { return };
    let foreign = creators.iter().find_map(|creator| {
        let owner = vendors::by_creator(creator)?;
        (owner.name != vendor.name).then_some((creator, owner.name))
    });
    if let Some((creator, owner)) = foreign {
        found.push(EQUIPMENT_PRIVATE.note(format!(
            "private attributes of {owner} ({}) in an image whose Manufacturer is {}",
            quote(creator),
            vendor.name
        )));
    }
    let original = set
        .values(0x0008_0008)
        .first()
        .is_some_and(|v| v == "ORIGINAL");
    let scanner = matches!(set.text(0x0008_0060).as_deref(), Some("CT" | "MR"));
    if vendor.always_private && original && scanner && creators.is_empty() {
        found.push(EQUIPMENT_BARE.note(format!(
            "{} scanners write private attributes, this original image has none: stripped, or not \
             from such a scanner",
            vendor.name
        )));
    }
}

/// Implementation Class UID and Version Name against the maker.
fn writer(meta: Option<&Set<'_>>, vendor: Option<&'static Vendor>, found: &mut Found) {
    let Some(meta) = meta else { return };
    let uid = meta.text(0x0002_0012).unwrap_or_default();
    let version = meta.text(0x0002_0013).unwrap_or_default();
    let shown = match version.is_empty() {
        true => quote(&uid),
        false => quote(&version),
    };
    let named = |name: &str| version.to_lowercase().starts_with(name);
    let by_version = [
        "dicom-rs",
        "dcmjs",
        "pydicom",
        "gdcm",
        "itk",
        "highdicom",
        "matlab",
    ]
    .into_iter()
    .find(|name| named(name));
    if let Some(owner) = vendors::by_uid(&uid) {
        if let Some(vendor) = vendor.filter(|v| v.name != owner.name) {
            found.push(META_VENDOR.note(format!(
                "the file was last written by equipment of {} ({shown}), Manufacturer is {}",
                owner.name, vendor.name
            )));
        }
    } else if let Some(software) = vendors::software_by_uid(&uid) {
        let text = format!("the file was last written by {} ({shown})", software.name);
        found.push(match software.kind {
            Kind::Library => META_TOOLKIT.note(text),
            _ => META_WRITER.note(text),
        });
    } else if let Some(name) = by_version {
        found.push(META_TOOLKIT.note(format!("the file was last written by {name} ({shown})")));
    }
}

/// Modality and acquisition attributes against the SOP class.
fn modality(set: &Set<'_>, found: &mut Found) {
    let class = set.text(0x0008_0016).unwrap_or_default();
    let class = class.strip_prefix(CLASS).unwrap_or_default();
    let modality = set.text(0x0008_0060).unwrap_or_default();
    let due = match class {
        "1" => "CR",
        "2" | "2.1" | "2.2" => "CT",
        "4" | "4.1" | "4.2" | "4.3" | "4.4" => "MR",
        "1.1" | "1.1.1" => "DX",
        "1.2" | "1.2.1" => "MG",
        "6.1" | "3.1" => "US",
        "20" => "NM",
        "128" | "130" => "PT",
        _ => "",
    };
    if !due.is_empty() && !modality.is_empty() && modality != due {
        found.push(EQUIPMENT_MODALITY.note(format!(
            "Modality is {}, the SOP class is for {due}",
            quote(&modality)
        )));
    }
    const XRAY: [(Tag, &str); 4] = [
        (0x0018_0060, "KVP"),
        (0x0018_1151, "X-Ray Tube Current"),
        (0x0018_1150, "Exposure Time"),
        (0x0018_1152, "Exposure"),
    ];
    const MAGNET: [(Tag, &str); 4] = [
        (0x0018_0080, "Repetition Time"),
        (0x0018_0081, "Echo Time"),
        (0x0018_0087, "Magnetic Field Strength"),
        (0x0018_0020, "Scanning Sequence"),
    ];
    let present = |list: &[(Tag, &str)]| -> Vec<String> {
        let filled = list.iter().filter(|(tag, _)| set.filled(*tag));
        filled
            .map(|(tag, name)| format!("{name} {}", spell(*tag)))
            .collect()
    };
    let foreign = match due {
        "CT" | "CR" | "DX" | "MG" => present(&MAGNET),
        "MR" | "US" => present(&XRAY),
        _ => Vec::new(),
    };
    if !foreign.is_empty() {
        let list = foreign.join(", ");
        found.push(EQUIPMENT_FOREIGN.note(format!("an image of modality {due} has {list}")));
    }
    if class == "7" || class.starts_with("7.") {
        let list = [present(&XRAY), present(&MAGNET)].concat().join(", ");
        if !list.is_empty() {
            found.push(EQUIPMENT_CAPTURE.note(format!("a secondary capture has {list}")));
        }
    }
}

/// Values that physics or engineering rule out.
fn plausible(set: &Set<'_>, found: &mut Found) {
    const LIMITS: [(Tag, &str, f64, f64, &str); 6] = [
        (0x0018_0060, "KVP", 5.0, 500.0, "kV"),
        (0x0018_0087, "Magnetic Field Strength", 0.001, 25.0, "T"),
        (0x0018_0080, "Repetition Time", 0.1, 100_000.0, "ms"),
        (0x0018_0081, "Echo Time", 0.001, 10_000.0, "ms"),
        (0x0018_0050, "Slice Thickness", 0.01, 200.0, "mm"),
        (0x0028_0030, "Pixel Spacing", 0.000_01, 50.0, "mm"),
    ];
    for (tag, name, low, high, unit) in LIMITS {
        let Some(value) = set.number(tag) else {
            continue;
        };
        // Planar nuclear images and localizers have the depth of the patient as their slice.
        let planar = tag == 0x0018_0050
            && (set.text(0x0008_0060).as_deref() == Some("NM")
                || set.values(0x0008_0008).iter().any(|v| v == "LOCALIZER"));
        if planar {
            continue;
        }
        // Zero stands for unknown in many files, and field strength was once given in gauss.
        let gauss = tag == 0x0018_0087 && (50.0..=250_000.0).contains(&value);
        if value != 0.0 && !gauss && !(low..=high).contains(&value) {
            found.push(EQUIPMENT_IMPLAUSIBLE.note(format!("{name} is {value} {unit}")));
        }
    }
    let cosines = set.numbers(0x0020_0037);
    if let [a, b, c, d, e, f] = cosines[..] {
        let (first, second) = (a * a + b * b + c * c, d * d + e * e + f * f);
        let dot = a * d + b * e + c * f;
        if (first - 1.0).abs() > 0.02 || (second - 1.0).abs() > 0.02 || dot.abs() > 0.02 {
            found.push(
                EQUIPMENT_IMPLAUSIBLE.note(
                    "Image Orientation (Patient) is not made of two perpendicular unit vectors",
                ),
            );
        }
    }
}

fn contributors(set: &Set<'_>, found: &mut Found) {
    for item in set.items(0x0018_a001).iter().take(8) {
        let part = |tag| item.text(tag).map(|text| quote(&text));
        let purpose = item
            .items(0x0040_a170)
            .first()
            .and_then(|code| code.text(0x0008_0104));
        let words: Vec<String> = [
            part(0x0008_0070),
            part(0x0008_1090),
            part(0x0018_1020),
            purpose.map(|text| quote(&text)),
            part(0x0018_a003),
        ]
        .into_iter()
        .flatten()
        .collect();
        found.push(CONTRIBUTING.note(format!("contributing equipment: {}", words.join(", "))));
    }
}
