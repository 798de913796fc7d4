//! Reading a file without trusting its size: a limit holds also for pipes, devices and files that
//! grow while they are read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// What a bounded read gave.
pub(crate) enum Bounded {
    /// All of the file.
    Whole(Vec<u8>),
    /// The file holds more than the limit.
    TooLong,
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Bounded> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "a folder, not a file",
        ));
    }
    if metadata.len() > limit {
        return Ok(Bounded::TooLong);
    }
    // Room for all of it at once: a buffer that grows would leave copies of a key behind, which the
    // caller cannot wipe.
    let room = usize::try_from(metadata.len()).unwrap_or(0).max(4096) + 1;
    let mut bytes = Vec::with_capacity(room);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > limit {
        Bounded::TooLong
    } else {
        Bounded::Whole(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_for_files_and_devices() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 100]).unwrap();
        assert!(matches!(read(&path, 100), Ok(Bounded::Whole(b)) if b.len() == 100));
        assert!(matches!(read(&path, 99), Ok(Bounded::TooLong)));
        assert!(read(folder.path(), 99).is_err());
        assert!(read(&folder.path().join("gone"), 99).is_err());
        #[cfg(unix)]
        assert!(matches!(
            read(Path::new("/dev/zero"), 1 << 16),
            Ok(Bounded::TooLong)
        ));
    }
}
