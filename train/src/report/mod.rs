//! Pages and pictures of what was measured.

mod chart;
mod evaluation;
mod logo;
mod page;
mod robustness;
mod thumbnail;

use std::path::{Path, PathBuf};

use crate::TrainError;

pub(crate) use evaluation::evaluation_page;
pub(crate) use logo::logo_page;
pub(crate) use robustness::{chart_of as robustness_chart, robustness_page};
pub use thumbnail::Thumbnail;

/// Writes named texts into a folder, which is made when it is missing.
pub(crate) fn write(folder: &Path, files: &[(&str, String)]) -> Result<Vec<PathBuf>, TrainError> {
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    files
        .iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(TrainError::io(&path))?;
            Ok(path)
        })
        .collect()
}
