//! Convolution, normalisation, residual and rectifier over a batch, in training.

use pulp::Arch;
use rayon::prelude::*;

use super::geometry::Geometry;
use super::passes::{Finish, Moments};
use super::planes::{SLACK, pad_input};
use super::pool;
use super::scratch::{self, Slot};
use super::taps::{BLOCK, Taps, padded_positions};

/// Affine parameters of a normalisation by the batch's own statistics, and what follows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub epsilon: f64,
    pub residual: Option<&'a [f32]>,
    pub rectify: bool,
}

/// What [`forward_train`] found.
#[derive(Debug)]
pub(crate) struct Trained {
    pub output: Vec<f32>,
    /// The convolution before normalisation, for [`super::gradient::backward`].
    pub convolved: Vec<f32>,
    pub mean: Vec<f32>,
    /// Biased.
    pub variance: Vec<f32>,
}

/// Convolution normalised by the batch's statistics.
pub(crate) fn forward_train(
    g: &Geometry,
    input: &[f32],
    weight: &[f32],
    norm: Norm<'_>,
) -> Trained {
    let arch = Arch::new();
    let (offsets, packed) = (g.offsets(), pack_forward(g, weight));
    let plane = g.output_plane();
    let mut convolved = pool::take(batch(g, input) * g.outputs * plane);
    let jobs = samples(g, input)
        .zip(convolved.chunks_exact_mut(g.outputs * plane))
        .collect();
    let moments = each(jobs, |(input, convolved): (&[f32], &mut [f32])| {
        let mut moments = vec![[0.0; 2]; g.outputs];
        convolve(arch, g, (&offsets, &packed), input, |channel, flat| {
            moments[channel] = arch.dispatch(Moments {
                source: flat,
                pitch: g.pitch(),
                width: g.output_size()[1],
                output: &mut convolved[channel * plane..][..plane],
            });
        });
        moments
    });
    let (mean, variance) = combine(&moments, plane);
    let affine: Vec<[f32; 2]> = (0..g.outputs)
        .map(|c| {
            let scale = f64::from(norm.gamma[c]) / (f64::from(variance[c]) + norm.epsilon).sqrt();
            let shift = f64::from(norm.beta[c]) - scale * f64::from(mean[c]);
            [scale as f32, shift as f32]
        })
        .collect();
    let mut output = pool::take(convolved.len());
    let jobs = convolved
        .chunks_exact(g.outputs * plane)
        .zip(output.chunks_exact_mut(g.outputs * plane))
        .enumerate()
        .collect();
    each(jobs, |(sample, (convolved, output))| {
        for (channel, [scale, shift]) in affine.iter().enumerate() {
            let at = channel * plane;
            let residual = norm.residual;
            arch.dispatch(Finish {
                source: &convolved[at..at + plane],
                pitch: plane,
                width: plane,
                scale: *scale,
                shift: *shift,
                residual: residual.map(|r| &r[sample * g.outputs * plane + at..][..plane]),
                rectify: norm.rectify,
                output: &mut output[at..at + plane],
            });
        }
    });
    Trained {
        output,
        convolved,
        mean,
        variance,
    }
}

/// Mean and biased variance of every channel from those of its planes (Chan et al., 1979).
fn combine(moments: &[Vec<[f64; 2]>], plane: usize) -> (Vec<f32>, Vec<f32>) {
    let count = (moments.len() * plane) as f64;
    let channels = moments.first().map_or(0, Vec::len);
    (0..channels)
        .map(|c| {
            let mean = moments.iter().map(|m| m[c][0]).sum::<f64>() / count;
            let squares: f64 = moments
                .iter()
                .map(|m| {
                    let [sum, squares] = m[c];
                    let shift = sum / plane as f64 - mean;
                    squares + shift * shift * plane as f64
                })
                .sum();
            (mean as f32, (squares / count).max(0.0) as f32)
        })
        .unzip()
}

pub(super) fn batch(g: &Geometry, input: &[f32]) -> usize {
    input.len() / (g.inputs * g.input_plane())
}

pub(super) fn samples<'a>(
    g: &Geometry,
    input: &'a [f32],
) -> impl Iterator<Item = &'a [f32]> + use<'a> {
    input.chunks_exact(g.inputs * g.input_plane())
}

pub(super) fn pack_forward(g: &Geometry, weight: &[f32]) -> Vec<[f32; BLOCK]> {
    let taps = g.taps();
    let mut packed = vec![[0.0; BLOCK]; g.outputs.div_ceil(BLOCK) * taps];
    let blocks = packed.chunks_exact_mut(taps);
    for (packed, rows) in blocks.zip(weight.chunks(BLOCK * taps)) {
        // A short block repeats its last channel, whose copies are dropped.
        let last = rows.len() / taps - 1;
        let mut channels = [rows; BLOCK];
        for (channel, row) in channels.iter_mut().enumerate() {
            *row = &rows[channel.min(last) * taps..][..taps];
        }
        for (k, packed) in packed.iter_mut().enumerate() {
            for (to, row) in packed.iter_mut().zip(channels) {
                *to = row[k];
            }
        }
    }
    packed
}

/// Convolves one sample and hands every output channel, rows a pitch apart, to `finish`.
pub(super) fn convolve(
    arch: Arch,
    g: &Geometry,
    (offsets, packed): (&[usize], &[[f32; BLOCK]]),
    input: &[f32],
    mut finish: impl FnMut(usize, &[f32]),
) {
    let stride = padded_positions(g.positions());
    scratch::with(Slot::Input, g.padded() + SLACK, |padded| {
        pad_input(g, input, padded);
        scratch::with(Slot::Flat, BLOCK * stride, |flat| {
            for (block, weights) in packed.chunks_exact(offsets.len()).enumerate() {
                arch.dispatch(Taps {
                    input: padded,
                    offsets,
                    weights,
                    positions: g.positions(),
                    output: flat,
                });
                let first = block * BLOCK;
                let channels = flat.chunks_exact(stride).take(g.outputs - first);
                for (channel, flat) in channels.enumerate() {
                    finish(first + channel, flat);
                }
            }
        });
    });
}

/// Runs jobs on all threads, or here when there is but one; results keep the jobs' order.
pub(super) fn each<J: Send, R: Send>(jobs: Vec<J>, run: impl Fn(J) -> R + Sync + Send) -> Vec<R> {
    if jobs.len() == 1 {
        jobs.into_iter().map(run).collect()
    } else {
        jobs.into_par_iter().map(run).collect()
    }
}
