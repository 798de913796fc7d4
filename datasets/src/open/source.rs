//! The bytes of one file, on disk or in memory, behind one seekable reader.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use crate::OpenError;

/// A seekable reader that knows its length.
pub(crate) struct Source {
    inner: Inner,
    len: u64,
}

enum Inner {
    File(BufReader<File>),
    Memory(Cursor<Vec<u8>>),
}

impl Source {
    /// Opens a regular file. Never blocks: what is no regular file is refused before it is opened.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let error = |source| OpenError::io(path, source);
        let not_a_file = |found| OpenError::NotAFile {
            path: path.into(),
            found,
        };
        let kind = std::fs::metadata(path).map_err(error)?;
        if !kind.is_file() {
            return Err(not_a_file(if kind.is_dir() {
                "directory"
            } else {
                "pipe, socket or device"
            }));
        }
        let file = File::open(path).map_err(error)?;
        let len = file.metadata().map_err(error)?.len();
        Ok(Self {
            inner: Inner::File(BufReader::with_capacity(1 << 16, file)),
            len,
        })
    }

    /// Takes bytes that are in memory already.
    pub(crate) fn memory(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self {
            inner: Inner::Memory(Cursor::new(bytes)),
            len,
        }
    }

    /// Length in bytes when the source was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The first bytes, at most `count`; leaves the reader at the start.
    pub(crate) fn head(&mut self, path: &Path, count: u64) -> Result<Vec<u8>, OpenError> {
        let mut head = Vec::new();
        self.rewind()
            .and_then(|()| self.by_ref().take(count).read_to_end(&mut head))
            .and_then(|_| self.rewind())
            .map_err(|source| OpenError::io(path, source))?;
        Ok(head)
    }

    /// Reads `count` bytes at `offset`. `what` names them in the error if the file ends earlier.
    pub(crate) fn read_at(
        &mut self,
        path: &Path,
        what: &str,
        offset: u64,
        count: u64,
    ) -> Result<Vec<u8>, OpenError> {
        let found = self.len.saturating_sub(offset);
        if found < count {
            return Err(OpenError::truncated(path, what, count, found));
        }
        // The length was checked against the file, so that this allocation is no larger than it.
        let mut bytes = vec![0; count as usize];
        self.seek_to(offset)
            .and_then(|()| self.read_exact(&mut bytes))
            .map_err(|source| OpenError::io(path, source))?;
        Ok(bytes)
    }

    /// Moves to `offset` from the start, keeping the buffer where that is possible.
    pub(crate) fn seek_to(&mut self, offset: u64) -> io::Result<()> {
        match &mut self.inner {
            Inner::File(reader) => {
                let here = reader.stream_position()?;
                reader.seek_relative(offset.wrapping_sub(here) as i64)
            }
            Inner::Memory(cursor) => {
                cursor.set_position(offset);
                Ok(())
            }
        }
    }

    /// The open file or the bytes, for a decoder that brings its own reader.
    pub(crate) fn into_parts(self) -> Result<File, Vec<u8>> {
        match self.inner {
            Inner::File(reader) => Ok(reader.into_inner()),
            Inner::Memory(cursor) => Err(cursor.into_inner()),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::File(reader) => reader.read(buffer),
            Inner::Memory(cursor) => cursor.read(buffer),
        }
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.inner {
            Inner::File(reader) => reader.fill_buf(),
            Inner::Memory(cursor) => cursor.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.inner {
            Inner::File(reader) => reader.consume(amount),
            Inner::Memory(cursor) => cursor.consume(amount),
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match &mut self.inner {
            Inner::File(reader) => reader.seek(position),
            Inner::Memory(cursor) => cursor.seek(position),
        }
    }
}
