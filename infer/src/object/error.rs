//! Why an object cannot be had, in words that say what to change.

use std::io;
use std::path::Path;

use crate::Fault;
use crate::walk::Found;

/// Longest piece of what the storage said that a message repeats, in characters.
const MOST_SAID: usize = 500;

/// Why an object or a listing cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ObjectError {
    /// A URL that names nothing readable.
    #[error("{url}: {reason}")]
    Address { url: String, reason: String },
    /// The bucket has no such object.
    #[error("{url}: no such object")]
    NotFound { url: String },
    /// The service refuses it to whoever asks.
    #[error(
        "{url}: access denied{code}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
         AWS_SESSION_TOKEN, and what they may read (AWS_SKIP_SIGNATURE=true reads what is public)"
    )]
    Denied { url: String, code: String },
    /// Larger than any file that is read.
    #[error("{url}: {size} bytes are more than the limit of {limit}")]
    TooLarge { url: String, size: u64, limit: u64 },
    /// The storage cannot be reached, is not set up, or failed.
    #[error("{url}: {reason}")]
    Storage { url: String, reason: String },
}

impl ObjectError {
    /// A code that stays the same across releases.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Address { .. } => "bad_url",
            Self::NotFound { .. } => "not_found",
            Self::Denied { .. } => "access_denied",
            Self::TooLarge { .. } => "too_large",
            Self::Storage { .. } => "storage",
        }
    }

    /// The same as something met on a walk.
    pub(crate) fn found(&self, path: &Path) -> Found {
        Found::Fault {
            path: path.to_owned(),
            kind: self.kind(),
            message: self.to_string(),
        }
    }

    /// The same in a record.
    pub(crate) fn fault(&self) -> Fault {
        Fault {
            kind: self.kind().to_owned(),
            message: self.to_string(),
        }
    }

    /// What the storage said, for whoever set it up.
    pub(super) fn said(url: &str, error: &object_store::Error) -> Self {
        Self::read(url, &whole(error), error)
    }

    fn read(url: &str, text: &str, error: &object_store::Error) -> Self {
        use object_store::Error;

        let url = url.to_owned();
        let storage = |reason: String| Self::Storage {
            url: url.clone(),
            reason,
        };
        let code = between(text, "<Code>", "</Code>");
        match (code, error) {
            (Some("NoSuchBucket"), _) => storage(format!("no such bucket{}", service())),
            (Some("NoSuchKey"), _) => Self::NotFound { url },
            (
                Some(
                    "PermanentRedirect"
                    | "AuthorizationHeaderMalformed"
                    | "IllegalLocationConstraintException",
                ),
                _,
            ) => storage("the bucket lies in another region; set AWS_REGION".into()),
            _ if text.contains("Received redirect without LOCATION") => {
                storage("the bucket lies in another region; set AWS_REGION".into())
            }
            _ if text.contains("URL scheme is not allowed") => storage(
                "AWS_ENDPOINT_URL is not encrypted; set AWS_ALLOW_HTTP=true if that is meant"
                    .into(),
            ),
            (code, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => {
                Self::Denied {
                    url,
                    code: in_brackets(code),
                }
            }
            (code, _) if text.contains("403 Forbidden") || text.contains("401 Unauthorized") => {
                Self::Denied {
                    url,
                    code: in_brackets(code),
                }
            }
            (_, Error::NotFound { .. }) => Self::NotFound { url },
            _ => storage(format!("cannot read: {}", short(text))),
        }
    }

    /// The folder for temporary files fails.
    pub(super) fn temporary(url: &str, error: &io::Error) -> Self {
        Self::Storage {
            url: url.to_owned(),
            reason: format!(
                "cannot keep it in {} (TMPDIR): {error}",
                std::env::temp_dir().display()
            ),
        }
    }
}

/// Which service was asked, where that is not Amazon's.
pub(super) fn service() -> String {
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .map_or_else(String::new, |url| format!(" at {url}"))
}

fn in_brackets(code: Option<&str>) -> String {
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

/// An error with what is behind it, where its own words leave that out.
pub(super) fn whole(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut behind = std::error::Error::source(error);
    while let Some(error) = behind {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        behind = error.source();
    }
    text
}

/// One line of bounded length.
pub(super) fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_SAID) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::Error;

    fn said(text: &str) -> ObjectError {
        let error = Error::Generic {
            store: "S3",
            source: text.into(),
        };
        ObjectError::said("s3://b/k", &error)
    }

    #[test]
    fn answers_become_advice() {
        for (text, kind, part) in [
            (
                "404: <Error><Code>NoSuchBucket</Code>",
                "storage",
                "no such bucket",
            ),
            (
                "404: <Error><Code>NoSuchKey</Code>",
                "not_found",
                "no such object",
            ),
            (
                "403 Forbidden: <Code>AccessDenied</Code>",
                "access_denied",
                "(AccessDenied)",
            ),
            (
                "Received redirect without LOCATION, this",
                "storage",
                "AWS_REGION",
            ),
            (
                "builder error: URL scheme is not allowed",
                "storage",
                "AWS_ALLOW_HTTP",
            ),
            ("connection\n refused", "storage", "connection refused"),
        ] {
            let error = said(text);
            assert_eq!(error.kind(), kind, "{text}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn long_answers_are_cut() {
        let error = said(&"ä".repeat(10_000));
        assert!(error.to_string().chars().count() < 600);
    }
}
