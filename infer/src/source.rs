//! Reads a file or object once where it fits, so that the digest in a record is of the very bytes
//! judged.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::mem;
use std::path::Path;

use sha2::{Digest, Sha256};
use veraray_datasets::{Image, OpenError, OpenOptions, open, open_as, open_bytes};

use crate::object::{self, Contents};
use crate::walk::Found;

/// Largest file held in memory; above it the file is read twice, once for the digest.
pub(crate) const IN_MEMORY: u64 = 64 << 20;

/// Sees what lies at a path in the file system, with its contents where they are held in memory.
pub(crate) type Look<'l> = dyn FnMut(&Path, Option<&[u8]>) + 'l;

/// Opens a file and digests it. The digest is there whenever the file could be read to its end; then
/// `look` sees it.
pub(crate) fn open_digested(
    path: &Path,
    options: &OpenOptions,
    look: &mut Look<'_>,
) -> (Option<String>, Result<Image, OpenError>) {
    let size = match fs::metadata(path) {
        // Opening says what is wrong; files above the limit are not even digested.
        Ok(metadata) if metadata.is_file() && metadata.len() <= options.max_file_bytes => {
            metadata.len()
        }
        _ => return (None, open(path, options)),
    };
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    if size <= IN_MEMORY {
        let mut bytes = Vec::with_capacity(size as usize + 1);
        return match File::open(path)
            .and_then(|file| file.take(IN_MEMORY + 1).read_to_end(&mut bytes))
        {
            Ok(_) if bytes.len() as u64 > IN_MEMORY => (None, open(path, options)),
            Ok(_) => {
                let (digest, image) = bytes_digested(path, bytes, options, look);
                (Some(digest), image)
            }
            Err(error) => (None, Err(io(error))),
        };
    }
    match stream(path) {
        Ok(digest) => {
            look(path, None);
            (Some(digest), open(path, options))
        }
        Err(error) => (None, Err(io(error))),
    }
}

/// The same for a fetched object; `name` stands for it in messages. A temporary file among the
/// contents must outlive the image.
pub(crate) fn open_fetched(
    name: &Path,
    contents: &mut Contents,
    options: &OpenOptions,
    look: &mut Look<'_>,
) -> (Option<String>, Result<Image, OpenError>) {
    match contents {
        Contents::Memory(bytes) => {
            let (digest, image) = bytes_digested(name, mem::take(bytes), options, look);
            (Some(digest), image)
        }
        Contents::File(file) => match stream(file.path()) {
            Ok(digest) => {
                look(file.path(), None);
                (Some(digest), open_as(file.path(), name, options))
            }
            Err(source) => {
                let path = name.to_owned();
                (None, Err(OpenError::Io { path, source }))
            }
        },
    }
}

/// Opens once more what a record was made of.
pub(crate) fn open_again(path: &Path, options: &OpenOptions) -> Result<Image, String> {
    match object::single(path) {
        Found::Object(object) => {
            let limit = options.max_file_bytes;
            let bytes = object.bytes(limit).map_err(|error| error.to_string())?;
            open_bytes(path, bytes, options)
        }
        found => open(found.path(), options),
    }
    .map_err(|error| error.to_string())
}

fn bytes_digested(
    name: &Path,
    bytes: Vec<u8>,
    options: &OpenOptions,
    look: &mut Look<'_>,
) -> (String, Result<Image, OpenError>) {
    look(name, Some(&bytes));
    let digest = hex(&Sha256::digest(&bytes));
    (digest, open_bytes(name, bytes, options))
}

fn stream(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_digested_even_if_it_is_no_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        let (digest, image) = open_digested(&path, &OpenOptions::default(), &mut |_, _| {});
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.as_deref(), Some(known));
        assert!(image.is_err());
        assert_eq!(stream(&path).unwrap(), known);
    }

    #[test]
    fn what_is_missing_has_no_digest() {
        let (digest, image) = open_digested(
            Path::new("/nonexistent"),
            &OpenOptions::default(),
            &mut |_, _| {},
        );
        assert_eq!(digest, None);
        assert_eq!(image.unwrap_err().kind(), "io");
    }
}
