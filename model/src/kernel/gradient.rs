//! Gradients of a layer: convolution, normalisation by the batch's statistics, residual and rectifier.

use pulp::Arch;

use super::correlate::Correlate;
use super::geometry::{Geometry, Phase};
use super::layer::{batch, each};
use super::passes::{GradientSums, Interleave, NormGradient};
use super::planes::{SLACK, pad_input};
use super::pool;
use super::scratch::{self, Slot};
use super::taps::{BLOCK, Taps, pack, padded_positions};

/// Positions that one share of the weights' gradient spans at least, where several samples are
/// taken together so that the sums across a vector's lanes cost little.
const SHARE: usize = 1024;

/// What [`backward`] needs of the forward pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saved<'a> {
    pub input: &'a [f32],
    pub weight: &'a [f32],
    pub gamma: &'a [f32],
    pub epsilon: f64,
    pub convolved: &'a [f32],
    pub mean: &'a [f32],
    pub variance: &'a [f32],
    /// The layer's output, where it was rectified.
    pub output: Option<&'a [f32]>,
}

/// Gradients of a layer's inputs.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// Of the input, where wanted.
    pub input: Option<Vec<f32>>,
    pub weight: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    /// Of the residual, where wanted.
    pub residual: Option<Vec<f32>>,
}

/// Gradients of [`super::layer::forward_train`], given that of its output.
pub(crate) fn backward(
    g: &Geometry,
    saved: Saved<'_>,
    gradient: &[f32],
    wanted: [bool; 2],
) -> Gradients {
    let arch = Arch::new();
    let plane = g.output_plane();
    let sums = gradient_sums(arch, g, saved, gradient);
    let count = (batch(g, saved.input) * plane) as f64;
    let channels: Vec<Channel> = (0..g.outputs)
        .map(|c| {
            let inverse = 1.0 / (f64::from(saved.variance[c]) + saved.epsilon).sqrt();
            let scale = f64::from(saved.gamma[c]) * inverse;
            let [beta, product] = sums[c];
            Channel {
                beta: beta as f32,
                gamma: (product * inverse) as f32,
                scale: scale as f32,
                mean_gradient: (beta / count) as f32,
                slope: (-scale * inverse * inverse * product / count) as f32,
            }
        })
        .collect();

    let found = convolution_gradients(arch, g, saved, gradient, &channels, wanted);
    Gradients {
        input: found.input,
        weight: found.weight,
        gamma: channels.iter().map(|c| c.gamma).collect(),
        beta: channels.iter().map(|c| c.beta).collect(),
        residual: found.residual,
    }
}

/// Gradients of a bare convolution, given that of its output: of the input, where wanted, and of the
/// weights.
pub(crate) fn convolution_backward(
    g: &Geometry,
    input: &[f32],
    weight: &[f32],
    gradient: &[f32],
    want_input: bool,
) -> (Option<Vec<f32>>, Vec<f32>) {
    // A normalisation that passes everything on as it is; what it would read of the convolution counts
    // for nothing.
    let zeros = vec![0.0; g.outputs];
    let saved = Saved {
        input,
        weight,
        gamma: &zeros,
        epsilon: 0.0,
        convolved: gradient,
        mean: &zeros,
        variance: &zeros,
        output: None,
    };
    let channels: Vec<Channel> = (0..g.outputs)
        .map(|_| Channel {
            beta: 0.0,
            gamma: 0.0,
            scale: 1.0,
            mean_gradient: 0.0,
            slope: 0.0,
        })
        .collect();
    let wanted = [want_input, false];
    let found = convolution_gradients(Arch::new(), g, saved, gradient, &channels, wanted);
    (found.input, found.weight)
}

/// Gradients of everything before the normalisation.
struct Convolved {
    input: Option<Vec<f32>>,
    weight: Vec<f32>,
    residual: Option<Vec<f32>>,
}

