//! Turns a panic inside a third-party decoder into an error.
//!
//! Input is hostile and decoders index slices; a panic while one file is decoded must not end a scan
//! over a million of them.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use crate::OpenError;

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the panic hook silent for panics that [`crate::open`] and [`crate::Image::frame`] catch and
/// report as [`OpenError::Corrupt`]. Panics elsewhere still reach the hook that was installed before.
///
/// For binaries, once at start; further calls do nothing.
pub fn quiet_decoder_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if !DECODING.get() && !decoder_thread() {
                previous(info);
            }
        }));
    });
}

/// Whether this is one of the threads that `jpeg-decoder` starts, whose panics reach the caller too.
fn decoder_thread() -> bool {
    let thread = std::thread::current();
    thread
        .name()
        .is_some_and(|name| name.starts_with("worker thread for component"))
}

/// Runs `decode`, reporting a panic as corrupt content.
pub(crate) fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    let outer = DECODING.replace(true);
    // The states that a panic may leave half-changed are a reader's position and a decoder's buffers:
    // every frame seeks first, and decoders are made anew.
    let result = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(outer);
    result.unwrap_or_else(|panic| {
        Err(OpenError::corrupt(
            path,
            format!("the decoder gave up: {}", message(panic.as_ref())),
        ))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_the_flag_is_reset() {
        quiet_decoder_panics();
        let path = Path::new("x.dcm");
        let error = guarded::<()>(path, || panic!("index {} out of range", 7)).unwrap_err();
        assert_eq!(error.kind(), "corrupt");
        assert!(
            error.to_string().contains("index 7 out of range"),
            "{error}"
        );
        assert!(!DECODING.get());
        assert_eq!(guarded(path, || Ok(3)).unwrap(), 3);
    }
}
