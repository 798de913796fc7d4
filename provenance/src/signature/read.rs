//! Reading stored data sets from hostile bytes: bounded depth, count and length.

use std::borrow::Cow;
use std::io::Read as _;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

use super::stored::{
    Element, Encoding, Item, MAX_DEPTH, Malformed, StoredFile, Value, VrChoice, has_long_form,
    swapped,
};

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const UNDEFINED: u32 = u32::MAX;
/// Elements of a meta header, of which the standard has fifteen.
const MAX_META: usize = 1000;
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Splits a file into file meta information, its transfer syntax, and the offset of the data set.
///
/// # Errors
/// When the bytes do not begin as PS3.10, 7.1 prescribes.
pub fn split(bytes: &[u8]) -> Result<(String, usize), Malformed> {
    if bytes.get(128..132) != Some(b"DICM") {
        return Err(Malformed {
            at: 128,
            what: "not a DICOM file: no DICM prefix",
        });
    }
    let mut reader = Reader::new(bytes, Encoding::ExplicitLittle, VrChoice::default());
    reader.at = 132;
    let mut transfer_syntax = None;
    // The group length is often wrong or absent; the group number itself ends the header.
    while reader.peek_tag().is_some_and(|tag| tag.group() == 2) {
        let element = reader.element(0)?;
        if element.tag == Tag(0x0002, 0x0010) {
            let text = String::from_utf8_lossy(element.bytes().unwrap_or_default()).into_owned();
            transfer_syntax = Some(text.trim_matches([' ', '\0']).to_owned());
        }
    }
    let transfer_syntax = transfer_syntax.ok_or(Malformed {
        at: reader.at,
        what: "no transfer syntax",
    })?;
    Ok((transfer_syntax, reader.at))
}

/// The bytes of the data set, inflated where the transfer syntax deflates them (PS3.5, A.5).
///
/// # Errors
/// When the deflated stream is broken or grows beyond `max_inflated` bytes.
pub fn body<'a>(
    bytes: &'a [u8],
    transfer_syntax: &str,
    at: usize,
    max_inflated: u64,
) -> Result<Cow<'a, [u8]>, Malformed> {
    let body = bytes.get(at..).unwrap_or_default();
    if transfer_syntax != DEFLATED {
        return Ok(Cow::Borrowed(body));
    }
    let mut out = Vec::new();
    flate2::read::DeflateDecoder::new(body)
        .take(max_inflated.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|_| Malformed {
            at,
            what: "broken deflated data set",
        })?;
    if out.len() as u64 > max_inflated {
        return Err(Malformed {
            at,
            what: "deflated data set beyond the limit",
        });
    }
    Ok(Cow::Owned(out))
}

