//! A data set by tag, with values as text and numbers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use veraray_datasets::inflate_raw;
use veraray_provenance::signature::{
    Element, Encoding, Item, Malformed, StoredFile, Value, VrChoice, parse, split,
};

/// A tag as one number: group in the high half.
pub(super) type Tag = u32;

/// The attributes of a data set or item.
#[derive(Debug, Default)]
pub(super) struct Set<'a> {
    elements: BTreeMap<Tag, &'a Element<'a>>,
}

impl<'a> Set<'a> {
    pub(super) fn of(item: &'a Item<'a>) -> Self {
        let number = |e: &Element<'_>| Tag::from(e.tag.group()) << 16 | Tag::from(e.tag.element());
        let mut elements = BTreeMap::new();
        for element in &item.elements {
            elements.entry(number(element)).or_insert(element);
        }
        Self { elements }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Tag, &'a Element<'a>)> + '_ {
        self.elements.iter().map(|(&tag, &element)| (tag, element))
    }

    pub(super) fn has(&self, tag: Tag) -> bool {
        self.elements.contains_key(&tag)
    }

    /// Whether an attribute is there with something in it.
    pub(super) fn filled(&self, tag: Tag) -> bool {
        match self.elements.get(&tag).map(|e| &e.value) {
            None => false,
            Some(Value::Bytes(bytes)) => {
                bytes.iter().any(|&b| !matches!(b, b' ' | 0 | b'\\'))
                    || (!bytes.is_empty() && !self.is_text(tag))
            }
            Some(Value::Items(items)) => !items.is_empty(),
            Some(Value::Fragments(_)) => true,
        }
    }

    fn is_text(&self, tag: Tag) -> bool {
        const BINARY: [&str; 17] = [
            "AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SQ", "SS", "SV", "UL",
            "UN", "US", "UV",
        ];
        self.elements
            .get(&tag)
            .is_some_and(|e| !BINARY.contains(&e.vr.to_string()))
    }

    pub(super) fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        self.elements.get(&tag)?.bytes()
    }

    /// Text without padding; `None` if nothing is left. At most 4 KiB are looked at.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let bytes = self.bytes(tag)?;
        let text = String::from_utf8_lossy(bytes.get(..4096).unwrap_or(bytes));
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The values of a multi-valued text.
    pub(super) fn values(&self, tag: Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        match text.is_empty() {
            true => Vec::new(),
            false => text.split('\\').map(|v| v.trim().to_owned()).collect(),
        }
    }

    /// Decimal strings (DS, IS).
    pub(super) fn numbers(&self, tag: Tag) -> Vec<f64> {
        let values = self.values(tag);
        let numbers = values.iter().map(|v| v.trim_matches('\0').parse::<f64>());
        numbers
            .map_while(|n| n.ok().filter(|n| n.is_finite()))
            .collect()
    }

    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied()
    }

    pub(super) fn u16(&self, tag: Tag) -> Option<u16> {
        Some(u16::from_le_bytes(*self.bytes(tag)?.first_chunk::<2>()?))
    }

    /// The items of a sequence; none where it is absent. At most 1,000.
    pub(super) fn items(&self, tag: Tag) -> Vec<Set<'a>> {
        self.raw_items(tag).iter().take(1000).map(Set::of).collect()
    }

    pub(super) fn raw_items(&self, tag: Tag) -> &'a [Item<'a>] {
        match self.elements.get(&tag).map(|e| &e.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    pub(super) fn fragments(&self, tag: Tag) -> Option<Vec<&'a [u8]>> {
        match self.elements.get(&tag).map(|e| &e.value) {
            Some(Value::Fragments(list)) => Some(list.iter().map(AsRef::as_ref).collect()),
            _ => None,
        }
    }
}

/// A file's parts; the data set is parsed from `body` by [`Parts::parse`].
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) preamble: Option<&'a [u8]>,
    /// File meta information as a parsed item, where there is any.
    pub(super) meta: Option<StoredFile<'a>>,
    pub(super) transfer_syntax: Option<String>,
    pub(super) body: Cow<'a, [u8]>,
}

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
/// Largest inflated data set; it is held in memory.
const MAX_INFLATED: u64 = 512 << 20;

/// The data set behind the file meta information, inflated where it is deflated (PS3.5 A.5).
fn body<'a>(bytes: &'a [u8], syntax: &str, at: usize) -> Option<Cow<'a, [u8]>> {
    let rest = bytes.get(at..)?;
    match syntax == DEFLATED {
        true => inflate_raw(rest, MAX_INFLATED).map(Cow::Owned),
        false => Some(Cow::Borrowed(rest)),
    }
}

impl<'a> Parts<'a> {
    /// Takes a file apart. `None` where nothing looks like DICOM.
    pub(super) fn split(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(128..132) == Some(b"DICM")
            && let Ok((syntax, at)) = split(bytes)
        {
            let meta = parse(EXPLICIT, bytes.get(132..at)?, VrChoice::default()).ok();
            return Some(Self {
                preamble: bytes.get(..128),
                meta,
                body: body(bytes, &syntax, at)?,
                transfer_syntax: Some(syntax),
            });
        }
        // Bare data sets: with a preamble but without a transfer syntax, or without either.
        let (preamble, at) = match bytes.get(128..132) == Some(b"DICM") {
            true => (bytes.get(..128), 132),
            false => (None, 0),
        };
        let rest = bytes.get(at..)?;
        let plausible = matches!(rest.get(..2)?, [2 | 4 | 8, 0] | [0, 8]);
        (plausible || preamble.is_some()).then_some(Self {
            preamble,
            meta: None,
            transfer_syntax: None,
            body: Cow::Borrowed(rest),
        })
    }

    /// The data set, as far as it can be read, and what stopped the reading.
    pub(super) fn parse(&self) -> Option<(StoredFile<'_>, Option<Malformed>)> {
        let guess = match self.body.get(4..6) {
            Some(vr) if vr.iter().all(u8::is_ascii_uppercase) => match self.body.first() {
                Some(0) => "1.2.840.10008.1.2.2",
                _ => EXPLICIT,
            },
            _ => IMPLICIT,
        };
        let syntax = self.transfer_syntax.as_deref().unwrap_or(guess);
        match parse(syntax, &self.body, VrChoice::default()) {
            Ok(file) => Some((file, None)),
            Err(error) => {
                // What lies before the broken element is still worth reading. Its header has 12 or 8
                // bytes.
                let long = Encoding::detect(syntax, &self.body) != Encoding::ImplicitLittle;
                let cuts = if long { [12, 8, 0] } else { [8, 12, 0] };
                let before = cuts.into_iter().find_map(|header| {
                    let end = error.at.checked_sub(header)?;
                    parse(syntax, self.body.get(..end)?, VrChoice::default()).ok()
                })?;
                Some((before, Some(error)))
            }
        }
    }
}

/// `(0008,0018)` for a tag.
pub(super) fn spell(tag: Tag) -> String {
    format!("({:04X},{:04X})", tag >> 16, tag & 0xffff)
}
