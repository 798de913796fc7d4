//! Files that the log commands read and write.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use veraray_datasets::{Image, OpenOptions};
use veraray_provenance::log::{Digest, LogError};

use crate::ScanError;
use crate::source::open_digested;

/// Reads a small file; a longer one than any we write is refused before it fills memory.
pub(super) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(LogError::io_at(path))?;
    if bytes.len() > limit {
        return Err(LogError::TooLong {
            what: path.display().to_string(),
            limit: limit as u64,
        });
    }
    Ok(bytes)
}

/// Writes a file anew; one that exists stays.
pub(super) fn write_new(flag: &str, path: &Path, bytes: &[u8]) -> Result<(), ScanError> {
    let write = |path: &Path| {
        let mut file = File::options().write(true).create_new(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write(path).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::AlreadyExists => "exists and is not overwritten".to_owned(),
            _ => error.to_string(),
        };
        ScanError::Usage(format!("{flag} {}: {reason}", path.display()))
    })
}

/// The digest of a file and, where it is an image, of its pixels, with its SOP instance UID; all of
/// the same bytes.
pub(super) struct Digested {
    pub file: Digest,
    pub pixels: Option<Digest>,
    pub uid: Option<String>,
}

/// Reads a file once and digests it.
pub(super) fn digest(path: &Path) -> Result<Digested, LogError> {
    let (hex, image) = open_digested(path, &OpenOptions::default(), &mut |_, _| {});
    let file = match hex {
        Some(hex) => hex.parse()?,
        // Not an image that is read at all: too large, a pipe, or not there.
        None => File::open(path)
            .and_then(Digest::of_reader)
            .map_err(LogError::io_at(path))?,
    };
    // What does not decode has no pixels; its file is bound all the same.
    let mut image = image.ok();
    Ok(Digested {
        file,
        pixels: image.as_mut().and_then(pixels),
        uid: image.and_then(|image| image.info().sop_instance_uid.clone()),
    })
}

/// The digest of all modality values: rows, columns and channels of every frame as 32-bit integers,
/// then its values as 32-bit floats, all little endian. The same for every lossless compression.
pub(crate) fn pixels(image: &mut Image) -> Option<Digest> {
    let mut hasher = Sha256::new();
    for index in 0..image.info().frames {
        let frame = image.frame(index).ok()?;
        for number in [frame.rows, frame.columns, u32::from(frame.channels)] {
            hasher.update(number.to_le_bytes());
        }
        let bytes: Vec<u8> = frame.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    Some(Digest(hasher.finalize().into()))
}
