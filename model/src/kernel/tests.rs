//! Every kernel against a naive reference in double precision.

use super::correlate::Correlate;
use super::geometry::Geometry;
use super::gradient::{self, Saved};
use super::infer::{self, Tail};
use super::layer::{self, Norm};
use super::passes::Moments;
use super::taps::{BLOCK, Taps, padded_positions};

/// Shapes: odd and even sides, single pixels, channels off the block, sides off the lanes.
fn geometries() -> Vec<Geometry> {
    let mut found = Vec::new();
    for (inputs, outputs) in [(1, 4), (5, 16), (3, 9), (24, 24), (17, 7)] {
        for size in [[1, 1], [2, 2], [2, 5], [7, 3], [16, 16], [33, 18], [12, 64]] {
            for (kernel, stride) in [(3, 1), (3, 2), (1, 1), (1, 2)] {
                found.push(Geometry {
                    inputs,
                    outputs,
                    size,
                    kernel,
                    stride,
                });
            }
        }
    }
    found
}

/// Uniform noise in [-1, 1).
fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Calls `visit(output index, input index, weight index)` for every product of the convolution.
fn products(g: &Geometry, batch: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let [height, width] = g.size;
    let [rows, columns] = g.output_size();
    let padding = g.kernel / 2;
    for n in 0..batch {
        for o in 0..g.outputs {
            for i in 0..g.inputs {
                for y in 0..rows {
                    for x in 0..columns {
                        for ky in 0..g.kernel {
                            for kx in 0..g.kernel {
                                let (sy, sx) = (y * g.stride + ky, x * g.stride + kx);
                                if sy < padding || sx < padding {
                                    continue;
                                }
                                let (sy, sx) = (sy - padding, sx - padding);
                                if sy < height && sx < width {
                                    visit(
                                        ((n * g.outputs + o) * rows + y) * columns + x,
                                        ((n * g.inputs + i) * height + sy) * width + sx,
                                        ((o * g.inputs + i) * g.kernel + ky) * g.kernel + kx,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn reference(g: &Geometry, batch: usize, input: &[f32], weight: &[f32]) -> Vec<f64> {
    let mut output = vec![0.0; batch * g.outputs * g.output_plane()];
    products(g, batch, |o, i, w| {
        output[o] += f64::from(input[i]) * f64::from(weight[w]);
    });
    output
}

fn close(found: &[f32], expected: &[f64], tolerance: f64, what: &str, g: &Geometry) {
    assert_eq!(found.len(), expected.len(), "{what} of {g:?}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs() / (1.0 + expected.abs());
        assert!(
            error < tolerance,
            "{what} of {g:?} at {at}: {found} against {expected}"
        );
    }
}

#[test]
fn forward_matches_the_reference() {
    for g in geometries() {
        for batch in [1, 3] {
            let input = noise(batch * g.inputs * g.input_plane(), 1);
            let weight = noise(g.outputs * g.taps(), 2);
            let (scale, shift) = (noise(g.outputs, 3), noise(g.outputs, 4));
            let residual = noise(batch * g.outputs * g.output_plane(), 5);
            for (rectify, residual) in [(false, None), (true, None), (true, Some(&residual[..]))] {
                let tail = Tail {
                    scale: &scale,
                    shift: &shift,
                    residual,
                    rectify,
                };
                let found = infer::forward(&g, &input, &weight, tail);
                let mut expected = reference(&g, batch, &input, &weight);
                for (at, value) in expected.iter_mut().enumerate() {
                    let c = at / g.output_plane() % g.outputs;
                    *value = *value * f64::from(scale[c]) + f64::from(shift[c]);
                    *value += residual.map_or(0.0, |r| f64::from(r[at]));
                    if rectify {
                        *value = value.max(0.0);
                    }
                }
                close(&found, &expected, 1e-4, "forward", &g);
            }
        }
    }
}

/// The layer in double precision: output, mean and variance.
struct Reference {
    output: Vec<f64>,
    convolved: Vec<f64>,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

const EPSILON: f64 = 1e-5;

fn train(g: &Geometry, batch: usize, input: &[f32], weight: &[f32], norm: Norm<'_>) -> Reference {
    let convolved = reference(g, batch, input, weight);
    let plane = g.output_plane();
    let channel = |at: usize| at / plane % g.outputs;
    let count = (batch * plane) as f64;
    let mut mean = vec![0.0; g.outputs];
    for (at, z) in convolved.iter().enumerate() {
        mean[channel(at)] += z / count;
    }
    let mut variance = vec![0.0; g.outputs];
    for (at, z) in convolved.iter().enumerate() {
        variance[channel(at)] += (z - mean[channel(at)]).powi(2) / count;
    }
    let output = convolved
        .iter()
        .enumerate()
        .map(|(at, z)| {
            let c = channel(at);
            let y = (z - mean[c]) / (variance[c] + EPSILON).sqrt() * f64::from(norm.gamma[c])
                + f64::from(norm.beta[c])
                + norm.residual.map_or(0.0, |r| f64::from(r[at]));
            if norm.rectify { y.max(0.0) } else { y }
        })
        .collect();
    Reference {
        output,
        convolved,
        mean,
        variance,
    }
}

#[test]
fn training_matches_the_reference() {
    let batch = 5;
    for g in geometries() {
        // Two values per channel have no meaningful gradient.
        if g.output_plane() < 4 {
            continue;
        }
        let plane = g.output_plane();
        let input = noise(batch * g.inputs * g.input_plane(), 1);
        let weight = noise(g.outputs * g.taps(), 2);
        let (gamma, beta) = (noise(g.outputs, 3), noise(g.outputs, 4));
        let residual = noise(batch * g.outputs * plane, 5);
        let gradient = noise(batch * g.outputs * plane, 6);
        for (rectify, residual) in [(false, None), (true, None), (true, Some(&residual[..]))] {
            let norm = Norm {
                gamma: &gamma,
                beta: &beta,
                epsilon: EPSILON,
                residual,
                rectify,
            };
            let found = layer::forward_train(&g, &input, &weight, norm);
            let expected = train(&g, batch, &input, &weight, norm);
            close(&found.output, &expected.output, 1e-3, "output", &g);
            close(&found.convolved, &expected.convolved, 1e-4, "convolved", &g);
            close(&found.mean, &expected.mean, 1e-4, "mean", &g);
            close(&found.variance, &expected.variance, 1e-4, "variance", &g);

            let saved = Saved {
                input: &input,
                weight: &weight,
                gamma: &gamma,
                epsilon: EPSILON,
                convolved: &found.convolved,
                mean: &found.mean,
                variance: &found.variance,
                output: rectify.then_some(&found.output[..]),
            };
            let grads = gradient::backward(&g, saved, &gradient, [true, residual.is_some()]);

            let channel = |at: usize| at / plane % g.outputs;
            let count = (batch * plane) as f64;
            // The mask is the kernel's own: at zero the two may differ by rounding.
            let masked: Vec<f64> = gradient
                .iter()
                .zip(&found.output)
                .map(|(g, y)| f64::from(*g) * f64::from(u8::from(!rectify || *y > 0.0)))
                .collect();
            let (mut d_gamma, mut d_beta) = (vec![0.0; g.outputs], vec![0.0; g.outputs]);
            let normalised = |at: usize| {
                let c = channel(at);
                (expected.convolved[at] - expected.mean[c])
                    / (expected.variance[c] + EPSILON).sqrt()
            };
            for (at, grad) in masked.iter().enumerate() {
                d_beta[channel(at)] += grad;
                d_gamma[channel(at)] += grad * normalised(at);
            }
            let d_convolved: Vec<f64> = masked
                .iter()
                .enumerate()
                .map(|(at, grad)| {
                    let c = channel(at);
                    f64::from(gamma[c]) / (expected.variance[c] + EPSILON).sqrt()
                        * (grad - d_beta[c] / count - normalised(at) * d_gamma[c] / count)
                })
                .collect();
            let mut d_weight = vec![0.0; weight.len()];
            let mut d_input = vec![0.0; input.len()];
            products(&g, batch, |o, i, w| {
                d_weight[w] += d_convolved[o] * f64::from(input[i]);
                d_input[i] += d_convolved[o] * f64::from(weight[w]);
            });
            close(&grads.beta, &d_beta, 1e-3, "beta's gradient", &g);
            close(&grads.gamma, &d_gamma, 1e-3, "gamma's gradient", &g);
            close(&grads.weight, &d_weight, 2e-3, "weight's gradient", &g);
            close(
                &grads.input.unwrap(),
                &d_input,
                2e-3,
                "input's gradient",
                &g,
            );
            if let Some(found) = grads.residual {
                close(&found, &masked, 1e-6, "residual's gradient", &g);
            }
        }
    }
}

/// Runs kernels as they are compiled for one instruction set.
fn kernels<S: pulp::Simd>(simd: S) -> [Vec<f32>; 3] {
    let (inputs, outputs, positions, plane) = (5, 8, 45, 96);
    let padded = noise(inputs * plane + 64, 1);
    let offsets: Vec<usize> = (0..inputs * 3).map(|k| k / 3 * plane + k % 3).collect();
    let weights = noise(offsets.len() * BLOCK, 2);
    let mut taps = vec![0.0; BLOCK * padded_positions(positions)];
    simd.vectorize(Taps {
        input: &padded,
        offsets: &offsets,
        weights: weights.as_chunks().0,
        positions,
        output: &mut taps,
    });
    for channel in taps.chunks_exact_mut(padded_positions(positions)) {
        channel[positions..].fill(0.0);
    }
    let mut gradient = noise(outputs * plane, 3);
    for channel in gradient.chunks_exact_mut(plane) {
        channel[positions..].fill(0.0);
    }
    let mut weight = vec![0.0; outputs * offsets.len()];
    simd.vectorize(Correlate {
        input: &padded,
        input_stride: padded.len(),
        offsets: &offsets,
        gradient: &gradient,
        outputs,
        plane,
        lead: 0,
        positions,
        output: &mut weight,
    });
    let mut copy = vec![0.0; positions];
    let moments = simd.vectorize(Moments {
        source: &padded,
        pitch: 9,
        width: 9,
        output: &mut copy,
    });
    [taps, weight, moments.map(|value| value as f32).to_vec()]
}

#[test]
fn every_instruction_set_finds_the_same() {
    let mut found = vec![kernels(pulp::Scalar::new())];
    #[cfg(target_arch = "x86_64")]
    {
        found.extend(pulp::x86::V3::try_new().map(kernels));
        found.extend(pulp::x86::V4::try_new().map(kernels));
    }
    for other in &found[1..] {
        for (expected, found) in found[0].iter().zip(other) {
            for (expected, found) in expected.iter().zip(found) {
                assert!(
                    (expected - found).abs() < 1e-4 * (1.0 + expected.abs()),
                    "{found} against {expected}"
                );
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let g = Geometry {
        inputs: 7,
        outputs: 9,
        size: [18, 13],
        kernel: 3,
        stride: 1,
    };
    let batch = 11;
    let input = noise(batch * g.inputs * g.input_plane(), 1);
    let weight = noise(g.outputs * g.taps(), 2);
    let (gamma, beta) = (noise(g.outputs, 3), noise(g.outputs, 4));
    let gradient = noise(batch * g.outputs * g.output_plane(), 5);
    let run = || {
        let norm = Norm {
            gamma: &gamma,
            beta: &beta,
            epsilon: EPSILON,
            residual: None,
            rectify: true,
        };
        let found = layer::forward_train(&g, &input, &weight, norm);
        let saved = Saved {
            input: &input,
            weight: &weight,
            gamma: &gamma,
            epsilon: EPSILON,
            convolved: &found.convolved,
            mean: &found.mean,
            variance: &found.variance,
            output: Some(&found.output),
        };
        let grads = gradient::backward(&g, saved, &gradient, [true, true]);
        let all = [found.output, found.mean, found.variance, grads.weight];
        (all, grads.input, grads.gamma, grads.beta, grads.residual)
    };
    let [one, many] = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(run)
    });
    assert!(one == many);
}

#[test]
fn neither_threads_nor_strips_change_a_bit_of_a_forward_pass() {
    let shapes = [(3, 1, [40, 26]), (3, 1, [34, 19]), (3, 2, [96, 64])];
    // Threads share five samples, and the strips of one.
    for ((kernel, stride, size), batch) in shapes.into_iter().flat_map(|s| [(s, 5), (s, 1)]) {
        let g = Geometry {
            inputs: 7,
            outputs: 9,
            size,
            kernel,
            stride,
        };
        let input = noise(batch * g.inputs * g.input_plane(), 1);
        let weight = noise(g.outputs * g.taps(), 2);
        let (scale, shift) = (noise(g.outputs, 3), noise(g.outputs, 4));
        let tail = Tail {
            scale: &scale,
            shift: &shift,
            residual: None,
            rectify: true,
        };
        let [one, many] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let run = || infer::forward(&g, &input, &weight, tail);
            pool.build().unwrap().install(run)
        });
        assert!(one == many, "{g:?}");
        // Rows of the input that end where a strip would not: what lies above is the same.
        let rows = size[0] / 2;
        let rows = rows - rows % 2;
        let half = Geometry {
            size: [rows, size[1]],
            ..g
        };
        let upper: Vec<f32> = input
            .chunks_exact(g.input_plane())
            .flat_map(|plane| &plane[..half.input_plane()])
            .copied()
            .collect();
        let upper = infer::forward(&half, &upper, &weight, tail);
        let planes = upper.chunks_exact(half.output_plane());
        for (half_plane, plane) in planes.zip(one.chunks_exact(g.output_plane())) {
            let same = half_plane.len() - half.output_size()[1];
            assert!(half_plane[..same] == plane[..same], "{g:?}");
        }
    }
}
