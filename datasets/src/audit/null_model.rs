//! The null models: what each looks at, what a leak there means, and what to do about it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A set of trivial features that know nothing of authenticity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NullModel {
    /// Rows, columns, aspect, frames and pixel pitch.
    Dimensions,
    /// File format, colour model, transfer syntax and how the encoder was set.
    Format,
    /// What lossy compression left: quantisation tables, 8×8 blockiness, quantised coefficients.
    Compression,
    /// Stored bits, used grey levels, gaps between them.
    BitDepth,
    /// Headers beside the pixels: DICOM elements, EXIF, text chunks.
    Metadata,
    /// Constant margins, corners and edges.
    Border,
    /// Modality and body part as the manifest names them.
    Composition,
    /// Sixteen grey-level bins and clipped ends.
    Histogram,
    /// Energies of high-pass residuals at three scales.
    Noise,
    /// Shape of the radial power spectrum.
    Spectrum,
    /// Bytes of the file, in all and per pixel.
    FileSize,
}

impl NullModel {
    /// All of them, causes before their consequences: where several separate equally well, the first
    /// is the one to look at.
    pub const ALL: [Self; 11] = [
        Self::Dimensions,
        Self::Format,
        Self::Compression,
        Self::BitDepth,
        Self::Metadata,
        Self::Border,
        Self::Composition,
        Self::Histogram,
        Self::Noise,
        Self::Spectrum,
        Self::FileSize,
    ];

    /// Its name in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dimensions => "dimensions",
            Self::FileSize => "file_size",
            Self::Format => "format",
            Self::Compression => "compression",
            Self::BitDepth => "bit_depth",
            Self::Metadata => "metadata",
            Self::Border => "border",
            Self::Composition => "composition",
            Self::Histogram => "histogram",
            Self::Noise => "noise",
            Self::Spectrum => "spectrum",
        }
    }

    /// Whether a generator's own traces can show here, so that a leak is not only a fault of the
    /// collection.
    #[must_use]
    pub fn may_be_a_trace(self) -> bool {
        matches!(
            self,
            Self::FileSize | Self::Histogram | Self::Noise | Self::Spectrum
        )
    }

    /// What it means when this separates the classes.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Dimensions => {
                "The size of the picture tells the classes apart. A detector that resizes its input \
                 still sees it, as blur or as sharpness."
            }
            Self::FileSize => {
                "The number of bytes tells the classes apart. Where format and size of the picture \
                 are equal, a compressed file is short because the picture is smooth: then this is \
                 the noise model by another road."
            }
            Self::Format => {
                "The kind of file, its colour model or its encoder's settings tell the classes apart."
            }
            Self::Compression => {
                "One class went through another lossy compression than the other. JPEG leaves its \
                 8×8 grid and its quantisation steps in the pixels, also after saving as PNG. A decoder \
                 that enlarges by eight leaves a grid of that period too: look at which feature \
                 separates."
            }
            Self::BitDepth => {
                "The classes use different numbers of grey levels, or leave different gaps between \
                 them: another depth, window or contrast stretch."
            }
            Self::Metadata => {
                "Headers beside the pixels tell the classes apart: equipment, text chunks, EXIF. No \
                 forger leaves them as they are."
            }
            Self::Border => {
                "Margins, corners or edges tell the classes apart: black bars, another field of view \
                 or another kind of patient, not another kind of image."
            }
            Self::Composition => {
                "The classes hold different shares of modalities and body parts. All other models \
                 compare within one modality, so that this is counted once."
            }
            Self::Histogram => {
                "Brightness and contrast tell the classes apart: another window or another \
                 population. A generator may also fail to reproduce grey levels, which is a trace, \
                 but one that every change of window breaks."
            }
            Self::Noise => {
                "The amount of grain tells the classes apart. This is both a shortcut (another \
                 scanner, resizing, denoising) and a real trace: decoders smooth. A detector that \
                 gains nothing over this model has learned 'smooth means generated', which a \
                 denoiser turns round."
            }
            Self::Spectrum => {
                "The balance of coarse and fine structure tells the classes apart: another \
                 resolution, another resampling, or a generator that cannot draw fine texture. The \
                 first two are shortcuts, the last is a trace that rescaling weakens."
            }
        }
    }

    /// What to do about a leak.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Dimensions | Self::Format | Self::BitDepth | Self::Metadata => {
                "veraray-train data harmonise removes it."
            }
            Self::Compression => {
                "veraray-train data harmonise brings both classes to the same compression. What \
                 remains afterwards is history that resampling did not erase."
            }
            Self::FileSize => {
                "veraray-train data harmonise stores all pixels uncompressed. Scores of a detector \
                 never depend on it, unless it reads the file's length."
            }
            Self::Border => {
                "veraray-train data harmonise trims margins and crops to one aspect. For the rest, \
                 take authentic images of the same population and projection as the generator's \
                 training data."
            }
            Self::Composition => {
                "Balance the modalities, or judge each by itself. veraray-train fit draws pairs \
                 within one modality."
            }
            Self::Histogram => {
                "veraray-train data harmonise matches the distributions of brightness and contrast. \
                 Train with window and gamma delivery."
            }
            Self::Noise | Self::Spectrum => {
                "Harmonising equalises resolution, not grain: adding or removing grain would erase \
                 what a detector is for. Train with blur, noise and resampling delivery, mix families \
                 that are sharper and softer than the authentic images, and report a detector beside \
                 this figure."
            }
        }
    }
}

impl fmt::Display for NullModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for NullModel {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let wanted = name.replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|model| model.name() == wanted)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("no null model is called {name}; there are {names}")
            })
    }
}
