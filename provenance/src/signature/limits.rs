//! What one file may cost.

use std::cell::Cell;

/// Bounds on memory and time for one file; whoever made it chose its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes.
    pub file_bytes: u64,
    /// Largest size of a deflated data set, in bytes.
    pub inflated_bytes: u64,
    /// Most elements, items and fragments.
    pub nodes: usize,
    /// Most samples that are decoded for signatures made before compression.
    pub samples: usize,
    /// Most bytes that all checks of a file pass over, all signatures and readings together.
    pub work: u64,
}

impl Default for Limits {
    /// For one file that somebody asks about.
    fn default() -> Self {
        Self {
            file_bytes: 4 << 30,
            inflated_bytes: 4 << 30,
            nodes: 4_000_000,
            samples: 1 << 28,
            work: 256 << 30,
        }
    }
}

impl Limits {
    /// For one file among many: within what a scan may take, and over in seconds.
    #[must_use]
    pub fn among_many() -> Self {
        Self {
            file_bytes: 512 << 20,
            inflated_bytes: 256 << 20,
            nodes: 500_000,
            samples: 64 << 20,
            work: 2 << 30,
        }
    }
}

/// What a check costs beside the bytes it passes over: the arithmetic of keys and certificates.
const CHECK: u64 = 4 << 20;

/// How much of [`Limits::work`] is left.
#[derive(Debug)]
pub(crate) struct Work {
    left: Cell<u64>,
    /// Bytes of the data set.
    size: u64,
}

impl Work {
    pub(crate) fn new(limit: u64, size: usize) -> Self {
        Self {
            left: Cell::new(limit),
            size: size as u64,
        }
    }

    /// Takes the cost of one check off; false when there is not enough left.
    pub(crate) fn spend(&self) -> bool {
        let left = self.left.get().checked_sub(self.size + CHECK);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }
}
