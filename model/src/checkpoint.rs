//! The `.vrc` file: safetensors weights whose metadata carry the card as JSON.
//!
//! Any safetensors reader can read the weights; the card stands under the metadata key
//! `veraray.card`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::Device;
use sha2::{Digest, Sha256};

use crate::{Card, Detector, FORMAT_VERSION, ModelError};

/// Metadata key of the card.
const CARD_KEY: &str = "veraray.card";

/// Largest checkpoint accepted, in bytes: far above any detector of this crate.
const MAX_BYTES: u64 = 1 << 30;

/// Largest safetensors header accepted, in bytes.
const MAX_HEADER: u64 = 16 << 20;

/// A detector with its card.
#[derive(Debug)]
pub struct Checkpoint {
    /// What the checkpoint says of itself.
    pub card: Card,
    /// The network with its weights.
    pub detector: Detector,
    /// SHA-256 of the file it was read from, hexadecimal; empty before it is written.
    pub sha256: String,
}

impl Checkpoint {
    /// Reads a checkpoint file onto `device`.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read; otherwise as [`Checkpoint::from_bytes`].
    pub fn load(path: &Path, device: &Device) -> Result<Self, ModelError> {
        let io = |source| ModelError::Io {
            path: path.to_owned(),
            source,
        };
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > MAX_BYTES {
            return Err(ModelError::NotACheckpoint {
                origin: path.display().to_string(),
                reason: format!("{size} bytes are more than any checkpoint holds"),
            });
        }
        let bytes = std::fs::read(path).map_err(io)?;
        Self::from_bytes(&bytes, &path.display().to_string(), device)
    }

    /// Reads a checkpoint from memory onto `device`; `origin` names it in messages.
    ///
    /// # Errors
    /// [`ModelError::NotACheckpoint`], [`ModelError::FormatVersion`], [`ModelError::Config`] or
    /// [`ModelError::Weights`], each naming what does not fit.
    pub fn from_bytes(bytes: &[u8], origin: &str, device: &Device) -> Result<Self, ModelError> {
        let card = read_card(bytes, origin)?;
        let mut detector = card.architecture.init(device)?;
        let wrong = |reason: String| ModelError::Weights {
            origin: origin.to_owned(),
            reason,
        };
        let mut store = SafetensorsStore::from_bytes(Some(bytes.to_vec()));
        let applied = detector
            .load_from(&mut store)
            .map_err(|error| wrong(error.to_string()))?;
        if !applied.unused.is_empty() {
            return Err(wrong(format!("left over: {}", applied.unused.join(", "))));
        }
        Ok(Self {
            card,
            detector,
            sha256: hex(&Sha256::digest(bytes)),
        })
    }

    /// The checkpoint as the bytes of a `.vrc` file.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when a tensor cannot be read back from its device.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let wrong = |reason: String| ModelError::Weights {
            origin: self.card.name.clone(),
            reason,
        };
        let card = serde_json::to_string(&self.card).map_err(|error| wrong(error.to_string()))?;
        // One key only: several would be written in random order, and the same weights and card
        // must give the same bytes.
        let mut store = SafetensorsStore::from_bytes(None)
            .clear_metadata()
            .metadata(CARD_KEY, card);
        self.detector
            .save_into(&mut store)
            .map_err(|error| wrong(error.to_string()))?;
        store.get_bytes().map_err(|error| wrong(error.to_string()))
    }

    /// Writes the checkpoint beside `path` and moves it there, so that a reader never sees half.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be written; otherwise as [`Checkpoint::to_bytes`].
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let io = |source| ModelError::Io {
            path: path.to_owned(),
            source,
        };
        let partial = path.with_extension("vrc.partial");
        std::fs::write(&partial, self.to_bytes()?).map_err(io)?;
        std::fs::rename(&partial, path).map_err(io)
    }

    /// Number of trainable parameters and running statistics.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.detector.num_params()
    }
}

/// Parses the safetensors header far enough to find the card. The weights are checked later, by
/// the store, against the architecture that the card declares.
fn read_card(bytes: &[u8], origin: &str) -> Result<Card, ModelError> {
    let not = |reason: &str| ModelError::NotACheckpoint {
        origin: origin.to_owned(),
        reason: reason.to_owned(),
    };
    let length: [u8; 8] = bytes
        .get(..8)
        .and_then(|head| head.try_into().ok())
        .ok_or_else(|| not("it is shorter than a header"))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(not("its header is longer than any checkpoint's"));
    }
    let header = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.get(8..8 + length))
        .ok_or_else(|| not("its header is cut off"))?;
    let header: serde_json::Value =
        serde_json::from_slice(header).map_err(|_| not("its header is not JSON"))?;
    let metadata: BTreeMap<String, String> = header
        .get("__metadata__")
        .cloned()
        .and_then(|value| serde_json::from_value(value).ok())
        .ok_or_else(|| not("its header holds no metadata"))?;
    let card = metadata
        .get(CARD_KEY)
        .ok_or_else(|| not("its metadata hold no card"))?;
    let card: serde_json::Value = serde_json::from_str(card)
        .map_err(|error| not(&format!("its card is not JSON: {error}")))?;
    // The version is looked at before anything else, because a newer card may not parse.
    let found = card
        .get("format_version")
        .and_then(serde_json::Value::as_u64)
        .and_then(|version| u32::try_from(version).ok())
        .ok_or_else(|| not("its card states no format version"))?;
    if found == 0 || found > FORMAT_VERSION {
        return Err(ModelError::FormatVersion {
            origin: origin.to_owned(),
            found,
            supported: FORMAT_VERSION,
        });
    }
    let card: Card = serde_json::from_value(card)
        .map_err(|error| not(&format!("its card is incomplete: {error}")))?;
    let input = &card.input;
    if input.tile == 0 || input.multiple == 0 || !input.tile.is_multiple_of(input.multiple) {
        return Err(not("its card's tile is not a multiple of its padding"));
    }
    if input.tile > 4096 || !input.multiple.is_multiple_of(Detector::CELL) {
        return Err(not("its card's tile does not fit the detector"));
    }
    if let Some(fault) = card.calibration.fault() {
        return Err(not(&fault));
    }
    let known = card.out_of_distribution.as_ref();
    if let Some(fault) = known.and_then(|known| known.fault(card.architecture.features())) {
        return Err(not(&fault));
    }
    Ok(card)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
