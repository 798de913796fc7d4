//! C2PA manifests: what they claim, not whether their signature holds.
//!
//! A manifest store is a tree of JUMBF boxes (ISO 19566-5): superboxes `jumb` begin with a description
//! `jumd` whose label names them, and hold CBOR or JSON. Only labels and texts are read.

use super::catalogue::{C2PA_BROKEN, C2PA_GENERATED, C2PA_MANIFEST};
use super::{Found, cbor, quote, xmp};

/// Nesting that is followed.
const MAX_DEPTH: usize = 8;
/// Boxes that are looked at.
const MAX_BOXES: usize = 2_000;
/// Largest manifest store.
const MAX_BYTES: usize = 64 << 20;

/// Manifest stores in one file.
const MAX_STORES: usize = 16;

/// JUMBF in the APP11 segments of a JPEG (ISO 19566-5 D.2), put together.
#[derive(Default)]
pub(super) struct Fragments {
    /// Box instance and content so far.
    stores: Vec<(u16, Vec<u8>)>,
}

impl Fragments {
    /// Adds the body of an APP11 segment.
    pub(super) fn add(&mut self, body: &[u8]) {
        let Some((&[b'J', b'P', i1, i0, z3, z2, z1, z0], rest)) = body.split_first_chunk::<8>()
        else {
            return;
        };
        let instance = u16::from_be_bytes([i1, i0]);
        let sequence = u32::from_be_bytes([z3, z2, z1, z0]);
        let total: usize = self.stores.iter().map(|(_, bytes)| bytes.len()).sum();
        if total + rest.len() > MAX_BYTES {
            return;
        }
        let known = self.stores.iter().position(|(known, _)| *known == instance);
        match known {
            // Every further segment repeats the box header.
            Some(at) if sequence > 1 => {
                let header = if rest.starts_with(&[0, 0, 0, 1]) {
                    16
                } else {
                    8
                };
                let content = rest.get(header..).unwrap_or_default();
                self.stores[at].1.extend_from_slice(content);
            }
            _ if self.stores.len() < MAX_STORES => self.stores.push((instance, rest.to_vec())),
            _ => {}
        }
    }

    pub(super) fn finish(&self, found: &mut Found) {
        for (_, bytes) in &self.stores {
            manifest(bytes, found);
        }
    }
}

/// What a manifest store says.
#[derive(Default)]
struct Store {
    labels: Vec<String>,
    texts: Vec<(String, String)>,
    boxes: usize,
    damaged: bool,
}

/// Reads a manifest store and reports it.
pub(super) fn manifest(bytes: &[u8], found: &mut Found) {
    let mut store = Store::default();
    store.boxes(bytes, 0);
    if !store.labels.iter().any(|label| label.starts_with("c2pa")) {
        if store.damaged {
            found.push(C2PA_BROKEN.note("a JUMBF box that cannot be read"));
        }
        return;
    }
    let value = |key: &str| {
        let hit = store.texts.iter().find(|(k, _)| k == key);
        hit.map(|(_, text)| quote(text))
    };
    let all = |key: &str| {
        let mut list: Vec<String> = store
            .texts
            .iter()
            .filter(|(k, _)| k == key)
            .map(|(_, text)| quote(text))
            .collect();
        list.sort();
        list.dedup();
        list.truncate(8);
        list
    };
    let generator = value("claim_generator").or_else(|| value("name"));
    let assertions: Vec<&str> = store
        .labels
        .iter()
        .map(String::as_str)
        .filter(|label| label.contains('.') && !STRUCTURE.contains(label))
        .take(12)
        .collect();
    let mut sentence = "a C2PA manifest (its signature was not verified)".to_owned();
    if let Some(generator) = generator {
        sentence += &format!(", claim generator {generator}");
    }
    let actions = all("action");
    if !actions.is_empty() {
        sentence += &format!(", actions {}", actions.join(", "));
    }
    if !assertions.is_empty() {
        let assertions: Vec<String> = assertions.into_iter().map(quote).collect();
        sentence += &format!(", assertions {}", assertions.join(", "));
    }
    found.push(C2PA_MANIFEST.note(sentence));
    let source = store.texts.iter().find_map(|(_, text)| {
        xmp::SOURCE_TYPES
            .into_iter()
            .find(|kind| text.ends_with(kind))
    });
    if let Some(kind) = source {
        let agent = value("softwareAgent").map(|agent| format!(" by {agent}"));
        found.push(C2PA_GENERATED.note(format!(
            "the C2PA manifest declares digital source type {kind}{} (signature not verified)",
            agent.unwrap_or_default()
        )));
    }
    if store.damaged {
        found.push(C2PA_BROKEN.note("parts of the C2PA manifest cannot be read"));
    }
}

/// Labels that every manifest has.
const STRUCTURE: [&str; 6] = [
    "c2pa.assertions",
    "c2pa.claim",
    "c2pa.claim.v2",
    "c2pa.signature",
    "c2pa.credentials",
    "c2pa.databoxes",
];

impl Store {
    fn boxes(&mut self, bytes: &[u8], depth: usize) {
        let mut at = 0;
        while at + 8 <= bytes.len() {
            self.boxes += 1;
            if depth > MAX_DEPTH || self.boxes > MAX_BOXES {
                self.damaged = true;
                return;
            }
            let Some((kind, body, next)) = split(bytes, at) else {
                self.damaged = true;
                return;
            };
            match &kind {
                b"jumb" => self.boxes(body, depth + 1),
                b"jumd" => self.describe(body),
                b"cbor" => {
                    let mut texts = cbor::texts(body);
                    texts.truncate(4096_usize.saturating_sub(self.texts.len()));
                    self.texts.append(&mut texts);
                }
                b"json" => self.json(body),
                _ => {}
            }
            at = next;
        }
        self.damaged |= bytes
            .get(at..)
            .is_some_and(|rest| rest.iter().any(|&b| b != 0));
    }

    /// A description: type, toggles, label.
    fn describe(&mut self, body: &[u8]) {
        let toggles = body.get(16).copied().unwrap_or(0);
        let label = body.get(17..).unwrap_or_default();
        if toggles & 2 != 0 {
            let label = label.split(|&b| b == 0).next().unwrap_or_default();
            self.labels
                .push(String::from_utf8_lossy(label.get(..256).unwrap_or(label)).into_owned());
        }
    }

    fn json(&mut self, body: &[u8]) {
        let text = String::from_utf8_lossy(body.get(..1 << 20).unwrap_or(body));
        for kind in xmp::SOURCE_TYPES {
            if text.contains(&format!("{kind}\"")) {
                self.texts.push(("digitalSourceType".into(), kind.into()));
                break;
            }
        }
    }
}

/// The box at `at`: its type, content and end (ISO 14496-12, 4.2).
fn split(bytes: &[u8], at: usize) -> Option<([u8; 4], &[u8], usize)> {
    let head = bytes.get(at..)?.first_chunk::<8>()?;
    let kind = [head[4], head[5], head[6], head[7]];
    let (start, end) = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
        0 => (at + 8, bytes.len()),
        1 => {
            let long = bytes.get(at + 8..)?.first_chunk::<8>()?;
            (
                at + 16,
                at.checked_add(usize::try_from(u64::from_be_bytes(*long)).ok()?)?,
            )
        }
        length => (at + 8, at.checked_add(length as usize)?),
    };
    (end >= start).then_some(())?;
    Some((kind, bytes.get(start..end)?, end))
}
