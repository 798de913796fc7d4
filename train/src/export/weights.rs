//! The weights of a checkpoint by name, taken one by one until none is left.

use std::collections::BTreeMap;

use veraray_model::Checkpoint;

use crate::TrainError;

/// What Burn adds to the variance before it divides, by default.
const EPSILON: f64 = 1e-5;

/// A named tensor of floats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weight {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// Named tensors.
#[derive(Debug)]
pub(super) struct Weights {
    tensors: BTreeMap<String, Weight>,
}

impl Weights {
    /// All tensors of a checkpoint, by the names they have in its file.
    pub(super) fn of(checkpoint: &Checkpoint) -> Result<Self, TrainError> {
        let bytes = checkpoint.to_bytes()?;
        parse(&bytes)
            .map(|tensors| Self { tensors })
            .ok_or_else(|| wrong("its weights do not read back as safetensors of floats"))
    }

    /// Takes a tensor out.
    pub(super) fn take(&mut self, name: &str) -> Result<Weight, TrainError> {
        self.tensors
            .remove(name)
            .ok_or_else(|| wrong(&format!("the architecture has no tensor {name}")))
    }

    /// Whether tensors under this name are left.
    pub(super) fn has(&self, prefix: &str) -> bool {
        self.tensors.keys().any(|name| name.starts_with(prefix))
    }

    /// A convolution with the batch normalisation after it folded in: kernel and bias.
    pub(super) fn folded(&mut self, name: &str) -> Result<[Weight; 2], TrainError> {
        let mut kernel = self.take(&format!("{name}.conv.weight"))?;
        let [gain, shift] = self.normalisation(&format!("{name}.norm"))?;
        let channels = gain.values.len();
        let per_channel = kernel.values.len() / channels.max(1);
        for (values, gain) in kernel
            .values
            .chunks_exact_mut(per_channel.max(1))
            .zip(&gain.values)
        {
            for value in values {
                *value *= gain;
            }
        }
        Ok([kernel, shift])
    }

    /// A batch normalisation as what its input is multiplied by and what is added then.
    pub(super) fn normalisation(&mut self, name: &str) -> Result<[Weight; 2], TrainError> {
        let [gamma, beta, mean, variance] =
            ["gamma", "beta", "running_mean", "running_var"].map(|part| format!("{name}.{part}"));
        let (gamma, beta) = (self.take(&gamma)?, self.take(&beta)?);
        let (mean, variance) = (self.take(&mean)?, self.take(&variance)?);
        let channels = gamma.values.len();
        let (mut gains, mut shifts) = (Vec::new(), Vec::new());
        for channel in 0..channels {
            let [g, b, m, v] = [&gamma, &beta, &mean, &variance]
                .map(|part| f64::from(part.values.get(channel).copied().unwrap_or(f32::NAN)));
            let gain = g / (v + EPSILON).sqrt();
            gains.push(gain as f32);
            shifts.push((b - m * gain) as f32);
        }
        Ok([gains, shifts].map(|values| Weight {
            shape: vec![channels],
            values,
        }))
    }

    /// Refuses to drop weights silently: a graph that leaves some out is not the network.
    pub(super) fn finish(self) -> Result<(), TrainError> {
        if self.tensors.is_empty() {
            return Ok(());
        }
        let left: Vec<String> = self.tensors.into_keys().collect();
        Err(wrong(&format!(
            "the export does not know the tensors {}",
            left.join(", ")
        )))
    }
}

pub(super) fn wrong(reason: &str) -> TrainError {
    TrainError::Data(format!("the checkpoint cannot be exported: {reason}"))
}

fn parse(bytes: &[u8]) -> Option<BTreeMap<String, Weight>> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let start = usize::try_from(length).ok()?.checked_add(8)?;
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(bytes.get(8..start)?).ok()?;
    let data = bytes.get(start..)?;
    let whole = |value: &serde_json::Value| usize::try_from(value.as_u64()?).ok();
    let list = |value: &serde_json::Value| -> Option<Vec<usize>> {
        value.as_array()?.iter().map(whole).collect()
    };
    header
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .map(|(name, tensor)| {
            if tensor.get("dtype")? != "F32" {
                return None;
            }
            let offsets: Vec<usize> = list(tensor.get("data_offsets")?)?;
            let raw = data.get(*offsets.first()?..*offsets.get(1)?)?;
            let shape: Vec<usize> = list(tensor.get("shape")?)?;
            let values: Vec<f32> = raw
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect();
            (shape.iter().product::<usize>() == values.len())
                .then(|| (name.clone(), Weight { shape, values }))
        })
        .collect()
}
