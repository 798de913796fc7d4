//! Walks a DICOM data set (PS3.5 chapter 7) up to its pixel data.
//!
//! Only wanted values are kept and nothing is allocated beyond what the file really holds, so that a
//! hostile length costs nothing. Lenient where readers in the field are: files without preamble,
//! without meta header, with a wrong transfer syntax.

use std::io::Read;
use std::path::Path;

use super::element::{DataSet, Tag, Value, tags};
use super::encoding::Encoding;
use crate::OpenError;
use crate::open::source::Source;

/// Values longer than this are skipped: the longest wanted ones are tables of 128 KiB and lists of
/// frame offsets.
const MAX_VALUE: u64 = 16 << 20;
/// Sequences nested deeper than this are an attack on the stack.
const MAX_DEPTH: usize = 32;
/// All wanted values together; what comes later is skipped.
const MAX_KEPT: u64 = 64 << 20;
/// Items of wanted sequences; a multi-frame object has one or a few per frame.
const MAX_ITEMS: usize = 1_000_000;
const UNDEFINED: u32 = u32::MAX;

const ITEM: Tag = 0xfffe_e000;
const ITEM_END: Tag = 0xfffe_e00d;
const SEQUENCE_END: Tag = 0xfffe_e0dd;

/// Where the pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelElement {
    pub tag: Tag,
    /// Byte at which the value starts.
    pub offset: u64,
    /// Its length; `None` for a sequence of fragments.
    pub length: Option<u64>,
    /// Whether its VR is OW: words, which matters for the byte order of 8-bit samples.
    pub words: bool,
}

/// A data set up to its pixels.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub set: DataSet,
    pub pixels: Option<PixelElement>,
    /// Where the file ended too early, if it did.
    pub cut_at: Option<u64>,
    pub notes: Vec<String>,
}

/// Why a walk stopped.
enum Stop {
    /// The file ends inside an element.
    End,
    /// The pixel data is reached, or for the meta group the first element after it.
    Done,
    Failed(OpenError),
}

/// One element's header.
struct Header {
    tag: Tag,
    vr: [u8; 2],
    length: u32,
}

struct Walker<'a> {
    source: &'a mut Source,
    path: &'a Path,
    at: u64,
    pixels: Option<PixelElement>,
    /// Stop before the first element that is not of group 2.
    meta_only: bool,
    implicit_found: bool,
    /// Bytes of values and number of items that were kept so far.
    kept: u64,
    items: usize,
}

/// Reads the data set at `offset` up to its pixel data.
pub(super) fn data_set(
    source: &mut Source,
    path: &Path,
    offset: u64,
    encoding: Encoding,
) -> Result<Parsed, OpenError> {
    walk(source, path, offset, encoding, false).map(|(parsed, _)| parsed)
}

/// Reads file meta information (PS3.10 7.1) at `offset`; also tells where it ends.
pub(super) fn meta(
    source: &mut Source,
    path: &Path,
    offset: u64,
) -> Result<(DataSet, u64), OpenError> {
    walk(source, path, offset, Encoding::EXPLICIT, true).map(|(parsed, end)| (parsed.set, end))
}

fn walk(
    source: &mut Source,
    path: &Path,
    offset: u64,
    encoding: Encoding,
    meta_only: bool,
) -> Result<(Parsed, u64), OpenError> {
    source.seek_to(offset).map_err(|e| OpenError::io(path, e))?;
    let length = source.len();
    let mut walker = Walker {
        source,
        path,
        at: offset,
        pixels: None,
        meta_only,
        implicit_found: false,
        kept: 0,
        items: 0,
    };
    let mut parsed = Parsed::default();
    match walker.set(&mut parsed.set, None, encoding, 0) {
        Ok(()) | Err(Stop::Done) => {}
        // Fewer bytes than an element has are padding after the last one.
        Err(Stop::End) if (0..8).contains(&(length as i64 - walker.at as i64)) => {}
        Err(Stop::End) => parsed.cut_at = Some(walker.at),
        Err(Stop::Failed(error)) => return Err(error),
    }
    if walker.implicit_found {
        parsed
            .notes
            .push("elements without VR in an explicit VR data set".into());
    }
    parsed.pixels = walker.pixels;
    Ok((parsed, walker.at))
}