fn convolution_gradients(
    arch: Arch,
    g: &Geometry,
    saved: Saved<'_>,
    gradient: &[f32],
    channels: &[Channel],
    [want_input, want_residual]: [bool; 2],
) -> Convolved {
    let plane = g.output_plane();
    let samples_per_share = (SHARE / g.positions()).max(1);
    let (inputs, outputs) = (g.inputs * g.input_plane(), g.outputs * plane);
    let allocate = |wanted: bool, length: usize| wanted.then(|| pool::take(length));
    let mut input = allocate(want_input, saved.input.len());
    let mut residual = allocate(want_residual, gradient.len());
    let shares = batch(g, saved.input).div_ceil(samples_per_share);
    let input_shares = shared(&mut input, samples_per_share * inputs, shares);
    let residual_shares = shared(&mut residual, samples_per_share * outputs, shares);
    let jobs = input_shares
        .into_iter()
        .zip(residual_shares)
        .enumerate()
        .map(|(index, (input, residual))| Share {
            first: index * samples_per_share,
            samples: samples_per_share.min(batch(g, saved.input) - index * samples_per_share),
            input,
            residual,
        })
        .collect();
    let backward = Backward {
        arch,
        g,
        saved,
        gradient,
        channels,
        offsets: g.offsets(),
        phases: pack_backward(g, saved.weight),
    };
    let parts = each(jobs, |share| backward.share(share));
    let mut weight = vec![0.0; g.outputs * g.taps()];
    for part in parts {
        for (sum, part) in weight.iter_mut().zip(part) {
            *sum += part;
        }
    }
    Convolved {
        input,
        weight,
        residual,
    }
}

/// One channel's part in the gradient of a normalisation.
#[derive(Debug)]
struct Channel {
    beta: f32,
    gamma: f32,
    scale: f32,
    mean_gradient: f32,
    slope: f32,
}

/// Samples whose share of the weights' gradient is summed at once.
#[derive(Debug)]
struct Share<'a> {
    first: usize,
    samples: usize,
    input: Option<&'a mut [f32]>,
    residual: Option<&'a mut [f32]>,
}

/// Offsets and packed weights of one phase of the input's gradient.
type PackedPhase = (Vec<usize>, Vec<[f32; BLOCK]>);

struct Backward<'a> {
    arch: Arch,
    g: &'a Geometry,
    saved: Saved<'a>,
    gradient: &'a [f32],
    channels: &'a [Channel],
    offsets: Vec<usize>,
    phases: Vec<PackedPhase>,
}

impl Backward<'_> {
    /// Returns the share's gradient of the weights.
    fn share(&self, share: Share<'_>) -> Vec<f32> {
        let (g, arch) = (self.g, self.arch);
        let (inputs, outputs) = (g.inputs * g.input_plane(), g.outputs * g.output_plane());
        let input_stride = g.padded() + SLACK;
        let gradient_stride = g.outputs * g.padded_output();
        let Share {
            first,
            samples,
            mut input,
            mut residual,
        } = share;
        let mut weight = vec![0.0; g.outputs * g.taps()];
        scratch::with(Slot::Output, samples * gradient_stride, |gradients| {
            gradients.fill(0.0);
            for (index, padded) in gradients.chunks_exact_mut(gradient_stride).enumerate() {
                let residual = residual
                    .as_mut()
                    .map(|r| &mut r[index * outputs..][..outputs]);
                self.convolution_gradient(first + index, padded, residual);
                if let Some(input) = &mut input {
                    self.input_gradient(padded, &mut input[index * inputs..][..inputs]);
                }
            }
            scratch::with(Slot::Input, samples * input_stride, |padded| {
                for (index, padded) in padded.chunks_exact_mut(input_stride).enumerate() {
                    let sample = &self.saved.input[(first + index) * inputs..][..inputs];
                    pad_input(g, sample, padded);
                }
                arch.dispatch(Correlate {
                    input: padded,
                    input_stride,
                    offsets: &self.offsets,
                    gradient: gradients,
                    outputs: g.outputs,
                    plane: g.padded_output(),
                    lead: g.lead(),
                    positions: g.positions(),
                    output: &mut weight,
                });
            });
        });
        weight
    }

    /// The gradient of one sample's convolution, padded.
    fn convolution_gradient(
        &self,
        sample: usize,
        padded: &mut [f32],
        mut residual: Option<&mut [f32]>,
    ) {
        let (g, plane) = (self.g, self.g.output_plane());
        let planes = padded.chunks_exact_mut(g.padded_output());
        for (channel, (padded, terms)) in planes.zip(self.channels).enumerate() {
            let at = (sample * g.outputs + channel) * plane;
            self.arch.dispatch(NormGradient {
                gradient: &self.gradient[at..at + plane],
                output: self.saved.output.map(|output| &output[at..at + plane]),
                convolved: &self.saved.convolved[at..at + plane],
                width: g.output_size()[1],
                mean: self.saved.mean[channel],
                scale: terms.scale,
                mean_gradient: terms.mean_gradient,
                slope: terms.slope,
                pitch: g.pitch(),
                padded: &mut padded[g.lead()..],
                residual: residual
                    .as_mut()
                    .map(|residual| &mut residual[channel * plane..][..plane]),
            });
        }
    }

    /// The gradient of one sample's input.
    fn input_gradient(&self, padded: &[f32], input: &mut [f32]) {
        let (g, arch) = (self.g, self.arch);
        let [height, width] = g.size;
        let stride = padded_positions(g.positions());
        let columns = g.stride;
        scratch::with(Slot::Flat, columns * BLOCK * stride, |flat| {
            for (row_phase, phases) in self.phases.chunks_exact(columns).enumerate() {
                for block in 0..g.inputs.div_ceil(BLOCK) {
                    for ((offsets, packed), flat) in
                        phases.iter().zip(flat.chunks_exact_mut(BLOCK * stride))
                    {
                        arch.dispatch(Taps {
                            input: padded,
                            offsets,
                            weights: &packed[block * offsets.len()..][..offsets.len()],
                            positions: g.positions(),
                            output: flat,
                        });
                    }
                    let channels = input.chunks_exact_mut(height * width).skip(block * BLOCK);
                    for (channel, output) in channels.take(BLOCK).enumerate() {
                        let rows = output
                            .chunks_exact_mut(width)
                            .skip(row_phase)
                            .step_by(columns);
                        let even = &flat[channel * stride..][..stride];
                        for (row, output) in rows.enumerate() {
                            let even = &even[row * g.pitch()..][..g.output_size()[1]];
                            if columns == 1 {
                                output.copy_from_slice(even);
                            } else {
                                let odd = &flat[(BLOCK + channel) * stride + row * g.pitch()..];
                                arch.dispatch(Interleave { even, odd, output });
                            }
                        }
                    }
                }
            }
        });
    }
}

