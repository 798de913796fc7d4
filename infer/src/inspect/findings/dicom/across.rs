//! What the files of one set must have in common, or must not (PS3.3 A.1.2, C.12.1).

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use veraray_datasets::{Frame, Image};

use super::super::catalogue::{Note, UID_CONFLICT, UID_HEADER_DIFFERS, UID_REUSED};
use super::super::quote;
use super::super::set::{Set, Tag};

/// Frames that are digested; more would make a set as slow as a scan.
const MOST_FRAMES: u32 = 4;

/// What a file is compared by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    instance: Option<String>,
    series: Option<String>,
    study: Option<String>,
    /// Digest of the plain standard attributes outside group 0002 and the pixels.
    header: [u8; 32],
    /// Digest of the first frames' values; `None` where they cannot be decoded.
    pixels: Option<[u8; 32]>,
    lossy: bool,
    /// What instances of one series share: study, patient, modality, frame of reference.
    shared: [Option<String>; 4],
}

const SHARED: [(Tag, &str); 4] = [
    (0x0020_000d, "Study Instance UID"),
    (0x0010_0020, "Patient ID"),
    (0x0008_0060, "Modality"),
    (0x0010_0030, "Patient's Birth Date"),
];

impl Identity {
    pub(super) fn of(set: &Set<'_>) -> Self {
        let mut digest = Sha256::new();
        for (tag, element) in set.iter() {
            // Private values, sequences and what a change of transfer syntax touches stay out.
            let group = tag >> 16;
            let coding = matches!(tag, 0x0028_0004 | 0x0028_0006 | 0x0008_0005);
            if group % 2 == 1 || group >= 0x7fe0 || tag & 0xffff == 0 || coding {
                continue;
            }
            if let Some(bytes) = element.bytes() {
                let trimmed = bytes.trim_ascii_end();
                digest.update(tag.to_be_bytes());
                digest.update(trimmed.strip_suffix(&[0]).unwrap_or(trimmed));
            }
        }
        Self {
            instance: set.text(0x0008_0018),
            series: set.text(0x0020_000e),
            study: set.text(0x0020_000d),
            header: digest.finalize().into(),
            pixels: None,
            lossy: set.text(0x0028_2110).as_deref() == Some("01"),
            shared: SHARED.map(|(tag, _)| set.text(tag)),
        }
    }

    /// Adds the pixels. `frame` is the middle one; the first few are decoded too.
    pub(super) fn digest_pixels(&mut self, image: &mut Image, frame: &Frame) {
        let mut digest = Sha256::new();
        let mut add = |frame: &Frame| {
            digest.update(frame.rows.to_be_bytes());
            digest.update(frame.columns.to_be_bytes());
            for value in &frame.values {
                digest.update(value.to_be_bytes());
            }
        };
        add(frame);
        let frames = image.info().frames;
        for index in 0..frames.min(MOST_FRAMES) {
            if frames > 1
                && let Ok(frame) = image.frame(index)
            {
                add(&frame);
            }
        }
        self.pixels = Some(digest.finalize().into());
    }
}

/// Findings across files: the index of the file they are about, and the finding.
pub(crate) fn across(files: &[(String, Identity)]) -> Vec<(usize, Note)> {
    let mut notes = Vec::new();
    let mut instances: HashMap<&str, usize> = HashMap::new();
    let mut series: HashMap<&str, usize> = HashMap::new();
    let mut studies: HashMap<&str, usize> = HashMap::new();
    for (index, (_, identity)) in files.iter().enumerate() {
        if let Some(uid) = &identity.instance {
            let first = *instances.entry(uid).or_insert(index);
            if first != index {
                let (path, other) = &files[first];
                if let Some(note) = same_instance(uid, quote(path).as_str(), other, identity) {
                    notes.push((index, note));
                }
            }
        }
        for (level, uid, seen) in [
            ("series", &identity.series, &mut series),
            ("study", &identity.study, &mut studies),
        ] {
            let Some(uid) = uid else { continue };
            let first = *seen.entry(uid).or_insert(index);
            if first != index {
                let (path, other) = &files[first];
                let from = if level == "series" { 0..4 } else { 1..2 };
                for at in from {
                    let (a, b) = (&other.shared[at], &identity.shared[at]);
                    if let (Some(a), Some(b)) = (a, b)
                        && a != b
                    {
                        let name = SHARED[at].1;
                        notes.push((
                            index,
                            UID_CONFLICT.note(format!(
                                "the same {level} as {}, but another {name}",
                                quote(path)
                            )),
                        ));
                    }
                }
            }
        }
    }
    notes
}

/// Two files with one SOP Instance UID.
fn same_instance(uid: &str, path: &str, a: &Identity, b: &Identity) -> Option<Note> {
    let uid = quote(uid);
    match (a.pixels, b.pixels) {
        (Some(x), Some(y)) if x != y && a.lossy == b.lossy => Some(UID_REUSED.note(format!(
            "SOP Instance UID {uid} is also that of {path}, whose pixels differ"
        ))),
        // Lossy compression of an instance keeps its UID where it is not for diagnosis.
        (Some(x), Some(y)) if x != y => Some(UID_HEADER_DIFFERS.note(format!(
            "SOP Instance UID {uid} is also that of {path}; one of them is lossily compressed"
        ))),
        (Some(_), Some(_)) if a.header != b.header => Some(UID_HEADER_DIFFERS.note(format!(
            "SOP Instance UID {uid} and pixels are those of {path}, other attributes differ"
        ))),
        (None, None) if a.header != b.header => Some(UID_HEADER_DIFFERS.note(format!(
            "SOP Instance UID {uid} is also that of {path}, attributes differ"
        ))),
        _ => None,
    }
}
