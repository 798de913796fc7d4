//! What an input as typed stands for: a path, or a URL.

use std::path::{Path, PathBuf};

use reqwest::Url;

use super::ObjectError;

/// Where an input lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// In the file system.
    Path(PathBuf),
    /// In a bucket.
    Key(Key),
}

/// A key of a bucket: of an object, or, at an end in `/` or when empty, of all objects below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(super) bucket: String,
    pub(super) key: String,
}

impl Key {
    /// Whether it can only stand for what lies below it.
    pub(crate) fn is_prefix(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// The URL. Keys are no URL paths: nothing in them is encoded.
    pub(crate) fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// Another key of the bucket.
    pub(super) fn with(&self, key: &str) -> Self {
        Self {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
        }
    }
}

impl Address {
    /// Tells URLs from paths: a URL has `SCHEME://`.
    ///
    /// # Errors
    /// [`ObjectError::Address`] for a URL that names nothing readable.
    pub(crate) fn of(path: &Path) -> Result<Self, ObjectError> {
        let Some((scheme, rest, url)) = split(path) else {
            return Ok(Self::Path(path.to_owned()));
        };
        let refuse = |reason: &str| ObjectError::Address {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => local(url).map_err(refuse),
            "s3" => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(refuse("no bucket; expected s3://BUCKET/PREFIX"));
                }
                Ok(Self::Key(Key {
                    bucket: bucket.to_owned(),
                    key: key.to_owned(),
                }))
            }
            other => Err(refuse(&format!(
                "{other}:// is not supported; give a path, file:///PATH or s3://BUCKET/PREFIX"
            ))),
        }
    }
}

/// Scheme, rest and whole of a URL (RFC 3986, 3.1).
pub(super) fn split(path: &Path) -> Option<(&str, &str, &str)> {
    let url = path.to_str()?;
    let (scheme, rest) = url.split_once("://")?;
    let mut characters = scheme.chars();
    let is_scheme = characters.next()?.is_ascii_alphabetic()
        && characters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then_some((scheme, rest, url))
}

/// The path of a `file://` URL (RFC 8089).
fn local(url: &str) -> Result<Address, &'static str> {
    let parsed = Url::parse(url).map_err(|_| "no valid URL; expected file:///PATH")?;
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err("write ? as %3F and # as %23 in a file URL");
    }
    parsed
        .to_file_path()
        .map(Address::Path)
        .map_err(|()| "a file on another machine; expected file:///PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bucket: &str, key: &str) -> Address {
        Address::Key(Key {
            bucket: bucket.into(),
            key: key.into(),
        })
    }

    #[test]
    fn paths_stay_paths() {
        for path in [
            "a.png", "/a//b", "s3:/a", "C:\\a", "-", "a b://c", "://", "3d://x",
        ] {
            let found = Address::of(Path::new(path)).unwrap();
            assert_eq!(found, Address::Path(path.into()), "{path}");
        }
    }

    #[test]
    fn keys_are_taken_as_they_are() {
        for (url, bucket, name) in [
            ("s3://b", "b", ""),
            ("s3://b/", "b", ""),
            ("S3://b/a/b.png", "b", "a/b.png"),
            ("s3://b/ä %20?#/", "b", "ä %20?#/"),
        ] {
            assert_eq!(Address::of(Path::new(url)).unwrap(), key(bucket, name));
        }
    }

    #[cfg(unix)]
    #[test]
    fn file_urls_are_decoded() {
        let found = Address::of(Path::new("file:///a%20b/%C3%A4.png")).unwrap();
        assert_eq!(found, Address::Path("/a b/ä.png".into()));
        let found = Address::of(Path::new("file://localhost/a")).unwrap();
        assert_eq!(found, Address::Path("/a".into()));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (url, reason) in [
            ("gs://b/a", "gs:// is not supported"),
            ("https://h/a", "s3://BUCKET/PREFIX"),
            ("s3:///a", "no bucket"),
            ("file://elsewhere/a", "another machine"),
            ("file:///a?b", "%3F"),
        ] {
            let error = Address::of(Path::new(url)).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with(url) && said.contains(reason), "{said}");
        }
    }
}