/// Cuts an optional buffer into the shares' parts.
fn shared(buffer: &mut Option<Vec<f32>>, length: usize, shares: usize) -> Vec<Option<&mut [f32]>> {
    match buffer {
        Some(buffer) => buffer.chunks_mut(length).map(Some).collect(),
        None => (0..shares).map(|_| None).collect(),
    }
}

/// Sums of every channel's gradient, and of its product with the centred convolution.
fn gradient_sums(arch: Arch, g: &Geometry, saved: Saved<'_>, gradient: &[f32]) -> Vec<[f64; 2]> {
    let plane = g.output_plane();
    let jobs = (0..batch(g, saved.input)).collect();
    let parts = each(jobs, |sample| {
        let channel = |c: usize| {
            let at = (sample * g.outputs + c) * plane;
            arch.dispatch(GradientSums {
                gradient: &gradient[at..at + plane],
                output: saved.output.map(|output| &output[at..at + plane]),
                convolved: &saved.convolved[at..at + plane],
                mean: saved.mean[c],
            })
        };
        (0..g.outputs).map(channel).collect::<Vec<_>>()
    });
    let mut totals = vec![[0.0; 2]; g.outputs];
    for part in parts {
        for (total, part) in totals.iter_mut().zip(part) {
            *total = [total[0] + part[0], total[1] + part[1]];
        }
    }
    totals
}

/// Every phase of the input's gradient: taps run over output channels and kernel elements.
fn pack_backward(g: &Geometry, weight: &[f32]) -> Vec<PackedPhase> {
    let area = g.kernel * g.kernel;
    let phase = |phase: Phase| {
        let many = phase.taps.len();
        let offsets = (0..g.outputs)
            .flat_map(|o| {
                let at = o * g.padded_output();
                phase.taps.iter().map(move |(_, offset)| at + offset)
            })
            .collect();
        let packed = pack(g.inputs, g.outputs * many, |i, k| {
            let (o, (element, _)) = (k / many, phase.taps[k % many]);
            weight[(o * g.inputs + i) * area + element]
        });
        (offsets, packed)
    };
    g.gradient_phases().into_iter().map(phase).collect()
}
