//! The commands, one per file: flags, checks and output; the work is the library's.

pub mod add_family;
pub mod calibrate;
pub mod data;
mod data_audit;
mod data_harmonise;
mod data_import;
mod data_join;
mod data_pack;
mod data_scan;
mod data_split;
pub mod drift;
pub mod evaluate;
pub mod export;
pub mod forge;
pub mod gate;
pub mod logo;
pub mod robustness;

use veraray_datasets::Split;
use veraray_model::{ComputeDevice, DeviceChoice};
use veraray_train::Progress;

/// Names of splits for `--split`; `all` is every image.
const SPLITS: [&str; 4] = ["train", "validation", "test", "all"];

fn split(name: &str) -> Option<Split> {
    match name {
        "train" => Some(Split::Train),
        "validation" => Some(Split::Validation),
        "test" => Some(Split::Test),
        _ => None,
    }
}

fn device(choice: DeviceChoice, progress: &Progress) -> anyhow::Result<ComputeDevice> {
    let device = ComputeDevice::select(choice)?;
    progress.note(&format!("device: {} ({})", device.label(), device.reason()));
    Ok(device)
}
