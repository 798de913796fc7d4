//! The blocks that generators are made of: convolutions, residual blocks, four kinds of upsampling,
//! a U-Net without attention, an embedding of time and class.

use burn::module::{Module, Param};
use burn::nn::{GroupNorm, GroupNormConfig, Initializer, Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use veraray_model::convolve;

/// Channels per group of a normalisation at most.
const GROUPS: usize = 8;

/// A convolution with bias that keeps the size or halves it.
#[derive(Module, Debug)]
pub struct Conv {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    stride: usize,
}

impl Conv {
    /// A 3x3 convolution after He et al. (ICCV 2015).
    pub fn new(channels: [usize; 2], stride: usize, device: &Device) -> Self {
        Self::scaled(channels, 3, stride, 1.0, device)
    }

    /// A convolution whose weights are as small as `gain`; 0 for the last layer of a residual.
    pub fn scaled(
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        stride: usize,
        gain: f64,
        device: &Device,
    ) -> Self {
        let fan_in = inputs * kernel * kernel;
        let initializer = if gain > 0.0 {
            Initializer::KaimingNormal {
                gain,
                fan_out_only: false,
            }
        } else {
            Initializer::Zeros
        };
        Self {
            weight: initializer.init_with(
                [outputs, inputs, kernel, kernel],
                Some(fan_in),
                None,
                device,
            ),
            bias: Initializer::Zeros.init([outputs], device),
            stride,
        }
    }

    /// # Shapes
    /// - `input`: `[batch, inputs, height, width]`
    /// - output: `[batch, outputs, height / stride, width / stride]`
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        convolve(input, self.weight.val(), self.bias.val(), self.stride)
    }

    /// The kernel, `[outputs, inputs, kernel, kernel]`.
    pub fn kernel(&self) -> Tensor<4> {
        self.weight.val()
    }

    /// The bias, `[outputs]`.
    pub fn offset(&self) -> Tensor<1> {
        self.bias.val()
    }
}

/// Group normalisation (Wu & He, ECCV 2018) of eight groups at most.
pub fn norm(channels: usize, device: &Device) -> GroupNorm {
    let groups = (1..=GROUPS.min(channels))
        .rev()
        .find(|groups| channels.is_multiple_of(*groups))
        .unwrap_or(1);
    GroupNormConfig::new(groups, channels).init(device)
}

/// How a decoder doubles the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upsampling {
    /// Every pixel four times, then a convolution.
    Nearest,
    /// Linear interpolation, then a convolution.
    Bilinear,
    /// A transposed convolution, kernel 3, stride 2 (Odena, Dumoulin & Olah, Distill 2016, on what it
    /// leaves behind).
    Transposed,
    /// A convolution to four times the channels, which become pixels (Shi et al., CVPR 2016).
    PixelShuffle,
}

impl Upsampling {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::Nearest,
        Self::Bilinear,
        Self::Transposed,
        Self::PixelShuffle,
    ];

    /// The name in parameters and flags.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Transposed => "transposed",
            Self::PixelShuffle => "pixel_shuffle",
        }
    }
}

impl std::str::FromStr for Upsampling {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::as_str);
                format!("expected one of {}", names.join(", "))
            })
    }
}

/// Doubles the resolution.
#[derive(Module, Debug)]
pub struct Up {
    conv: Conv,
    #[module(skip)]
    kind: Upsampling,
}

impl Up {
    /// An upsampling layer.
    pub fn new([inputs, outputs]: [usize; 2], kind: Upsampling, device: &Device) -> Self {
        let outputs = match kind {
            Upsampling::PixelShuffle => 4 * outputs,
            _ => outputs,
        };
        // Three quarters of what a transposed convolution reads are zeros.
        let gain = match kind {
            Upsampling::Transposed => 2.0,
            _ => 1.0,
        };
        Self {
            conv: Conv::scaled([inputs, outputs], 3, 1, gain, device),
            kind,
        }
    }

    /// # Shapes
    /// - `input`: `[batch, inputs, height, width]`
    /// - output: `[batch, outputs, 2 * height, 2 * width]`
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        match self.kind {
            Upsampling::Nearest => self.conv.forward(doubled(input)),
            Upsampling::Bilinear => self.conv.forward(softened(doubled(input))),
            Upsampling::Transposed => self.conv.forward(spread(input)),
            Upsampling::PixelShuffle => shuffled(&self.conv.forward(input)),
        }
    }
}

/// Every pixel four times.
pub fn doubled(input: Tensor<4>) -> Tensor<4> {
    let copy = input.clone();
    interleaved(input, copy.clone(), copy.clone(), copy)
}

/// Every pixel, and three zeros.
fn spread(input: Tensor<4>) -> Tensor<4> {
    let zeros = input.zeros_like();
    interleaved(input, zeros.clone(), zeros.clone(), zeros)
}

