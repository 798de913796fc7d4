//! Listings of buckets, page by page: a page is asked for when the one before has been walked.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::aws::AmazonS3;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore as _};
use object_store::{Error, ObjectMeta, ObjectStoreExt as _};
use tokio::runtime::Handle;

use super::bucket::{bucket, runtime};
use super::fetch::location;
use super::{Key, Object, ObjectError};
use crate::walk::Found;

/// Keys of a page: the most that S3 gives at once.
const PAGE: usize = 1000;

/// Calls `visit` for the object with this key, should there be one, and for all below it, in the
/// order of the service, which for S3 is that of the bytes of the keys. Where a listing breaks off,
/// [`Found::Broken`] says so.
pub(crate) fn list(root: &Key, visit: &mut dyn FnMut(Found) -> ControlFlow<()>) -> ControlFlow<()> {
    match Listing::new(root).and_then(|listing| listing.run(visit)) {
        Ok(flow) => flow,
        Err(error) => visit(Found::Broken {
            path: root.url().into(),
            message: error.to_string(),
        }),
    }
}

struct Listing<'r> {
    root: &'r Key,
    store: Arc<AmazonS3>,
    runtime: &'static Handle,
}

impl<'r> Listing<'r> {
    fn new(root: &'r Key) -> Result<Self, ObjectError> {
        let url = root.url();
        let store = bucket(&root.bucket, &url)?;
        let runtime = runtime().map_err(|reason| ObjectError::Storage { url, reason })?;
        Ok(Self {
            root,
            store,
            runtime,
        })
    }

    fn run(
        &self,
        visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ObjectError> {
        let mut met = false;
        if !self.root.is_prefix() && self.is_there(self.root)? {
            met = true;
            if visit(Found::Object(Object::new(self.root.clone()))).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let mut place = Place::default();
        while let Some(found) = self.page(&mut place)? {
            met |= !found.is_empty();
            for found in found {
                if visit(found).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        // An empty bucket is like an empty folder; a prefix without objects is most likely mistyped.
        if !met && !self.root.key.is_empty() {
            let url = self.root.url();
            let message = format!("{url}: no such object, and none below it");
            return Ok(visit(Found::Fault {
                path: url.into(),
                kind: "not_found",
                message,
            }));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The next page, or `None` after the last.
    fn page(&self, place: &mut Place) -> Result<Option<Vec<Found>>, ObjectError> {
        if place.ended {
            return Ok(None);
        }
        match self.ask(place) {
            Ok(page) => {
                place.ended = page.page_token.is_none();
                place.token = page.page_token;
                place.size = PAGE;
                let objects = page.result.objects;
                objects
                    .into_iter()
                    .filter_map(|meta| self.object(&meta).transpose())
                    .collect::<Result<_, _>>()
                    .map(Some)
            }
            // The storage library refuses a page for one key that it cannot hold (`a//b`, `a/../b`).
            // Smaller pages single it out; it is met as a fault, and the listing goes on after it.
            Err(Error::InvalidPath { source }) => {
                if place.size > 1 {
                    place.size /= 2;
                    return Ok(Some(Vec::new()));
                }
                let (key, reason) = (refused(&source), source.to_string());
                let key = key.ok_or_else(|| ObjectError::Storage {
                    url: self.root.url(),
                    reason: reason.clone(),
                })?;
                *place = Place {
                    after: Some(key.to_owned()),
                    ..Place::default()
                };
                let url = self.root.with(key).url();
                let error = ObjectError::Address {
                    url: url.clone(),
                    reason: format!("this key cannot be read: {reason}"),
                };
                Ok(Some(vec![error.found(&PathBuf::from(url))]))
            }
            Err(error) => Err(ObjectError::said(&self.root.url(), &error)),
        }
    }

    fn ask(&self, place: &Place) -> Result<PaginatedListResult, Error> {
        let prefix = match self.root.key.as_str() {
            "" => None,
            key if key.ends_with('/') => Some(key.to_owned()),
            key => Some(format!("{key}/")),
        };
        let options = PaginatedListOptions {
            offset: place.after.clone(),
            max_keys: Some(place.size),
            page_token: place.token.clone(),
            ..PaginatedListOptions::default()
        };
        self.runtime
            .block_on(self.store.list_paginated(prefix.as_deref(), options))
    }

    /// An object of a page. The empty ones that stand for folders are left out: their key ends in `/`,
    /// which the storage library drops, so that no object has the rest as its key.
    fn object(&self, meta: &ObjectMeta) -> Result<Option<Found>, ObjectError> {
        let key = self.root.with(meta.location.as_ref());
        if meta.size == 0 && (key.is_prefix() || !self.is_there(&key)?) {
            return Ok(None);
        }
        Ok(Some(Found::Object(Object::new(key))))
    }

    fn is_there(&self, key: &Key) -> Result<bool, ObjectError> {
        let Ok(location) = location(key) else {
            return Ok(false);
        };
        match self.runtime.block_on(self.store.head(&location)) {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(ObjectError::said(&key.url(), &error)),
        }
    }
}

/// How far a listing has come.
struct Place {
    /// From the page before.
    token: Option<String>,
    /// The key before the first one, after a key that cannot be read.
    after: Option<String>,
    size: usize,
    ended: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            token: None,
            after: None,
            size: PAGE,
            ended: false,
        }
    }
}

/// The key that the storage library could not hold.
fn refused(error: &object_store::path::Error) -> Option<&str> {
    use object_store::path::Error;
    match error {
        Error::EmptySegment { path } | Error::BadSegment { path, .. } => Some(path),
        _ => None,
    }
}
