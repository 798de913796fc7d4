//! Buckets, opened once for the whole process, and the thread that talks to them.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{ClientConfigKey, RetryConfig};
use tokio::runtime::{Builder, Handle};

use super::ObjectError;
use super::error::{service, short, whole};

/// Attempts after the first for a request that failed on the way or in the service. With the pauses
/// between them they bridge some ten seconds.
const RETRIES: usize = 6;
/// How long a request is tried again.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// Attempts after the first for credentials, which are asked for when a bucket is opened.
const CREDENTIAL_RETRIES: usize = 2;

/// A bucket, or why it cannot be had.
type Opened = Result<Arc<AmazonS3>, String>;

static BUCKETS: Mutex<Option<HashMap<String, Opened>>> = Mutex::new(None);

/// Where requests are driven. One thread does: what it costs is little beside decoding.
///
/// # Errors
/// In words, when the thread cannot be had.
pub(super) fn runtime() -> Result<&'static Handle, String> {
    static RUNTIME: OnceLock<Result<Handle, String>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        // An error says that the process has a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("object storage".into())
            .spawn(move || runtime.block_on(pending::<()>()))
            .map_err(|error| error.to_string())?;
        Ok(handle)
    });
    started.as_ref().map_err(Clone::clone)
}

/// The bucket of `url`, set up from the environment. That it cannot be had is remembered, so that a
/// long list does not wait for the same failure again and again. Not to be called on the runtime.
pub(super) fn bucket(name: &str, url: &str) -> Result<Arc<AmazonS3>, ObjectError> {
    let mut buckets = BUCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = buckets.get_or_insert_default();
    let opened = match known.get(name) {
        Some(opened) => opened.clone(),
        None => {
            let opened = open(name);
            known.insert(name.to_owned(), opened.clone());
            opened
        }
    };
    opened.map_err(|reason| ObjectError::Storage {
        url: url.to_owned(),
        reason,
    })
}

fn open(name: &str) -> Opened {
    let runtime = runtime()?;
    let builder = builder(name);
    let refuse = |error: object_store::Error| format!("object storage: {}", short(&whole(&error)));
    if !signs(&builder) {
        return builder.build().map(Arc::new).map_err(refuse);
    }
    // Asks for credentials now and briefly: on a machine without any, every request would otherwise
    // try for long to reach the metadata service of a cloud.
    let brief = builder
        .clone()
        .with_retry(retry(CREDENTIAL_RETRIES))
        .build()
        .map_err(refuse)?;
    let credentials = Arc::clone(brief.credentials());
    runtime
        .block_on(credentials.get_credential())
        .map_err(|error| {
            format!(
                "no credentials for object storage{}; set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for what is public ({})",
                service(),
                short(&whole(&error))
            )
        })?;
    builder
        .with_credentials(credentials)
        .build()
        .map(Arc::new)
        .map_err(refuse)
}

fn builder(name: &str) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(name)
        .with_retry(retry(RETRIES));
    // By default a whole download must end within 30 s, which large volumes on slow lines do not: as
    // long as bytes arrive they may take their time.
    for (key, value) in [
        (ClientConfigKey::Timeout, "4h"),
        (ClientConfigKey::ReadTimeout, "30s"),
    ] {
        let variable = format!("AWS_{}", key.as_ref().to_ascii_uppercase());
        if std::env::var_os(variable).is_none() {
            builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
        }
    }
    builder
}

fn signs(builder: &AmazonS3Builder) -> bool {
    let skip = builder.get_config_value(&AmazonS3ConfigKey::SkipSignature);
    !skip.is_some_and(|value| {
        ["1", "true", "on", "yes", "y"].contains(&value.to_ascii_lowercase().as_str())
    })
}

fn retry(attempts: usize) -> RetryConfig {
    RetryConfig {
        max_retries: attempts,
        retry_timeout: RETRY_FOR,
        ..RetryConfig::default()
    }
}
