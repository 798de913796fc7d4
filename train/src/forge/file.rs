//! The `.vfg` file: safetensors weights whose metadata carry the card as JSON, as a detector's
//! checkpoint does.

use std::path::Path;

use burn::module::Module;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::Device;
use sha2::{Digest, Sha256};

use super::generator::{Generator, Network};
use super::settings::{FORMAT_VERSION, GeneratorCard};
use crate::TrainError;

/// Metadata key of the card.
const CARD_KEY: &str = "veraray.generator";
/// Largest file accepted, in bytes.
const MAX_BYTES: u64 = 4 << 30;
/// Largest header accepted, in bytes.
const MAX_HEADER: u64 = 16 << 20;

fn fault(path: &Path, message: impl Into<String>) -> TrainError {
    TrainError::Run {
        path: path.to_owned(),
        message: message.into(),
    }
}

/// The weights and the card as the bytes of a file.
///
/// # Errors
/// [`TrainError::Run`] when a tensor cannot be read back from its device.
pub fn to_bytes(
    network: &Network,
    card: &GeneratorCard,
    path: &Path,
) -> Result<Vec<u8>, TrainError> {
    let failed = |error: &dyn std::fmt::Display| fault(path, format!("cannot be encoded: {error}"));
    let text = serde_json::to_string(card).map_err(|error| failed(&error))?;
    // One key, so that equal weights give equal bytes.
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata(CARD_KEY, text);
    match network {
        Network::KlAutoencoder(module) => module.save_into(&mut store),
        Network::VqAutoencoder(module) => module.save_into(&mut store),
        Network::Inpaint(module) | Network::PixelFlow(module) => module.save_into(&mut store),
        Network::LatentDiffusion(module) => module.save_into(&mut store),
        Network::Gan(module) => module.save_into(&mut store),
    }
    .map_err(|error| failed(&error))?;
    store.get_bytes().map_err(|error| failed(&error))
}

/// Writes a generator beside `path` and moves it there.
///
/// # Errors
/// [`TrainError`] when it cannot be encoded or written.
pub fn save(network: &Network, card: &GeneratorCard, path: &Path) -> Result<(), TrainError> {
    let partial = path.with_extension("vfg.partial");
    std::fs::write(&partial, to_bytes(network, card, path)?)
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(TrainError::io(path))
}

/// Reads a generator onto a device.
///
/// # Errors
/// [`TrainError`], saying what does not fit.
pub fn load(path: &Path, device: &Device) -> Result<Generator, TrainError> {
    let size = std::fs::metadata(path).map_err(TrainError::io(path))?.len();
    if size > MAX_BYTES {
        return Err(fault(path, "it is larger than any generator"));
    }
    let bytes = std::fs::read(path).map_err(TrainError::io(path))?;
    let card = card(&bytes, path)?;
    card.settings
        .check()
        .and_then(|()| {
            card.autoencoder
                .as_ref()
                .map_or(Ok(()), super::settings::Settings::check)
        })
        .map_err(|error| fault(path, format!("its card asks for the impossible: {error}")))?;
    let sha256 = Sha256::digest(&bytes);
    let mut store = SafetensorsStore::from_bytes(Some(bytes));
    let network = match Network::fresh(&card, device)? {
        Network::KlAutoencoder(module) => Network::KlAutoencoder(filled(module, &mut store, path)?),
        Network::VqAutoencoder(module) => Network::VqAutoencoder(filled(module, &mut store, path)?),
        Network::Inpaint(module) => Network::Inpaint(filled(module, &mut store, path)?),
        Network::PixelFlow(module) => Network::PixelFlow(filled(module, &mut store, path)?),
        Network::LatentDiffusion(module) => {
            Network::LatentDiffusion(filled(module, &mut store, path)?)
        }
        Network::Gan(module) => Network::Gan(filled(module, &mut store, path)?),
    };
    Ok(Generator {
        card,
        network,
        sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

fn filled<M: Module + ModuleSnapshot>(
    mut module: M,
    store: &mut SafetensorsStore,
    path: &Path,
) -> Result<M, TrainError> {
    let applied = module
        .load_from(store)
        .map_err(|error| fault(path, format!("its weights do not fit: {error}")))?;
    if !applied.unused.is_empty() {
        let unused = applied.unused.join(", ");
        return Err(fault(path, format!("its weights are too many: {unused}")));
    }
    Ok(module)
}

/// Parses the header far enough to find the card.
fn card(bytes: &[u8], path: &Path) -> Result<GeneratorCard, TrainError> {
    let not = |why: &str| fault(path, format!("it is no generator of forge fit: {why}"));
    let length = bytes
        .get(..8)
        .and_then(|head| head.try_into().ok())
        .map(u64::from_le_bytes)
        .ok_or_else(|| not("it is shorter than a header"))?;
    let header = Some(length)
        .filter(|&length| length <= MAX_HEADER)
        .and_then(|length| bytes.get(8..8 + length as usize))
        .ok_or_else(|| not("its header is cut off"))?;
    let header: serde_json::Value =
        serde_json::from_slice(header).map_err(|_| not("its header is not JSON"))?;
    let card = header["__metadata__"][CARD_KEY]
        .as_str()
        .ok_or_else(|| not("its metadata hold no card"))?;
    let value: serde_json::Value =
        serde_json::from_str(card).map_err(|_| not("its card is not JSON"))?;
    let version = value["format_version"].as_u64();
    if version != Some(u64::from(FORMAT_VERSION)) {
        return Err(not(&format!(
            "its format is {}, and this build reads {FORMAT_VERSION}",
            version.map_or("unknown".into(), |version| version.to_string())
        )));
    }
    serde_json::from_value(value).map_err(|error| not(&format!("its card: {error}")))
}
