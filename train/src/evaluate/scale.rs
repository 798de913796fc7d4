//! The scale of every judged image: how many pixels its shorter side has in the file.

use rayon::prelude::*;
use veraray_datasets::{OpenOptions, open};

use super::Bench;
use crate::TrainError;

/// Upper ends of the classes, pixels on the shorter side.
const ENDS: [u32; 4] = [128, 256, 512, 1024];

/// The class of every subject, in words.
pub(super) fn classes(bench: &Bench) -> Result<Vec<String>, TrainError> {
    bench
        .subjects
        .par_iter()
        .map(|subject| {
            let image = open(&bench.entry(subject).path, &OpenOptions::default())?;
            Ok(class(image.info().rows.min(image.info().columns)))
        })
        .collect()
}

fn class(side: u32) -> String {
    let mut start = 1;
    for end in ENDS {
        if side <= end {
            return format!("{start}–{end} px");
        }
        start = end + 1;
    }
    format!("{start} px and more")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_side_has_one_class() {
        assert_eq!(super::class(256), "129–256 px");
        assert_eq!(super::class(257), "257–512 px");
        assert_eq!(super::class(4000), "1025 px and more");
    }
}