/// Four phases of a grid of twice the side: top left, top right, bottom left, bottom right.
fn interleaved(a: Tensor<4>, b: Tensor<4>, c: Tensor<4>, d: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = a.dims();
    let row = |left: Tensor<4>, right: Tensor<4>| {
        let apart = |t: Tensor<4>| t.reshape([batch, channels, height, width, 1]);
        Tensor::cat(vec![apart(left), apart(right)], 4).reshape([
            batch,
            channels,
            height,
            1,
            2 * width,
        ])
    };
    Tensor::cat(vec![row(a, b), row(c, d)], 3).reshape([batch, channels, 2 * height, 2 * width])
}

/// The binomial filter `[1, 2, 1] / 4` along both axes; after [`doubled`] it makes exactly the linear
/// interpolation between pixel centres.
pub fn softened(input: Tensor<4>) -> Tensor<4> {
    let along = |input: Tensor<4>, axis: usize| {
        let size = input.dims()[axis];
        let first = input.clone().narrow(axis, 0, 1);
        let last = input.clone().narrow(axis, size - 1, 1);
        let before = Tensor::cat(vec![first, input.clone().narrow(axis, 0, size - 1)], axis);
        let after = Tensor::cat(vec![input.clone().narrow(axis, 1, size - 1), last], axis);
        input.mul_scalar(0.5) + (before + after).mul_scalar(0.25)
    };
    along(along(input, 2), 3)
}

/// Four channels become four pixels.
fn shuffled(input: &Tensor<4>) -> Tensor<4> {
    let [_, channels, ..] = input.dims();
    let phase = |at: usize| input.clone().narrow(1, at * channels / 4, channels / 4);
    interleaved(phase(0), phase(1), phase(2), phase(3))
}

/// Two convolutions beside a shortcut (He et al., ECCV 2016), modulated by an embedding where there is
/// one (Dhariwal & Nichol, NeurIPS 2021).
#[derive(Module, Debug)]
pub struct Residual {
    first_norm: GroupNorm,
    first: Conv,
    second_norm: GroupNorm,
    second: Conv,
    shortcut: Option<Conv>,
    modulate: Option<Linear>,
}

impl Residual {
    /// A block; `embedding` is the length of the embedding, 0 for none.
    pub fn new([inputs, outputs]: [usize; 2], embedding: usize, device: &Device) -> Self {
        Self {
            first_norm: norm(inputs, device),
            first: Conv::new([inputs, outputs], 1, device),
            second_norm: norm(outputs, device),
            second: Conv::scaled([outputs, outputs], 3, 1, 0.3, device),
            shortcut: (inputs != outputs)
                .then(|| Conv::scaled([inputs, outputs], 1, 1, 1.0, device)),
            modulate: (embedding > 0)
                .then(|| LinearConfig::new(embedding, 2 * outputs).init(device)),
        }
    }

    /// # Shapes
    /// - `input`: `[batch, inputs, height, width]`
    /// - `embedding`: `[batch, embedding]`
    /// - output: `[batch, outputs, height, width]`
    pub fn forward(&self, input: Tensor<4>, embedding: Option<&Tensor<2>>) -> Tensor<4> {
        let x = self
            .first
            .forward(silu(self.first_norm.forward(input.clone())));
        let mut x = self.second_norm.forward(x);
        if let (Some(modulate), Some(embedding)) = (&self.modulate, embedding) {
            let [batch, channels, ..] = x.dims();
            let both = modulate
                .forward(embedding.clone())
                .reshape([batch, 2 * channels, 1, 1]);
            let scale = both.clone().narrow(1, 0, channels).add_scalar(1.0);
            x = x * scale + both.narrow(1, channels, channels);
        }
        let x = self.second.forward(silu(x));
        match &self.shortcut {
            Some(shortcut) => x + shortcut.forward(input),
            None => x + input,
        }
    }
}

/// A time in `[0, 1]` and a class as one vector.
#[derive(Module, Debug)]
pub struct Embedding {
    first: Linear,
    second: Linear,
    classes: usize,
}

/// Sines and cosines of a time.
const WAVES: usize = 16;

impl Embedding {
    /// An embedding of that many numbers.
    pub fn new(classes: usize, length: usize, device: &Device) -> Self {
        Self {
            first: LinearConfig::new(2 * WAVES + classes, length).init(device),
            second: LinearConfig::new(length, length).init(device),
            classes,
        }
    }

    /// # Shapes
    /// - `times`, `classes`: one per image
    /// - output: `[batch, length]`
    pub fn forward(&self, times: &[f32], classes: &[usize], device: &Device) -> Tensor<2> {
        let mut values = Vec::with_capacity(times.len() * (2 * WAVES + self.classes));
        for (&time, &class) in times.iter().zip(classes) {
            for wave in 0..WAVES {
                let angle = time * std::f32::consts::PI * 1.6_f32.powi(wave as i32);
                values.extend([angle.sin(), angle.cos()]);
            }
            values.extend((0..self.classes).map(|at| f32::from(u8::from(at == class))));
        }
        let shape = [times.len(), 2 * WAVES + self.classes];
        let input = Tensor::from_data(TensorData::new(values, shape), device);
        silu(self.second.forward(silu(self.first.forward(input))))
    }
}

