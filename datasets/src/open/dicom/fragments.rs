//! Finds the bytes of a frame in encapsulated pixel data (PS3.5 A.4).

use std::path::Path;

use super::element::{DataSet, tags};
use super::header::Header;
use crate::OpenError;
use crate::open::source::Source;

/// Position and length of a fragment's value.
pub(super) type Fragment = (u64, u64);

/// Which fragments make up which frame.
#[derive(Debug)]
pub(super) struct Fragments {
    fragments: Vec<Fragment>,
    /// For each frame the index of its first fragment, with the number of fragments at the end.
    starts: Vec<usize>,
    /// The fragment that the file ends in, with its claimed length.
    cut: Option<Fragment>,
}

impl Fragments {
    /// Reads the fragment headers; values stay in the file.
    pub(super) fn read(
        source: &mut Source,
        path: &Path,
        set: &DataSet,
        header: &Header,
        notes: &mut Vec<String>,
    ) -> Result<Self, OpenError> {
        let mut fragments: Vec<Fragment> = Vec::new();
        let mut table = None;
        let mut at = header.pixels.offset;
        let mut cut = None;
        while at + 8 <= source.len() {
            let bytes = source.read_at(path, "fragment", at, 8)?;
            let &[a, b, c, d, e, f, g, h] = bytes.as_slice() else {
                break;
            };
            if [a, b, c, d] != [0xfe, 0xff, 0x00, 0xe0] {
                // The delimiter, or the end of a value that was not closed.
                break;
            }
            let length = u64::from(u32::from_le_bytes([e, f, g, h]));
            let fragment = (at + 8, length);
            if at + 8 + length > source.len() {
                cut = Some(fragment);
                break;
            }
            if table.is_none() {
                table = Some(fragment);
            } else {
                fragments.push(fragment);
            }
            at += 8 + length;
        }
        let frames = header.frames as usize;
        if fragments.is_empty() && cut.is_none() {
            return Err(OpenError::corrupt(
                path,
                "encapsulated pixel data without fragments",
            ));
        }
        let mut this = Self {
            fragments,
            starts: Vec::new(),
            cut,
        };
        let offsets = this.offsets(source, path, set, table)?;
        this.starts = this.assign(source, path, frames, &offsets)?;
        if this.starts.len() <= frames {
            notes.push(format!(
                "{} of {frames} frames present",
                this.starts.len().saturating_sub(1)
            ));
        }
        Ok(this)
    }

    /// Frame offsets from the extended or the basic offset table, relative to the first fragment.
    fn offsets(
        &self,
        source: &mut Source,
        path: &Path,
        set: &DataSet,
        table: Option<Fragment>,
    ) -> Result<Vec<u64>, OpenError> {
        if let Some(bytes) = set.bytes(tags::OFFSETS) {
            return Ok(bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| u64::from_le_bytes(b))
                .collect());
        }
        let Some((at, length @ 4..=0x400_0000)) = table else {
            return Ok(Vec::new());
        };
        let bytes = source.read_at(path, "offset table", at, length)?;
        Ok(bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| u32::from_le_bytes(b).into())
            .collect())
    }

    /// The first fragment of every frame, and their number at the end.
    fn assign(
        &self,
        source: &mut Source,
        path: &Path,
        frames: usize,
        offsets: &[u64],
    ) -> Result<Vec<usize>, OpenError> {
        let count = self.fragments.len() + usize::from(self.cut.is_some());
        if frames == 1 {
            return Ok(vec![0, count]);
        }
        if count == frames {
            return Ok((0..=count).collect());
        }
        // An item header lies before every fragment.
        let base = self.fragments.first().map_or(0, |f| f.0 - 8);
        let starts: Option<Vec<usize>> = offsets
            .iter()
            .map(|offset| {
                self.fragments
                    .binary_search_by_key(&(base + offset + 8), |f| f.0)
                    .ok()
            })
            .collect();
        if let Some(mut starts) = starts.filter(|s| s.len() == frames && s.is_sorted()) {
            starts.push(count);
            return Ok(starts);
        }
        // No usable table: a frame starts where a code stream starts.
        let mut starts = Vec::new();
        for (index, &(at, length)) in self.fragments.iter().enumerate() {
            let head = source.read_at(path, "fragment", at, length.min(12))?;
            if super::syntax::sniff(&head).is_some() {
                starts.push(index);
            }
        }
        if starts.len() > frames || starts.is_empty() {
            let reason = format!("{count} fragments for {frames} frames and no offset table");
            return Err(OpenError::corrupt(path, reason));
        }
        starts.push(count);
        Ok(starts)
    }

    /// The bytes of frame `index`, its fragments joined.
    pub(super) fn frame(
        &self,
        source: &mut Source,
        path: &Path,
        index: u32,
    ) -> Result<Vec<u8>, OpenError> {
        let index = index as usize;
        let (Some(&first), Some(&end)) = (self.starts.get(index), self.starts.get(index + 1))
        else {
            let frames = self.starts.len().saturating_sub(1) as u64;
            return Err(OpenError::truncated(
                path,
                "list of frames",
                index as u64 + 1,
                frames,
            ));
        };
        let mut bytes = Vec::new();
        for fragment in first..end {
            match (self.fragments.get(fragment), self.cut) {
                (Some(&(at, length)), _) => {
                    bytes.append(&mut source.read_at(path, "fragment", at, length)?);
                }
                (None, Some((at, length))) => {
                    let found = source.len().saturating_sub(at);
                    return Err(OpenError::truncated(
                        path,
                        "compressed pixel data",
                        length,
                        found,
                    ));
                }
                (None, None) => {}
            }
        }
        Ok(bytes)
    }
}
