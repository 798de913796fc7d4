//! What a scan says of a file's digital signatures. It never fails a record, and costs an unsigned
//! file little more than reading its element headers.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use veraray_datasets::Format;
use veraray_provenance::signature::{
    Limits, Overall, Report, TrustStore, VerifyOptions, verify_bytes, verify_file,
};

use super::pixels;
use crate::{ScanError, Signature};

/// The tag of Digital Signatures Sequence (FFFA,FFFA) in either byte order.
const TAGS: [[u8; 4]; 2] = [[0xFA, 0xFF, 0xFA, 0xFF], [0xFF, 0xFA, 0xFF, 0xFA]];
const MAGIC: &[u8] = b"DICM";
/// Bytes searched at a time in files that are not held in memory.
const BLOCK: usize = 1 << 20;

/// One large file at a time is held in memory for its signatures, however many workers there are.
static LARGE: Mutex<()> = Mutex::new(());

/// What was found in a file.
pub(crate) struct Found {
    signature: Signature,
    /// Whether it begins as a DICOM file does (PS3.10, 7.1).
    is_file: bool,
}

impl Found {
    /// What a record says of a file, given the format it opened as. Only DICOM carries signatures;
    /// of DICOM also objects without pixels: reports are signed more often than images. Nothing is
    /// said of what could not be opened and is no DICOM file.
    pub(crate) fn of(self, format: Option<Format>) -> Option<Signature> {
        match format {
            Some(Format::Dicom) => Some(self.signature),
            Some(_) => Some(plain(Overall::None)),
            None => self.is_file.then_some(self.signature),
        }
    }
}

/// Looks at signatures.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    options: Arc<VerifyOptions<'static>>,
}

impl Evidence {
    /// With the certificates of a file or folder, or without any: then nothing is more than
    /// `untrusted`.
    pub(crate) fn new(trust: Option<&Path>) -> Result<Self, ScanError> {
        Ok(Self::trusting(super::verify::trust(trust)?))
    }

    fn trusting(trust: TrustStore) -> Self {
        let options = VerifyOptions {
            trust,
            decoder: Some(&pixels::decode),
            limits: Limits::among_many(),
            ..VerifyOptions::default()
        };
        Self {
            options: Arc::new(options),
        }
    }

    /// What the signatures of a file say, should it be DICOM. `bytes` are its contents, where they are
    /// in memory.
    pub(crate) fn look(&self, path: &Path, bytes: Option<&[u8]>) -> Found {
        let is_file = match bytes {
            Some(bytes) => bytes.get(128..132) == Some(MAGIC),
            None => starts_as_file(path).unwrap_or(false),
        };
        // Anything else holds the tag by chance, or is a bare data set, of which nothing is certain.
        if !is_file {
            let tagged = bytes.is_some_and(has_tag);
            let overall = if tagged {
                Overall::Unverifiable
            } else {
                Overall::None
            };
            let signature = plain(overall);
            return Found { signature, is_file };
        }
        let signature = self.verified(path, bytes);
        Found { signature, is_file }
    }

    fn verified(&self, path: &Path, bytes: Option<&[u8]>) -> Signature {
        let (report, tagged) = match bytes {
            Some(bytes) => {
                let report = verify_bytes(path, bytes, &self.options).ok();
                let tagged = report.is_none() && has_tag(bytes);
                (report, tagged)
            }
            None => match tag_in_file(path) {
                Ok(false) => (None, false),
                Ok(true) | Err(_) => {
                    let _turn = LARGE.lock().unwrap_or_else(PoisonError::into_inner);
                    (verify_file(path, &self.options).ok(), true)
                }
            },
        };
        match report {
            Some(report) => said(&report),
            // Not read to its end, so nothing is certain; without the tag there is nothing to verify.
            None if tagged => plain(Overall::Unverifiable),
            None => plain(Overall::None),
        }
    }
}

fn said(report: &Report) -> Signature {
    let names = report.coverage();
    Signature {
        coverage: names.iter().map(ToString::to_string).collect(),
        ..plain(report.overall)
    }
}

fn plain(overall: Overall) -> Signature {
    Signature {
        status: overall.word(),
        coverage: Vec::new(),
    }
}

/// Searched without early exit in pieces, which the compiler makes vectors of: every file that is not
/// DICOM by its first bytes is looked through.
fn has_tag(bytes: &[u8]) -> bool {
    let ends = bytes.len().saturating_sub(3);
    (0..ends).step_by(4096).any(|at| {
        let piece = &bytes[at..(at + 4096 + 3).min(bytes.len())];
        let alike = |w: &[u8], tag: [u8; 4]| {
            (w[0] == tag[0]) & (w[1] == tag[1]) & (w[2] == tag[2]) & (w[3] == tag[3])
        };
        piece.windows(4).fold(false, |found, w| {
            found | alike(w, TAGS[0]) | alike(w, TAGS[1])
        })
    })
}

fn starts_as_file(path: &Path) -> io::Result<bool> {
    let mut head = [0; 132];
    File::open(path)?.read_exact(&mut head)?;
    Ok(&head[128..] == MAGIC)
}

fn tag_in_file(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut block = vec![0; BLOCK];
    let mut kept = 0;
    loop {
        let read = match file.read(&mut block[kept..]) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = kept + read;
        if has_tag(&block[..end]) {
            return Ok(true);
        }
        // A tag may lie across two blocks.
        kept = end.min(3);
        block.copy_within(end - kept..end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_across_blocks_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        for at in [0, BLOCK - 4, BLOCK - 3, BLOCK - 1, BLOCK, 3 * BLOCK - 2] {
            let mut bytes = vec![0xFA; 3 * BLOCK + 5];
            assert!(!has_tag(&bytes));
            bytes[at..at + 4].copy_from_slice(&TAGS[0]);
            std::fs::write(&path, &bytes).unwrap();
            assert!(tag_in_file(&path).unwrap(), "{at}");
        }
        std::fs::write(&path, [0xFA, 0xFF, 0xFA]).unwrap();
        assert!(!tag_in_file(&path).unwrap());
    }

    #[test]
    fn what_is_no_dicom_file_has_no_signature() {
        let evidence = Evidence::trusting(TrustStore::default());
        for (bytes, word) in [
            (&b"not an image"[..], "none"),
            (&[0xFA, 0xFF, 0xFA, 0xFF], "unverifiable"),
            (&[], "none"),
        ] {
            let found = evidence.look(Path::new("x"), Some(bytes));
            assert!(!found.is_file && found.signature.status == word);
        }
    }
}