impl Walker<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        if self.at + N as u64 > self.source.len() {
            return Err(Stop::End);
        }
        self.source.read_exact(&mut bytes).map_err(|e| self.io(e))?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> Result<(), Stop> {
        self.at += count;
        if self.at > self.source.len() {
            return Err(Stop::End);
        }
        self.source.seek_to(self.at).map_err(|e| self.io(e))
    }

    fn io(&self, error: std::io::Error) -> Stop {
        Stop::Failed(OpenError::io(self.path, error))
    }

    fn tag(&mut self, encoding: Encoding) -> Result<Tag, Stop> {
        let [a, b, c, d] = self.take()?;
        Ok(match encoding.big_endian {
            false => {
                u32::from(u16::from_le_bytes([a, b])) << 16 | u32::from(u16::from_le_bytes([c, d]))
            }
            true => u32::from_be_bytes([a, b, c, d]),
        })
    }

    fn u32(&mut self, encoding: Encoding) -> Result<u32, Stop> {
        let bytes = self.take()?;
        Ok(if encoding.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// An element's tag, VR and length (PS3.5 7.1.2 and 7.1.3).
    fn header(&mut self, encoding: Encoding) -> Result<Header, Stop> {
        let tag = self.tag(encoding)?;
        if matches!(tag, ITEM | ITEM_END | SEQUENCE_END) || !encoding.explicit {
            return Ok(Header {
                tag,
                vr: *b"--",
                length: self.u32(encoding)?,
            });
        }
        let vr: [u8; 2] = self.take()?;
        if !vr.iter().all(u8::is_ascii_uppercase) {
            // Some writers drop into implicit VR; these two bytes are then half of a length.
            self.implicit_found = true;
            let [c, d] = self.take()?;
            let bytes = [vr[0], vr[1], c, d];
            let read = if encoding.big_endian {
                u32::from_be_bytes
            } else {
                u32::from_le_bytes
            };
            return Ok(Header {
                tag,
                vr: *b"--",
                length: read(bytes),
            });
        }
        const LONG: [&[u8; 2]; 12] = [
            b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT",
        ];
        let length = if LONG.contains(&&vr) || &vr == b"UV" {
            self.take::<2>()?;
            self.u32(encoding)?
        } else {
            let bytes = self.take()?;
            let read = if encoding.big_endian {
                u16::from_be_bytes
            } else {
                u16::from_le_bytes
            };
            read(bytes).into()
        };
        Ok(Header { tag, vr, length })
    }

    /// The elements of a data set or item into `set`, up to byte `end` or a delimiter.
    fn set(
        &mut self,
        set: &mut DataSet,
        end: Option<u64>,
        encoding: Encoding,
        depth: usize,
    ) -> Result<(), Stop> {
        set.big_endian = encoding.big_endian;
        while end.is_none_or(|end| self.at < end) {
            if self.at == self.source.len() && depth == 0 {
                return Ok(());
            }
            let start = self.at;
            let header = self.header(encoding)?;
            if self.meta_only && header.tag >> 16 != 2 {
                self.at = start;
                return Err(Stop::Done);
            }
            match header.tag {
                ITEM_END => return Ok(()),
                // A stray delimiter at the end of a badly closed sequence.
                ITEM | SEQUENCE_END => {
                    if depth > 0 {
                        return Ok(());
                    }
                }
                _ => self.element(set, &header, encoding, depth)?,
            }
        }
        Ok(())
    }

    fn element(
        &mut self,
        set: &mut DataSet,
        header: &Header,
        encoding: Encoding,
        depth: usize,
    ) -> Result<(), Stop> {
        let &Header { tag, vr, length } = header;
        let pixels = matches!(tag, tags::PIXELS | tags::FLOAT_PIXELS | tags::DOUBLE_PIXELS);
        if pixels && depth == 0 {
            let length = (length != UNDEFINED).then_some(u64::from(length));
            // Without VR, pixel data are OW (PS3.5 A.1).
            self.pixels = Some(PixelElement {
                tag,
                offset: self.at,
                length,
                words: &vr != b"OB",
            });
            return Err(Stop::Done);
        }
        if length == UNDEFINED && pixels {
            return self.skip_fragments(encoding);
        }
        if &vr == b"SQ" || length == UNDEFINED || (&vr == b"--" && tags::sequence(tag)) {
            // A UN value of undefined length is implicit VR little endian (PS3.5 6.2.2).
            let inner = match &vr {
                b"UN" => Encoding::IMPLICIT,
                b"--" => Encoding {
                    explicit: false,
                    ..encoding
                },
                _ => encoding,
            };
            let wanted = tags::wanted(tag);
            let items = self.items(length, inner, depth + 1, wanted)?;
            if wanted {
                set.values.insert(tag, Value::Items(items));
            }
            return Ok(());
        }
        self.kept += if tags::wanted(tag) {
            u64::from(length)
        } else {
            0
        };
        if !tags::wanted(tag) || u64::from(length) > MAX_VALUE || self.kept > MAX_KEPT {
            return self.skip(length.into());
        }
        if self.at + u64::from(length) > self.source.len() {
            self.at += u64::from(length);
            return Err(Stop::End);
        }
        let mut bytes = vec![0; length as usize];
        self.source.read_exact(&mut bytes).map_err(|e| self.io(e))?;
        self.at += u64::from(length);
        set.values.insert(tag, Value::Bytes(bytes));
        Ok(())
    }

    /// Items of a sequence (PS3.5 7.5).
    fn items(
        &mut self,
        length: u32,
        encoding: Encoding,
        depth: usize,
        wanted: bool,
    ) -> Result<Vec<DataSet>, Stop> {
        if depth > MAX_DEPTH {
            let reason = format!("sequences nested more than {MAX_DEPTH} deep");
            return Err(Stop::Failed(OpenError::corrupt(self.path, reason)));
        }
        let end = (length != UNDEFINED).then(|| self.at + u64::from(length));
        let mut items = Vec::new();
        while end.is_none_or(|end| self.at < end) {
            let Header { tag, length, .. } = self.header(Encoding {
                explicit: false,
                ..encoding
            })?;
            if tag != ITEM {
                // SEQUENCE_END, or something that does not belong here: leave the sequence.
                break;
            }
            let item_end = (length != UNDEFINED).then(|| self.at + u64::from(length));
            let mut item = DataSet::default();
            self.set(&mut item, item_end, encoding, depth)?;
            self.items += usize::from(wanted);
            if wanted && self.items < MAX_ITEMS {
                items.push(item);
            }
        }
        Ok(items)
    }

    /// Passes encapsulated pixels that lie inside a sequence, such as an icon.
    fn skip_fragments(&mut self, encoding: Encoding) -> Result<(), Stop> {
        loop {
            let Header { tag, length, .. } = self.header(Encoding {
                explicit: false,
                ..encoding
            })?;
            if tag != ITEM {
                return Ok(());
            }
            self.skip(length.into())?;
        }
    }
}
