//! Proof files: text that stands beside an image and is verified without the log.
//!
//! An inclusion proof is a C2SP tlog-proof; its `extra` line holds the entry, which a verifier needs to
//! compute the leaf hash. A consistency proof has no C2SP file form; ours is
//! ```text
//! veraray-log-consistency/v1
//! old 3
//! new 7
//! BASE64 HASH            (RFC 6962 section 2.1.2, one a line)
//! ```

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tlog_tiles::Hash;

use super::checkpoint::MAX_CHECKPOINT;
use super::entry::MAX_ENTRY;
use super::error::{LogError, Result};

const INCLUSION_LINE: &str = "c2sp.org/tlog-proof@v1";
const CONSISTENCY_LINE: &str = "veraray-log-consistency/v1";
/// No path in a tree of 2^64 leaves is longer.
const MAX_PATH: usize = 64;
/// RFC 6962 section 2.1.2: at most `ceil(log2(n)) + 1`.
const MAX_CONSISTENCY: usize = 65;
/// The most bytes a proof file may take: an entry in base64, a path, a checkpoint.
pub const MAX_PROOF: usize = MAX_ENTRY.div_ceil(3) * 4 + MAX_CHECKPOINT + (MAX_PATH + 4) * 64;

/// An inclusion proof as read, not yet verified.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InclusionProof {
    /// The place of the entry.
    pub index: u64,
    /// The canonical bytes of the entry.
    pub entry: Vec<u8>,
    /// RFC 6962 audit path, the leaf's sibling first.
    pub path: Vec<Hash>,
    /// The checkpoint, a signed note.
    pub checkpoint: Vec<u8>,
}

fn bad(reason: &str) -> LogError {
    LogError::Proof(reason.into())
}

/// A number without sign or leading zeros.
fn number(text: &str) -> Result<u64> {
    let n = text.parse().ok().filter(|n: &u64| n.to_string() == text);
    n.ok_or_else(|| bad("a number is malformed"))
}

fn hash(line: &str) -> Result<Hash> {
    // The length bounds the work before decoding.
    let parsed = (line.len() == 44)
        .then(|| Hash::parse_hash(line).ok())
        .flatten();
    parsed.ok_or_else(|| bad("a line is not a hash"))
}

fn text(bytes: &[u8], limit: usize) -> Result<&str> {
    if bytes.len() > limit {
        return Err(LogError::TooLong {
            what: "proof".into(),
            limit: limit as u64,
        });
    }
    str::from_utf8(bytes).map_err(|_| bad("not text"))
}

impl InclusionProof {
    pub(super) fn new(index: u64, entry: Vec<u8>, path: Vec<Hash>, checkpoint: Vec<u8>) -> Self {
        Self {
            index,
            entry,
            path,
            checkpoint,
        }
    }

    /// Reads the text form; checks its syntax only.
    ///
    /// # Errors
    /// [`LogError::Proof`], [`LogError::TooLong`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = text(bytes, MAX_PROOF)?;
        let (proof, checkpoint) = text
            .split_once("\n\n")
            .ok_or_else(|| bad("no checkpoint"))?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(INCLUSION_LINE) {
            return Err(bad("not a c2sp.org/tlog-proof@v1"));
        }
        let extra = lines
            .next()
            .and_then(|l| l.strip_prefix("extra "))
            .ok_or_else(|| bad("no entry in it"))?;
        let entry = BASE64_STANDARD
            .decode(extra)
            .map_err(|_| bad("the entry is not base64"))?;
        let index = lines
            .next()
            .and_then(|l| l.strip_prefix("index "))
            .ok_or_else(|| bad("no index"))?;
        let path: Vec<Hash> = lines
            .by_ref()
            .take(MAX_PATH)
            .map(hash)
            .collect::<Result<_>>()?;
        if lines.next().is_some() {
            return Err(bad("the path is too long"));
        }
        Ok(Self {
            index: number(index)?,
            entry,
            path,
            checkpoint: checkpoint.as_bytes().to_vec(),
        })
    }
}

/// The text form, for a file named `IMAGE.tlog-proof`.
impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{INCLUSION_LINE}\nextra {}\nindex {}",
            BASE64_STANDARD.encode(&self.entry),
            self.index
        )?;
        self.path.iter().try_for_each(|h| writeln!(f, "{h}"))?;
        write!(f, "\n{}", String::from_utf8_lossy(&self.checkpoint))
    }
}

/// A proof that one tree extends another.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConsistencyProof {
    /// The size of the smaller tree.
    pub old: u64,
    /// The size of the larger tree.
    pub new: u64,
    /// RFC 6962 consistency path.
    pub path: Vec<Hash>,
}

impl ConsistencyProof {
    /// A proof from its parts, such as a path that another log's server sent.
    #[must_use]
    pub fn new(old: u64, new: u64, path: Vec<Hash>) -> Self {
        Self { old, new, path }
    }

    /// Reads the text form; checks its syntax only.
    ///
    /// # Errors
    /// [`LogError::Proof`], [`LogError::TooLong`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = text(bytes, (MAX_CONSISTENCY + 4) * 64)?;
        let text = text
            .strip_suffix('\n')
            .ok_or_else(|| bad("does not end in a newline"))?;
        let mut lines = text.split('\n');
        if lines.next() != Some(CONSISTENCY_LINE) {
            return Err(bad("not a veraray-log-consistency/v1"));
        }
        let old = lines
            .next()
            .and_then(|l| l.strip_prefix("old "))
            .ok_or_else(|| bad("no old size"))?;
        let new = lines
            .next()
            .and_then(|l| l.strip_prefix("new "))
            .ok_or_else(|| bad("no new size"))?;
        let path: Vec<Hash> = lines
            .by_ref()
            .take(MAX_CONSISTENCY)
            .map(hash)
            .collect::<Result<_>>()?;
        if lines.next().is_some() {
            return Err(bad("the path is too long"));
        }
        Ok(Self {
            old: number(old)?,
            new: number(new)?,
            path,
        })
    }
}

impl fmt::Display for ConsistencyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{CONSISTENCY_LINE}\nold {}\nnew {}", self.old, self.new)?;
        self.path.iter().try_for_each(|h| writeln!(f, "{h}"))
    }
}
