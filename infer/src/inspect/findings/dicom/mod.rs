//! Findings in DICOM files.

pub(super) mod across;
mod compression;
mod dates;
mod equipment;
mod image_type;
mod modules;
mod pixel_header;
mod pixel_stats;
mod structure;
mod uid;
mod vendors;

use veraray_datasets::{Frame, Image};

pub(crate) use across::Identity;
pub(super) use pixel_header::PixelHeader;

use super::set::{Parts, Set};
use super::{Found, catalogue, trace};

/// Reads what the headers say. `false` where the bytes are no DICOM.
pub(super) fn headers(bytes: &[u8], found: &mut Found) -> bool {
    let Some(parts) = Parts::split(bytes) else {
        return false;
    };
    let Some((file, stopped)) = parts.parse() else {
        if parts.preamble.is_some() {
            found.push(catalogue::SET_BROKEN.note("the data set cannot be read at all"));
        }
        return parts.preamble.is_some();
    };
    let set = Set::of(&file.dataset);
    // Bytes that only happen to begin like a data set.
    if parts.preamble.is_none() && !set.has(0x0008_0016) && !set.has(0x0008_0060) {
        return false;
    }
    if let Some(error) = &stopped {
        found.push(catalogue::SET_BROKEN.note(format!("the data set cannot be read: {error}")));
    }
    let meta = parts.meta.as_ref().map(|meta| Set::of(&meta.dataset));
    facts(&set, parts.transfer_syntax.as_deref(), found);
    structure::check(&parts, &file.dataset, meta.as_ref(), &set, found);
    uid::check(&set, meta.as_ref(), found);
    dates::check(&set, dates::today(), found);
    equipment::check(&set, meta.as_ref(), found);
    image_type::check(&set, found);
    if let Some(header) = PixelHeader::of(&parts, &set) {
        header.check(&set, found);
        compression::check(&header, &set, found);
    }
    if stopped.is_none() {
        found.notes.extend(modules::check(&set));
    }
    found.identity = Some(Identity::of(&set));
    true
}

/// Looks for traces in the JPEG code stream of the middle frame.
pub(super) fn code_stream(bytes: &[u8], found: &mut Found) {
    let Some(parts) = Parts::split(bytes) else {
        return;
    };
    let Some((file, _)) = parts.parse() else {
        return;
    };
    let set = Set::of(&file.dataset);
    // Behind the offset table, the first fragment that begins an image.
    let fragments = set.fragments(pixel_header::PIXELS).unwrap_or_default();
    let mut starts = fragments.iter().skip(1).enumerate();
    let begins = |f: &&[u8]| f.starts_with(&[0xff, 0xd8, 0xff]);
    let Some((index, _)) = starts.find(|(_, f)| begins(f)) else {
        return;
    };
    let mut stream = Vec::new();
    for (offset, fragment) in fragments.iter().skip(1 + index).enumerate() {
        if (offset > 0 && begins(fragment)) || stream.len() + fragment.len() > 256 << 20 {
            break;
        }
        stream.extend_from_slice(fragment);
    }
    trace::code_stream(&stream, found);
}

/// Compares pixels with the header.
pub(super) fn pixels(image: &mut Image, frame: &Frame, header: &PixelHeader, found: &mut Found) {
    pixel_stats::check(frame, header, image.info().frames, found);
    if let Some(identity) = &mut found.identity {
        identity.digest_pixels(image, frame);
    }
}

fn facts(set: &Set<'_>, syntax: Option<&str>, found: &mut Found) {
    let list = [
        ("class", 0x0008_0016),
        ("modality", 0x0008_0060),
        ("manufacturer", 0x0008_0070),
        ("model", 0x0008_1090),
        ("image type", 0x0008_0008),
    ];
    for (name, tag) in list {
        if let Some(text) = set.text(tag) {
            found.fact(name, super::quote(&text));
        }
    }
    if let Some(syntax) = syntax {
        found.fact("transfer syntax", super::quote(syntax));
    }
}
