//! The contents of one object: in memory, or, when large, in a temporary file.

use std::fs::{self, File, OpenOptions};
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use object_store::aws::AmazonS3;
use object_store::path::Path as Location;
use object_store::{GetResult, ObjectStoreExt as _};
use tokio::task::JoinHandle;

use super::bucket::{bucket, runtime};
use super::{Key, ObjectError, SMALL};

/// An object met on a walk.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    key: Key,
    url: PathBuf,
    ahead: Ahead,
}

/// A fetch under way. `None` is an object too large to be fetched ahead.
type Ahead = Arc<Mutex<Option<JoinHandle<Result<Option<Vec<u8>>, ObjectError>>>>>;

/// What an object holds.
pub(crate) enum Contents {
    /// Its bytes.
    Memory(Vec<u8>),
    /// A copy, removed with this value.
    File(TemporaryFile),
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Object {}

impl Object {
    /// The object with this key, which may not be there.
    pub(crate) fn new(key: Key) -> Self {
        Self {
            url: key.url().into(),
            key,
            ahead: Ahead::default(),
        }
    }

    /// Its URL, in the place of a path.
    pub(crate) fn url(&self) -> &Path {
        &self.url
    }

    /// Begins to fetch it, should it be small. Failures wait for [`Object::fetch`].
    pub(crate) fn begin(&self, limit: u64) {
        let Ok((store, location, runtime)) = self.place() else {
            return;
        };
        let url = self.key.url();
        let fetch = async move {
            let answer = get(&store, &location, &url, limit).await?;
            if answer.meta.size > SMALL {
                return Ok(None);
            }
            whole(answer, &url).await.map(Some)
        };
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime.spawn(fetch));
    }

    /// Its contents; waits for them. What is larger than `in_memory` goes to a temporary file.
    ///
    /// # Errors
    /// See [`ObjectError`]; [`ObjectError::TooLarge`] above `limit` bytes, of which none is fetched.
    pub(crate) fn fetch(&self, limit: u64, in_memory: u64) -> Result<Contents, ObjectError> {
        let (store, location, runtime) = self.place()?;
        let url = self.key.url();
        let ahead = self
            .ahead
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A fetch that did not come to its end says nothing of the object: it is fetched anew.
        if let Some(ahead) = ahead
            && let Ok(fetched) = runtime.block_on(ahead)
            && let Some(bytes) = fetched?
        {
            return Ok(Contents::Memory(bytes));
        }
        runtime.block_on(async {
            let answer = get(&store, &location, &url, limit).await?;
            if answer.meta.size <= in_memory {
                return whole(answer, &url).await.map(Contents::Memory);
            }
            copy(answer, &url).await.map(Contents::File)
        })
    }

    /// All of its bytes.
    ///
    /// # Errors
    /// As [`Object::fetch`].
    pub(crate) fn bytes(&self, limit: u64) -> Result<Vec<u8>, ObjectError> {
        match self.fetch(limit, limit)? {
            Contents::Memory(bytes) => Ok(bytes),
            Contents::File(file) => fs::read(file.path())
                .map_err(|error| ObjectError::temporary(&self.key.url(), &error)),
        }
    }

    fn place(
        &self,
    ) -> Result<(Arc<AmazonS3>, Location, &'static tokio::runtime::Handle), ObjectError> {
        let url = self.key.url();
        let location = location(&self.key)?;
        let runtime = runtime().map_err(|reason| ObjectError::Storage {
            url: url.clone(),
            reason,
        })?;
        Ok((bucket(&self.key.bucket, &url)?, location, runtime))
    }
}

/// A key as the storage library takes it.
pub(super) fn location(key: &Key) -> Result<Location, ObjectError> {
    let refuse = |reason: String| ObjectError::Address {
        url: key.url(),
        reason,
    };
    if key.is_prefix() {
        return Err(refuse("a prefix, where one object is needed".into()));
    }
    Location::parse(&key.key).map_err(|error| refuse(format!("this key cannot be read: {error}")))
}

async fn get(
    store: &AmazonS3,
    location: &Location,
    url: &str,
    limit: u64,
) -> Result<GetResult, ObjectError> {
    let answer = store
        .get(location)
        .await
        .map_err(|error| ObjectError::said(url, &error))?;
    let size = answer.meta.size;
    if size > limit {
        return Err(ObjectError::TooLarge {
            url: url.to_owned(),
            size,
            limit,
        });
    }
    Ok(answer)
}

async fn whole(answer: GetResult, url: &str) -> Result<Vec<u8>, ObjectError> {
    let bytes = answer.bytes().await;
    bytes
        .map(Vec::from)
        .map_err(|error| ObjectError::said(url, &error))
}

async fn copy(answer: GetResult, url: &str) -> Result<TemporaryFile, ObjectError> {
    let failed = |error: io::Error| ObjectError::temporary(url, &error);
    let (copy, mut file) = TemporaryFile::create().map_err(failed)?;
    let mut stream = answer.into_stream();
    while let Some(piece) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        let piece = piece.map_err(|error| ObjectError::said(url, &error))?;
        // Blocks the worker that waits for the object, and nobody else.
        file.write_all(&piece).map_err(failed)?;
    }
    Ok(copy)
}

/// A file for the eyes of its owner; goes when it is dropped.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    path: PathBuf,
}

impl TemporaryFile {
    fn create() -> io::Result<(Self, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut options = OpenOptions::new();
        // Never one that is there already: it may be somebody else's.
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("veraray-object-{}-{number}", process::id());
            let path = std::env::temp_dir().join(name);
            match options.open(&path) {
                Ok(file) => return Ok((Self { path }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Left behind, it does no harm but to the space.
        let _ = fs::remove_file(&self.path);
    }
}
