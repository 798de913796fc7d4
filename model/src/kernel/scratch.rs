//! Buffers that a thread keeps between calls.

use std::cell::Cell;

thread_local! {
    static BUFFERS: [Cell<Vec<f32>>; 3] = const { [const { Cell::new(Vec::new()) }; 3] };
}

/// Which buffer: a thread may hold one of each at a time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slot {
    Input,
    Output,
    Flat,
}

/// Calls `body` with a buffer of `length` elements of any finite value.
pub(super) fn with<R>(slot: Slot, length: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out rather than borrowed: a nested call finds an empty buffer, not a panic.
    let mut buffer = BUFFERS.with(|buffers| buffers[slot as usize].take());
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = body(&mut buffer[..length]);
    BUFFERS.with(|buffers| buffers[slot as usize].set(buffer));
    result
}
