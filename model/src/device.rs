//! Where the detector runs: pure-Rust CPU kernels, or a GPU through wgpu. Chosen at run time.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

use crate::ModelError;

/// What the user asked for with `--device`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A hardware GPU when there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, or an error.
    Gpu,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            _ => Err("expected auto, cpu or gpu".into()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        })
    }
}

/// A device that was found, and why it was taken.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    device: Device,
    label: String,
    reason: String,
    gpu: bool,
}

impl ComputeDevice {
    /// Resolves a choice into a device that exists.
    ///
    /// Adapters are probed before Burn touches one, because Burn brings up a missing adapter by
    /// panicking on a thread of its own. `auto` passes over software adapters, which are slower
    /// than the CPU kernels; `gpu` takes one when there is no other, so that shaders can be tested
    /// without a card.
    ///
    /// # Errors
    /// [`ModelError::Device`] when the choice cannot be had.
    pub fn select(choice: DeviceChoice) -> Result<Self, ModelError> {
        let unavailable = |reason: String| ModelError::Device {
            requested: choice.to_string(),
            reason,
        };
        match choice {
            DeviceChoice::Cpu => {
                cpu("as asked").ok_or_else(|| unavailable("this build has no CPU kernels".into()))
            }
            DeviceChoice::Gpu => gpu(true).map_err(unavailable),
            DeviceChoice::Auto => match gpu(false) {
                Ok(device) => Ok(device),
                Err(why) => cpu(&why).ok_or_else(|| unavailable(why)),
            },
        }
    }

    /// Burn's handle.
    #[must_use]
    pub fn handle(&self) -> &Device {
        &self.device
    }

    /// Name for records and reports, such as `cpu` or `gpu: NVIDIA H100 (Vulkan)`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Why this device was taken, in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether it is a GPU.
    #[must_use]
    pub fn is_gpu(&self) -> bool {
        self.gpu
    }
}

#[cfg(any(feature = "cpu", feature = "ndarray"))]
fn cpu(reason: &str) -> Option<ComputeDevice> {
    #[cfg(feature = "cpu")]
    let device = Device::flex();
    #[cfg(not(feature = "cpu"))]
    let device = Device::ndarray();
    Some(ComputeDevice {
        device,
        label: "cpu".into(),
        reason: reason.into(),
        gpu: false,
    })
}

#[cfg(not(any(feature = "cpu", feature = "ndarray")))]
fn cpu(_reason: &str) -> Option<ComputeDevice> {
    None
}

#[cfg(feature = "gpu")]
fn gpu(allow_software: bool) -> Result<ComputeDevice, String> {
    use burn::tensor::DeviceKind;
    use wgpu::DeviceType;

    // Only the interfaces that Burn would use: bringing up OpenGL takes time and a display.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::PRIMARY,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters: Vec<wgpu::AdapterInfo> =
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
            .iter()
            .map(wgpu::Adapter::get_info)
            .collect();
    let first = |kind: DeviceType| adapters.iter().find(|info| info.device_type == kind);
    let found = |info: &wgpu::AdapterInfo, kind: DeviceKind, reason: &str| ComputeDevice {
        device: Device::wgpu(kind),
        label: format!("gpu: {} ({})", info.name, info.backend),
        reason: reason.into(),
        gpu: true,
    };
    if let Some(info) = first(DeviceType::DiscreteGpu) {
        return Ok(found(
            info,
            DeviceKind::DiscreteGpu(0),
            "a discrete GPU was found",
        ));
    }
    if let Some(info) = first(DeviceType::IntegratedGpu) {
        return Ok(found(
            info,
            DeviceKind::IntegratedGpu(0),
            "an integrated GPU was found",
        ));
    }
    if let Some(info) = first(DeviceType::VirtualGpu) {
        return Ok(found(
            info,
            DeviceKind::VirtualGpu(0),
            "a virtual GPU was found",
        ));
    }
    match first(DeviceType::Cpu) {
        Some(info) if allow_software => Ok(found(
            info,
            DeviceKind::Cpu,
            "only a software adapter was found; expect it to be slower than --device cpu",
        )),
        Some(info) => Err(format!(
            "the only GPU adapter is in software ({})",
            info.name
        )),
        None => Err("no GPU adapter was found (is a Vulkan driver installed?)".into()),
    }
}

#[cfg(not(feature = "gpu"))]
fn gpu(_allow_software: bool) -> Result<ComputeDevice, String> {
    Err("this build has no GPU support".into())
}
