//! Medical images from files, and data sets made of them.
//!
//! [`open`] reads DICOM, NIfTI, PNG, JPEG, TIFF, WebP and HDF5 by content at full bit depth.

pub mod audit;
mod collection;
mod delivery;
mod error;
mod forge;
mod frame;
pub mod harmonise;
mod identity;
mod image;
mod manifest;
mod mark;
mod near_duplicate;
mod open;
mod pack;
mod split;

pub use crate::collection::{
    Collection, CollectionError, LabelTable, LeaveOut, PatientGroups, Pattern, Rule, ScanOptions,
    Scanned, Watch, public_collections, scan_folder,
};
pub use crate::delivery::{Delivery, Plane};
pub use crate::error::OpenError;
pub use crate::forge::{
    Forgery, ForgeryTask, ImageStatistics, LEAST_SIDE, Lesion, Original, Parameter, Parameters,
    Refinement, SetDistance, TrainedFamily, TrainingFreeFamily, UnknownFamily, composite, forge,
    forge_image, plan_forgeries, plan_trained, refine, set_distance,
};
pub use crate::frame::{Display, Frame, GrayImage, Voi, VoiFunction};
pub use crate::identity::Identity;
pub use crate::image::{Format, ImageInfo, Photometric};
pub use crate::manifest::{
    Entry, Label, Manifest, ManifestError, ManifestReader, STANDARD_COLUMNS, Split, Table,
};
pub use crate::mark::{
    DicomTemplate, MarkError, Origin, encode_png, read_png_mark, strip_png_text,
};
pub use crate::near_duplicate::{Fingerprint, NearDuplicate, Similarity, near_duplicates};
pub use crate::open::{
    Image, JpegComponent, OpenOptions, inflate_raw, inflate_zlib, jpeg_first_component, open,
    open_as, open_bytes, quiet_decoder_panics,
};
pub use crate::pack::{Pack, PackError, PackImage, PackOptions, Packed, pack};
pub use crate::split::{
    Division, DivisionError, DivisionOptions, Leak, LeakKind, Provenance, SplitOptions, Term,
    TrainedOn, assign_splits, divide, find_leaks,
};

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file, hexadecimal, read piece by piece.
fn digest_file(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read as _;

    use sha2::Digest as _;

    let mut file = std::fs::File::open(path)?;
    let mut digest = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buffer[..count]);
    }
}

/// How to get from `base` to `folder`, ending in `/` where it is not empty.
fn relative(folder: &std::path::Path, base: &std::path::Path) -> String {
    let absolute = |path: &std::path::Path| {
        let path = if path.as_os_str().is_empty() {
            std::path::Path::new(".")
        } else {
            path
        };
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    };
    let (folder, base) = (absolute(folder), absolute(base));
    let shared = folder
        .components()
        .zip(base.components())
        .take_while(|(a, b)| a == b)
        .count();
    let mut text = "../".repeat(base.components().count() - shared);
    for part in folder.components().skip(shared) {
        text += &part.as_os_str().to_string_lossy();
        text.push('/');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_lead_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["a/b", "a/c/d"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        assert_eq!(relative(&root.join("a/b"), &root.join("a/b")), "");
        assert_eq!(relative(&root.join("a/b"), &root.join("a")), "b/");
        assert_eq!(relative(&root.join("a/b"), &root.join("a/c/d")), "../../b/");
    }
}