/// A U-Net (Ronneberger, Fischer & Brox, MICCAI 2015) of residual blocks, without attention.
#[derive(Module, Debug)]
pub struct UNet {
    input: Conv,
    down: Vec<Residual>,
    reduce: Vec<Conv>,
    middle: Residual,
    up: Vec<Up>,
    merge: Vec<Residual>,
    norm: GroupNorm,
    output: Conv,
    embedding: Option<Embedding>,
}

/// The shape of a [`UNet`].
#[derive(Debug, Clone, Copy)]
pub struct UNetShape {
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Channels at full resolution.
    pub width: usize,
    /// Halvings.
    pub depth: usize,
    /// Classes; `None` for a network that sees neither time nor class.
    pub classes: Option<usize>,
}

impl UNet {
    /// A network with fresh weights, whose output is small.
    pub fn new(shape: UNetShape, device: &Device) -> Self {
        let UNetShape {
            channels: [inputs, outputs],
            width,
            depth,
            classes,
        } = shape;
        let length = classes.map_or(0, |_| 4 * width);
        let at = |level: usize| width * [1, 2, 3, 4][level.min(3)];
        Self {
            input: Conv::new([inputs, width], 1, device),
            down: (0..depth)
                .map(|level| Residual::new([at(level), at(level)], length, device))
                .collect(),
            reduce: (0..depth)
                .map(|level| Conv::new([at(level), at(level + 1)], 2, device))
                .collect(),
            middle: Residual::new([at(depth), at(depth)], length, device),
            up: (0..depth)
                .map(|level| Up::new([at(level + 1), at(level)], Upsampling::Nearest, device))
                .collect(),
            merge: (0..depth)
                .map(|level| Residual::new([2 * at(level), at(level)], length, device))
                .collect(),
            norm: norm(width, device),
            output: Conv::scaled([width, outputs], 3, 1, 0.1, device),
            embedding: classes.map(|classes| Embedding::new(classes, length, device)),
        }
    }

    /// # Shapes
    /// - `input`: `[batch, inputs, height, width]`, both multiples of `2^depth`
    /// - `when`: time in `[0, 1]` and class of every image, where the network sees them
    /// - output: `[batch, outputs, height, width]`
    pub fn forward(&self, input: Tensor<4>, when: Option<(&[f32], &[usize])>) -> Tensor<4> {
        let device = input.device();
        let embedding = match (&self.embedding, when) {
            (Some(embedding), Some((times, classes))) => {
                Some(embedding.forward(times, classes, &device))
            }
            _ => None,
        };
        let embedding = embedding.as_ref();
        let mut x = self.input.forward(input);
        let mut kept = Vec::with_capacity(self.down.len());
        for (block, reduce) in self.down.iter().zip(&self.reduce) {
            x = block.forward(x, embedding);
            kept.push(x.clone());
            x = reduce.forward(x);
        }
        x = self.middle.forward(x, embedding);
        for (level, kept) in kept.into_iter().enumerate().rev() {
            x = Tensor::cat(vec![self.up[level].forward(x), kept], 1);
            x = self.merge[level].forward(x, embedding);
        }
        self.output.forward(silu(self.norm.forward(x)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn every_upsampling_doubles_and_the_bilinear_one_interpolates() {
        let device = Device::flex();
        let ramp = Tensor::<1>::from_floats([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &device);
        let ramp = ramp.reshape([1, 1, 1, 6]).repeat_dim(2, 4);
        let soft = values(softened(doubled(ramp.clone())));
        assert_eq!(soft[..4], [0.0, 0.25, 0.75, 1.25]);
        for kind in Upsampling::ALL {
            let up = Up::new([1, 3], kind, &device);
            assert_eq!(up.forward(ramp.clone()).dims(), [1, 3, 8, 12]);
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        let phases = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &device).reshape([1, 4, 1, 1]);
        assert_eq!(values(shuffled(&phases)), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn a_unet_keeps_the_size_and_sees_time_and_class() {
        let device = Device::flex();
        let shape = UNetShape {
            channels: [1, 2],
            width: 4,
            depth: 2,
            classes: Some(2),
        };
        let net = UNet::new(shape, &device);
        let input = Tensor::<4>::ones([1, 1, 16, 8], &device);
        let run = |time: f32, class: usize| {
            let output = net.forward(input.clone(), Some((&[time], &[class])));
            assert_eq!(output.dims(), [1, 2, 16, 8]);
            values(output)
        };
        assert_ne!(run(0.1, 0), run(0.9, 0));
        assert_ne!(run(0.1, 0), run(0.1, 1));
    }
}
