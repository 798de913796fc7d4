//! Buffers of dropped activations, for the next ones of the same size.
//!
//! Allocators map blocks of megabytes anew every time, so that the kernel faults in and clears
//! every page: a seventh of the time of a training step.

use std::sync::{Mutex, PoisonError};

/// Buffers below this many elements are left to the allocator.
const SMALL: usize = 1 << 15;

/// Elements kept at most, 1 GiB: several times the activations of a training step.
const LARGEST: usize = 1 << 28;

static BUFFERS: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer of `length` elements of any value, all of which are to be overwritten.
pub(crate) fn take(length: usize) -> Vec<f32> {
    if length >= SMALL {
        let mut buffers = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest is the likeliest to be in the cache.
        if let Some(at) = buffers.iter().rposition(|buffer| buffer.len() == length) {
            return buffers.remove(at);
        }
    }
    vec![0.0; length]
}

/// Keeps a buffer that nobody needs.
pub(crate) fn give(buffer: Vec<f32>) {
    if buffer.len() < SMALL || buffer.len() > LARGEST {
        return;
    }
    let mut buffers = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
    buffers.push(buffer);
    let mut total: usize = buffers.iter().map(Vec::len).sum();
    while total > LARGEST {
        total -= buffers.remove(0).len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_and_none_of_another_size() {
        let length = SMALL + 12_345;
        give(vec![7.0; length]);
        assert_eq!(take(length + 1), vec![0.0; length + 1]);
        assert_eq!(take(length), vec![7.0; length]);
        assert_eq!(take(length), vec![0.0; length]);
    }
}
