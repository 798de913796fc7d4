//! The features of one image, and their names.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::container::{self, Container};
use super::{NullModel, compression, framing, texture};
use crate::{Format, ImageInfo, OpenError, OpenOptions, open};

/// What is known of one image without judging it. Volumes and multi-frame images are measured on
/// their middle frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Features of every null model but [`NullModel::Composition`], named by [`feature_names`].
    pub features: BTreeMap<NullModel, Vec<f64>>,
    /// Shares of 32 grey levels from black to white; they sum to 1.
    pub histogram: Vec<f64>,
    /// Mean grey in `[0, 1]` by depth from the border, 24 points from the edge to the middle.
    pub border: Vec<f64>,
    /// Natural log of power per pixel over 32 rings from 0 to 0.5 cycles per pixel.
    pub spectrum: Vec<f64>,
}

/// Hashed one-hot columns for words of which there is no closed list.
const WORDS: usize = 6;

/// Measures the image at `path`.
///
/// # Errors
/// See [`OpenError`].
pub fn measure(path: &Path) -> Result<Measured, OpenError> {
    let mut image = open(path, &OpenOptions::default())?;
    let info = image.info().clone();
    let bytes = std::fs::metadata(path)
        .map_err(|source| OpenError::Io {
            path: path.into(),
            source,
        })?
        .len();
    let container = container::read(path, info.format)?;
    let frame = image.frame(info.frames / 2)?;
    let gray = frame.to_gray();
    let histogram = framing::histogram(&gray);
    let border = framing::border_profile(&gray);
    let spectrum = texture::radial_spectrum(&gray);
    let pixels = f64::from(info.rows) * f64::from(info.columns) * f64::from(info.frames.max(1));
    let spacing = info.pixel_spacing.map_or(0.0, |[row, _]| f64::from(row));
    let mut features = BTreeMap::from([
        (
            NullModel::Dimensions,
            vec![
                f64::from(info.rows).ln(),
                f64::from(info.columns).ln(),
                f64::from(info.rows).ln() - f64::from(info.columns).ln(),
                f64::from(info.frames).ln_1p(),
                flag(info.pixel_spacing.is_some()),
                (spacing.max(0.0) + 1e-3).ln(),
            ],
        ),
        (
            NullModel::FileSize,
            vec![(bytes as f64).ln(), (bytes as f64 / pixels.max(1.0)).ln()],
        ),
        (
            NullModel::Format,
            format_features(&info, &container, frame.chroma()),
        ),
        (
            NullModel::BitDepth,
            framing::depth(&frame, &gray, info.bits_stored).to_vec(),
        ),
        (NullModel::Metadata, metadata_features(&container)),
        (NullModel::Border, framing::border_features(&gray)),
        (
            NullModel::Histogram,
            framing::histogram_features(&gray, &histogram),
        ),
        (NullModel::Noise, texture::residual_energies(&gray).to_vec()),
        (NullModel::Spectrum, texture::spectrum_features(&spectrum)),
    ]);
    let mut history = compression::features(&gray).to_vec();
    history.extend([
        container.quality,
        container.foreign_table,
        flag(container.declared_lossy),
    ]);
    features.insert(NullModel::Compression, history);
    Ok(Measured {
        features,
        histogram: histogram.to_vec(),
        border: border.to_vec(),
        spectrum: spectrum.to_vec(),
    })
}