/// Reads a file whose data set bytes were obtained by [`body`].
///
/// # Errors
/// When an element does not end within its container, or a limit is passed: `nodes` elements, items
/// and fragments.
pub fn parse<'a>(
    transfer_syntax: &str,
    body: &'a [u8],
    choice: VrChoice,
    nodes: usize,
) -> Result<StoredFile<'a>, Malformed> {
    let mut reader = Reader::new(body, Encoding::detect(transfer_syntax, body), choice);
    reader.max_nodes = nodes;
    reader.sign_of_pixels();
    let mut dataset = Item::default();
    // Some writers fill the last disk block with zeros.
    let end = body
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |last| last + 1);
    while reader.at < end {
        dataset.elements.push(reader.element(0)?);
    }
    Ok(StoredFile {
        transfer_syntax: transfer_syntax.to_owned(),
        dataset,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: Encoding,
    choice: VrChoice,
    signed_pixels: bool,
    nodes: usize,
    max_nodes: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], encoding: Encoding, choice: VrChoice) -> Self {
        Self {
            bytes,
            at: 0,
            encoding,
            choice,
            signed_pixels: false,
            nodes: 0,
            max_nodes: MAX_META,
        }
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, what })
    }

    fn count(&mut self) -> Result<(), Malformed> {
        self.nodes += 1;
        if self.nodes > self.max_nodes {
            self.fail("too many elements")
        } else {
            Ok(())
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        match self
            .at
            .checked_add(length)
            .and_then(|end| self.bytes.get(self.at..end))
        {
            Some(slice) => {
                self.at += length;
                Ok(slice)
            }
            None => self.fail("value runs beyond the end"),
        }
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let b = self.take(2)?;
        let b = [b[0], b[1]];
        Ok(if self.encoding == Encoding::ExplicitBig {
            u16::from_be_bytes(b)
        } else {
            u16::from_le_bytes(b)
        })
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        let b = self.take(4)?;
        let b = [b[0], b[1], b[2], b[3]];
        Ok(if self.encoding == Encoding::ExplicitBig {
            u32::from_be_bytes(b)
        } else {
            u32::from_le_bytes(b)
        })
    }

    fn tag(&mut self) -> Result<Tag, Malformed> {
        Ok(Tag(self.u16()?, self.u16()?))
    }

    fn peek_tag(&mut self) -> Option<Tag> {
        let at = self.at;
        let tag = self.tag().ok();
        self.at = at;
        tag
    }

    /// Pixel Representation decides 'US or SS' (PS3.6), and may come after the elements it decides
    /// on; a scan ahead costs nothing because it stops at group 0028.
    fn sign_of_pixels(&mut self) {
        if self.encoding != Encoding::ImplicitLittle {
            return;
        }
        let (at, nodes) = (self.at, self.nodes);
        while let Ok(element) = self.element(0) {
            if element.tag == Tag(0x0028, 0x0103) {
                self.signed_pixels = element.bytes().is_some_and(|b| b.first() == Some(&1));
            }
            if element.tag.group() > 0x0028 || self.at >= self.bytes.len() {
                break;
            }
        }
        (self.at, self.nodes) = (at, nodes);
    }

    fn dictionary_vr(&self, tag: Tag) -> VR {
        let wide = if self.choice.bytes_for_pixels {
            VR::OB
        } else {
            VR::OW
        };
        match StandardDataDictionary
            .by_tag(tag)
            .map(DataDictionaryEntry::vr)
        {
            None => VR::UN,
            Some(VirtualVr::Exact(vr)) => vr,
            Some(VirtualVr::Xs) if self.signed_pixels != self.choice.flip_sign => VR::SS,
            Some(VirtualVr::Xs) => VR::US,
            Some(VirtualVr::Lt) if self.choice.short_for_tables => VR::US,
            Some(VirtualVr::Lt) => VR::OW,
            Some(_) => wide,
        }
    }

    fn header(&mut self) -> Result<(Tag, VR, u32), Malformed> {
        let tag = self.tag()?;
        if self.encoding == Encoding::ImplicitLittle || tag.group() == 0xFFFE {
            let length = self.u32()?;
            return Ok((tag, self.dictionary_vr(tag), length));
        }
        let code = self.take(2)?;
        let known = VR::from_binary([code[0], code[1]]);
        let long = known.map_or_else(|| code.iter().all(u8::is_ascii_uppercase), has_long_form);
        let length = if long {
            self.take(2)?;
            self.u32()?
        } else {
            u32::from(self.u16()?)
        };
        Ok((tag, known.unwrap_or(VR::UN), length))
    }

    fn element(&mut self, depth: usize) -> Result<Element<'a>, Malformed> {
        self.count()?;
        let start = self.at;
        let (tag, vr, length) = self.header()?;
        if tag.group() == 0xFFFE {
            self.at = start;
            return self.fail("delimiter where an element should be");
        }
        let undefined = length == UNDEFINED;
        let value = if vr == VR::SQ {
            Value::Items(self.sequence(length, depth + 1)?)
        } else if undefined && vr == VR::UN {
            // PS3.5, 6.2.2, note 7: unknown sequences are encoded as implicit VR little endian.
            let outer = std::mem::replace(&mut self.encoding, Encoding::ImplicitLittle);
            let items = self.sequence(length, depth + 1);
            self.encoding = outer;
            Value::Items(items?)
        } else if undefined {
            Value::Fragments(self.fragments()?)
        } else {
            let bytes = self.take(length as usize)?;
            Value::Bytes(match self.encoding {
                Encoding::ExplicitBig => Cow::Owned(swapped(vr, bytes)),
                _ => Cow::Borrowed(bytes),
            })
        };
        Ok(Element {
            tag,
            vr,
            value,
            undefined,
            raw: &self.bytes[start..self.at],
        })
    }

    fn sequence(&mut self, length: u32, depth: usize) -> Result<Vec<Item<'a>>, Malformed> {
        if depth > MAX_DEPTH {
            return self.fail("sequences nested too deeply");
        }
        let undefined = length == UNDEFINED;
        let end = self.end_of(length)?;
        let mut items = Vec::new();
        while self.at < end {
            self.count()?;
            let tag = self.tag()?;
            let length = self.u32()?;
            match tag {
                ITEM => items.push(self.item(length, depth)?),
                SEQUENCE_END if undefined => return Ok(items),
                _ => return self.fail("no item where one should be"),
            }
        }
        if undefined || self.at != end {
            return self.fail("sequence without its end");
        }
        Ok(items)
    }

    fn item(&mut self, length: u32, depth: usize) -> Result<Item<'a>, Malformed> {
        let end = self.end_of(length)?;
        let mut item = Item {
            undefined: length == UNDEFINED,
            ..Item::default()
        };
        while self.at < end {
            if item.undefined && self.peek_tag() == Some(ITEM_END) {
                self.take(8)?;
                return Ok(item);
            }
            item.elements.push(self.element(depth)?);
        }
        if item.undefined || self.at != end {
            return self.fail("item without its end");
        }
        Ok(item)
    }

    fn fragments(&mut self) -> Result<Vec<Cow<'a, [u8]>>, Malformed> {
        let mut fragments = Vec::new();
        loop {
            self.count()?;
            let tag = self.tag()?;
            let length = self.u32()?;
            match tag {
                ITEM if length != UNDEFINED => {
                    fragments.push(Cow::Borrowed(self.take(length as usize)?));
                }
                SEQUENCE_END => return Ok(fragments),
                _ => return self.fail("no fragment where one should be"),
            }
        }
    }

    fn end_of(&self, length: u32) -> Result<usize, Malformed> {
        if length == UNDEFINED {
            return Ok(self.bytes.len());
        }
        match self.at.checked_add(length as usize) {
            Some(end) if end <= self.bytes.len() => Ok(end),
            _ => self.fail("sequence runs beyond the end"),
        }
    }
}
