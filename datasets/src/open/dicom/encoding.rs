//! Value representation and byte order of a data set.

use std::path::Path;

use crate::OpenError;
use crate::open::source::Source;

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    pub explicit: bool,
    pub big_endian: bool,
}

impl Encoding {
    pub(super) const EXPLICIT: Self = Self {
        explicit: true,
        big_endian: false,
    };
    pub(super) const IMPLICIT: Self = Self {
        explicit: false,
        big_endian: false,
    };
    pub(super) const BIG: Self = Self {
        explicit: true,
        big_endian: true,
    };
}

/// Guesses how the elements at `offset` are written, from the first of them.
pub(super) fn guess(source: &mut Source, path: &Path, offset: u64) -> Result<Encoding, OpenError> {
    let left = source.len().saturating_sub(offset).min(6);
    let head = source.read_at(path, "data set", offset, left)?;
    let &[a, b, _, _, v0, v1] = head.as_slice() else {
        return Ok(Encoding::IMPLICIT);
    };
    if !(v0.is_ascii_uppercase() && v1.is_ascii_uppercase()) {
        return Ok(Encoding::IMPLICIT);
    }
    // Data sets start at group 0008, which reads as 0800 in the wrong order.
    Ok(if u16::from_le_bytes([a, b]) > u16::from_be_bytes([a, b]) {
        Encoding::BIG
    } else {
        Encoding::EXPLICIT
    })
}