/// Names of a model's features, in order; a word that is hashed into columns has a number.
#[must_use]
pub fn feature_names(model: NullModel) -> Vec<String> {
    let fixed = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let numbered = |name: &str, count: usize| {
        (1..=count)
            .map(move |i| format!("{name} {i}"))
            .collect::<Vec<_>>()
    };
    match model {
        NullModel::Dimensions => fixed(&[
            "log rows",
            "log columns",
            "log aspect",
            "log frames",
            "pixel pitch known",
            "log pixel pitch",
        ]),
        NullModel::FileSize => fixed(&["log bytes", "log bytes per pixel"]),
        NullModel::Format => {
            let mut names: Vec<String> = FORMATS.iter().map(|f| format!("is {f}")).collect();
            names.extend(fixed(&[
                "three channels",
                "largest colour difference",
                "progressive or interlaced",
                "chroma subsampling",
                "zlib effort",
            ]));
            names.extend(numbered("photometric or transfer syntax", WORDS));
            names
        }
        NullModel::Compression => fixed(&[
            "8×8 blockiness",
            "shifted 8×8 blockiness",
            "quantised coefficients",
            "second quantisation",
            "quantisation step",
            "JPEG quality",
            "foreign JPEG table",
            "declared lossy",
        ]),
        NullModel::BitDepth => fixed(&[
            "bits stored",
            "log used grey levels",
            "unused levels between",
            "even values",
        ]),
        NullModel::Metadata => {
            let mut names = fixed(&[
                "EXIF",
                "texts",
                "log metadata bytes",
                "colour profile",
                "other segments",
                "log DICOM elements",
                "log private elements",
                "equipment",
                "patient and study",
                "derived",
            ]);
            names.extend(numbered("manufacturer", WORDS));
            names
        }
        NullModel::Border => fixed(&[
            "top margin",
            "bottom margin",
            "left margin",
            "right margin",
            "top left corner",
            "top right corner",
            "bottom left corner",
            "bottom right corner",
            "top edge",
            "bottom edge",
            "left edge",
            "right edge",
            "log variance along the edge",
        ]),
        NullModel::Composition => numbered("modality and body part", 0),
        NullModel::Histogram => {
            let mut names: Vec<String> = (0..16)
                .map(|bin| format!("grey {} to {} %", bin * 100 / 16, (bin + 1) * 100 / 16))
                .collect();
            names.extend(fixed(&["black", "white"]));
            names
        }
        NullModel::Noise => fixed(&[
            "residual at 1 pixel",
            "residual at 2 pixels",
            "residual at 4 pixels",
        ]),
        NullModel::Spectrum => {
            let mut names: Vec<String> = (0..8)
                .map(|band| {
                    format!(
                        "{:.2} to {:.2} cycles/pixel",
                        f64::from(band) / 16.0,
                        f64::from(band + 1) / 16.0
                    )
                })
                .collect();
            names.push("slope".to_owned());
            names
        }
    }
}

const FORMATS: [Format; 7] = [
    Format::Dicom,
    Format::Nifti,
    Format::Png,
    Format::Jpeg,
    Format::Tiff,
    Format::Webp,
    Format::Hdf5,
];

fn format_features(info: &ImageInfo, container: &Container, chroma: f32) -> Vec<f64> {
    let mut row: Vec<f64> = FORMATS.iter().map(|f| flag(*f == info.format)).collect();
    row.extend([
        flag(info.photometric == crate::Photometric::Rgb),
        f64::from(chroma),
        flag(container.progressive),
        container.subsampling,
        container.effort,
    ]);
    let mut words = hashed(&info.photometric.to_string());
    if let Some(syntax) = &info.transfer_syntax {
        for (slot, more) in words.iter_mut().zip(hashed(syntax)) {
            *slot += more;
        }
    }
    row.extend(words);
    row
}

fn metadata_features(container: &Container) -> Vec<f64> {
    let mut row = vec![
        container.exif,
        container.texts,
        container.metadata_bytes.ln_1p(),
        container.profiles,
        container.others,
        container.elements[0].ln_1p(),
        container.elements[1].ln_1p(),
        container.equipment,
        container.identity,
        flag(container.derived),
    ];
    row.extend(hashed(&container.maker));
    row
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// One column of several is 1, chosen by the word; none for an empty word.
fn hashed(word: &str) -> [f64; WORDS] {
    let mut columns = [0.0; WORDS];
    if !word.is_empty() {
        columns[usize::from(Sha256::digest(word)[0]) % WORDS] = 1.0;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        image::GrayImage::from_fn(40, 30, |x, y| image::Luma([(x * y) as u8]))
            .save(&path)
            .unwrap();
        let measured = measure(&path).unwrap();
        for (model, features) in &measured.features {
            assert_eq!(features.len(), feature_names(*model).len(), "{model}");
            assert!(
                features.iter().all(|f| f.is_finite()),
                "{model}: {features:?}"
            );
        }
        assert_eq!(measured.features.len() + 1, NullModel::ALL.len());
    }
}
