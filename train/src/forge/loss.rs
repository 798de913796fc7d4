//! Losses that several families share.

use burn::module::Module;
use burn::nn::GroupNorm;
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Tensor, TensorData};

use super::blocks::{Conv, norm};

/// The focal frequency loss (Jiang et al., "Focal frequency loss for image reconstruction and
/// synthesis", ICCV 2021): squared differences of the discrete Fourier transforms, each weighted by
/// its own magnitude over the image's largest. Without it autoencoders drop fine detail, which is
/// small in every pixel. Ours transforms by matrix products, which every backend differentiates, and
/// takes half the spectrum, the other half being its mirror image.
#[derive(Debug, Clone)]
pub struct Frequency {
    /// Cosines and sines over rows, `[side, side]`.
    rows: [Tensor<2>; 2],
    /// Over columns, `[side, side / 2 + 1]`.
    columns: [Tensor<2>; 2],
}

impl Frequency {
    /// For square images of that side.
    pub fn new(side: usize, device: &Device) -> Self {
        let matrix = |columns: usize, wave: fn(f64) -> f64| {
            let scale = 1.0 / (side as f64).sqrt();
            let values: Vec<f32> = (0..side * columns)
                .map(|at| {
                    let (x, u) = (at / columns, at % columns);
                    let phase = (x * u % side) as f64 / side as f64;
                    (scale * wave(std::f64::consts::TAU * phase)) as f32
                })
                .collect();
            Tensor::from_data(TensorData::new(values, [side, columns]), device)
        };
        Self {
            rows: [matrix(side, f64::cos), matrix(side, f64::sin)],
            columns: [
                matrix(side / 2 + 1, f64::cos),
                matrix(side / 2 + 1, f64::sin),
            ],
        }
    }

    /// # Shapes
    /// - `difference`: `[batch, 1, side, side]`, reconstruction less original
    /// - output: `[1]`
    pub fn loss(&self, difference: Tensor<4>) -> Tensor<1> {
        let [batch, _, side, _] = difference.dims();
        let half = side / 2 + 1;
        let flat = difference.reshape([batch * side, side]);
        // Columns first; then rows, by the transposed planes.
        let across = self.columns.clone().map(|wave| {
            flat.clone()
                .matmul(wave)
                .reshape([batch, side, half])
                .swap_dims(1, 2)
                .reshape([batch * half, side])
        });
        let [a, b] = across;
        let [cosine, sine] = self.rows.clone();
        let real = a.clone().matmul(cosine.clone()) - b.clone().matmul(sine.clone());
        let imaginary = a.matmul(sine) + b.matmul(cosine);
        let power = real.clone() * real + imaginary.clone() * imaginary;
        let power = power.reshape([batch, half * side]);
        let weight = power.clone().detach().sqrt();
        let weight = weight.clone() / weight.max_dim(1).clamp_min(1e-8);
        (weight * power).mean()
    }
}

/// The mean absolute difference.
pub fn absolute(difference: Tensor<4>) -> Tensor<1> {
    difference.abs().mean()
}

/// A small patch discriminator (Isola et al., "Image-to-image translation with conditional adversarial
/// networks", CVPR 2017): a logit for every place, which sees 23 pixels around it. Ours has 3x3
/// kernels and group normalisation.
#[derive(Module, Debug)]
pub struct PatchDiscriminator {
    convs: Vec<Conv>,
    norms: Vec<GroupNorm>,
    output: Conv,
}

impl PatchDiscriminator {
    /// For images of that many channels.
    pub fn new(inputs: usize, width: usize, device: &Device) -> Self {
        let channels = [inputs, width, 2 * width, 4 * width];
        Self {
            convs: channels
                .windows(2)
                .map(|pair| Conv::scaled([pair[0], pair[1]], 3, 2, 1.3, device))
                .collect(),
            norms: channels[2..]
                .iter()
                .map(|&channels| norm(channels, device))
                .collect(),
            output: Conv::new([4 * width, 1], 1, device),
        }
    }

    /// # Shapes
    /// - `input`: `[batch, inputs, height, width]`
    /// - output: `[batch, 1, height / 8, width / 8]`
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut x = input;
        for (index, conv) in self.convs.iter().enumerate() {
            x = conv.forward(x);
            if index > 0 {
                x = self.norms[index - 1].forward(x);
            }
            x = leaky_relu(x, 0.2);
        }
        self.output.forward(x)
    }
}

/// The hinge loss of a discriminator (Lim & Ye, "Geometric GAN", 2017).
pub fn hinge<const D: usize>(real: Tensor<D>, fake: Tensor<D>) -> Tensor<1> {
    relu(real.neg().add_scalar(1.0)).mean() + relu(fake.add_scalar(1.0)).mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frequency_loss_sees_one_wave_as_one_bin() {
        let device = Device::flex();
        let side = 16;
        let wave: Vec<f32> = (0..side * side)
            .map(|at| (std::f32::consts::TAU * 3.0 * (at % side) as f32 / side as f32).cos())
            .collect();
        let wave = Tensor::from_data(TensorData::new(wave, [1, 1, side, side]), &device);
        let loss = Frequency::new(side, &device).loss(wave);
        // One bin of magnitude side / 2, of half a spectrum's bins.
        let bins = (side * (side / 2 + 1)) as f32;
        let expected = (side as f32 / 2.0).powi(2) / bins;
        let found = loss.into_data().try_to_vec::<f32>().unwrap()[0];
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }
}
