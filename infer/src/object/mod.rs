//! Inputs by URL: objects of S3-compatible storage (`s3://BUCKET/KEY`), and `file://` beside paths.
//!
//! A record's path is the object's URL, so that shards, resumed runs and merging treat it as any path.
//! Requests run on one background thread ([`bucket`]); a walk asks for a few small objects ahead of the
//! workers ([`fetch`]), so that waiting for the network and computing overlap.

mod address;
mod bucket;
mod error;
mod fetch;
mod list;

use std::path::Path;

pub(crate) use address::{Address, Key};
pub(crate) use error::ObjectError;
pub(crate) use fetch::{Contents, Object};
pub(crate) use list::list;

use crate::walk::Found;

/// Objects that are asked for before a worker is free for them.
pub(crate) const AHEAD: usize = 16;

/// Largest object that is fetched before a worker is free for it, in bytes. With [`AHEAD`] it bounds
/// the memory of what waits.
const SMALL: u64 = 16 << 20;

/// Whether this is a URL and no path.
pub(crate) fn is_url(path: &Path) -> bool {
    address::split(path).is_some()
}

/// What a path or URL stands for, when it can only be one file or object.
pub(crate) fn single(path: &Path) -> Found {
    match Address::of(path) {
        Ok(Address::Path(path)) => Found::File(path),
        Ok(Address::Key(key)) => Found::Object(Object::new(key)),
        Err(error) => error.found(path),
    }
}
