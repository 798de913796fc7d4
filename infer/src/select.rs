//! Which of the paths met on a walk are this process's to judge.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::resume::Recorded;
use crate::{Shard, object};

/// Passes over what is met twice, belongs to another shard, was recorded before, or is
/// what this run writes.
#[derive(Debug)]
pub(crate) struct Selection {
    shard: Option<Shard>,
    recorded: Recorded,
    /// What this run writes itself: files, or folders with all that is in them.
    own: Vec<PathBuf>,
    /// Digests of the paths met; `None` where no path can be met twice.
    met: Option<HashSet<u128>>,
}

impl Selection {
    /// `several` says whether the walk has more than one root, so that roots may overlap.
    pub(crate) fn new(
        shard: Option<Shard>,
        recorded: Recorded,
        own: &[&Path],
        several: bool,
    ) -> Self {
        Self {
            shard,
            recorded,
            own: own
                .iter()
                .filter_map(|path| path.canonicalize().ok())
                .collect(),
            met: several.then(HashSet::new),
        }
    }

    /// Passes over `own` too, canonical paths of files and folders.
    pub(crate) fn without(mut self, own: Vec<PathBuf>) -> Self {
        self.own.extend(own);
        self
    }

    /// Whether to judge `path`. To be asked once for everything met, in the order of the walk.
    pub(crate) fn takes(&mut self, path: &Path) -> bool {
        let digest = digest(path);
        if let Some(met) = &mut self.met
            && !met.insert(digest)
        {
            return false;
        }
        if let Some(shard) = self.shard
            && digest % u128::from(shard.count) != u128::from(shard.index - 1)
        {
            return false;
        }
        !self.is_own(path) && !self.recorded.take(&path.to_string_lossy())
    }

    fn is_own(&self, path: &Path) -> bool {
        self.own.iter().any(|own| {
            // Cheap first: resolving every path of an archive would take its time.
            let named = |part: &OsStr| Some(part) == own.file_name();
            path.iter().any(named) && path.canonicalize().is_ok_and(|path| path.starts_with(own))
        })
    }
}

/// A number that depends on the path or URL alone: not on content, machine or run. `a//b` and `a/./b`
/// are one path, but two keys of a bucket.
pub(crate) fn digest(path: &Path) -> u128 {
    let tidy: PathBuf = match object::is_url(path) {
        true => path.to_owned(),
        false => path.components().collect(),
    };
    let hash = Sha256::digest(tidy.as_os_str().as_encoded_bytes());
    hash.iter()
        .take(16)
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(shard: Option<Shard>, several: bool) -> Selection {
        Selection::new(shard, Recorded::default(), &[], several)
    }

    #[test]
    fn shards_are_complete_and_disjoint() {
        let mut shards: Vec<Selection> = (1..=3)
            .map(|index| select(Some(Shard { index, count: 3 }), false))
            .collect();
        let mut sizes = [0; 3];
        for number in 0..300 {
            let path = PathBuf::from(format!("archive/{number}.dcm"));
            let takers: Vec<usize> = (0..3).filter(|&index| shards[index].takes(&path)).collect();
            assert_eq!(takers.len(), 1);
            sizes[takers[0]] += 1;
        }
        assert!(sizes.iter().all(|&size| size > 60), "{sizes:?}");
    }

    #[test]
    fn overlapping_roots_are_met_once() {
        let mut selection = select(None, true);
        assert!(selection.takes(Path::new("a/b.png")));
        assert!(!selection.takes(Path::new("a//b.png")));
        assert!(selection.takes(Path::new("a/c.png")));
        assert!(selection.takes(Path::new("s3://b/a/b.png")));
        assert!(selection.takes(Path::new("s3://b/a//b.png")));
    }
}
