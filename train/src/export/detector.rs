//! The detector as an ONNX graph: both branches, the fused head and the map.
//!
//! Batch normalisation is folded into the convolutions. Block DCTs are convolutions of stride eight
//! with the basis as kernels, so that no shape is fixed: batch, height and width stay free.

use veraray_model::Checkpoint;

use super::graph::{Builder, Setting};
use super::weights::{Weight, Weights, wrong};
use crate::TrainError;

/// Gain before the residuals are truncated to [-1, 1], as in the spatial branch.
const RESIDUAL_GAIN: f32 = 30.0;

/// Floor of a DCT coefficient's magnitude, as in the frequency branch.
const FLOOR: f32 = 2e-3;

/// Added to the variance of log magnitudes, as in the frequency branch.
const SPREAD_FLOOR: f32 = 1e-6;

/// Slope below zero of the features of normalised statistics, as in the frequency branch.
const SLOPE: f32 = 0.1;

/// Knots of the noise level function, what the tile's mean weighs at each, and the gain of what exceeds it,
/// as in the detector.
const KNOTS: usize = 17;
const PRIOR: f32 = 2.0;
const LEVEL_GAIN: f32 = 4.0;

/// Side of a DCT block.
const BLOCK: usize = 8;

/// Most stages that are looked for.
const STAGES: usize = 16;

/// The graph of a checkpoint's detector.
pub(super) fn graph(checkpoint: &Checkpoint) -> Result<Vec<u8>, TrainError> {
    let mut weights = Weights::of(checkpoint)?;
    let mut b = Builder::default();
    let pixels = b.input(
        "pixels",
        &["batch", "1", "height", "width"],
        "presentation grey in [0, 1]; height and width are multiples of 32",
    );
    let spatial = spatial(&mut b, &mut weights, &pixels)?;
    let (local, global, normalised) = frequency(&mut b, &mut weights, &pixels)?;
    let joined = b.node("Concat", &[&spatial, &local], &[("axis", Setting::One(1))]);
    let mut fused = conv_norm(&mut b, &mut weights, "fuse", &joined, 1)?;
    if let Some(statistics) = normalised {
        let mean = b.node("GlobalAveragePool", &[&spatial], &[]);
        let mean = b.node("Flatten", &[&mean], &[("axis", Setting::One(1))]);
        let whole = b.node(
            "Concat",
            &[&mean, &statistics],
            &[("axis", Setting::One(1))],
        );
        let weight = weights.take("context.weight")?;
        let weight = b.floats("context.weight", &weight);
        let said = b.node("MatMul", &[&whole, &weight], &[]);
        let axes = b.integers(&[2, 3]);
        let said = b.node("Unsqueeze", &[&said, &axes], &[]);
        fused = b.node("Add", &[&fused, &said], &[]);
    }
    let fused = b.node("Relu", &[&fused], &[]);
    let map = plain_conv(&mut b, &mut weights, "map", &fused)?;
    let channel = b.integers(&[1]);
    b.named("Squeeze", &[&map, &channel], &[], "map");
    let mean = b.node("GlobalAveragePool", &[&fused], &[]);
    let highest = b.node("GlobalMaxPool", &[&fused], &[]);
    let [mean, highest] =
        [mean, highest].map(|pooled| b.node("Flatten", &[&pooled], &[("axis", Setting::One(1))]));
    let features = b.node(
        "Concat",
        &[&mean, &highest, &global],
        &[("axis", Setting::One(1))],
    );
    let logit = linear(&mut b, &mut weights, "logit", &features)?;
    b.named("Squeeze", &[&logit, &channel], &[], "logits");
    b.output(
        "logits",
        &["batch"],
        "logit that a tile is synthetic or tampered",
    );
    b.output(
        "map",
        &["batch", "map_height", "map_width"],
        "the same by place, one cell for 16 by 16 pixels",
    );
    weights.finish()?;
    let card = serde_json::to_string(&checkpoint.card).unwrap_or_default();
    let sha256 = checkpoint.sha256.clone();
    Ok(b.into_bytes(
        &checkpoint.card.name,
        "Veraray detector. Research software, not a medical device. The card under the metadata key \
         veraray.card says what pixels must look like and how logits become scores.",
        &[("veraray.card", card), ("veraray.sha256", sha256)],
    ))
}

fn spatial(b: &mut Builder, weights: &mut Weights, pixels: &str) -> Result<String, TrainError> {
    #[rustfmt::skip]
    let kernels = vec![
        0.0, 0.0, 0.0,  0.0, -1.0, 1.0,  0.0, 0.0, 0.0,
        0.0, 0.0, 0.0,  0.0, -1.0, 0.0,  0.0, 1.0, 0.0,
        0.0, 0.0, 0.0,  0.0, -1.0, 0.0,  0.0, 0.0, 1.0,
        -0.25, 0.5, -0.25,  0.5, -1.0, 0.5,  -0.25, 0.5, -0.25,
    ];
    let kernels = b.floats(
        "residual.kernels",
        &Weight {
            shape: vec![4, 1, 3, 3],
            values: kernels,
        },
    );
    let residuals = b.node("Conv", &[pixels, &kernels], &convolution(3, 1));
    let (gain, least, most) = (b.scalar(RESIDUAL_GAIN), b.scalar(-1.0), b.scalar(1.0));
    let residuals = b.node("Mul", &[&residuals, &gain], &[]);
    let residuals = b.node("Clip", &[&residuals, &least, &most], &[]);
    let two = b.scalar(2.0);
    let doubled = b.node("Mul", &[pixels, &two], &[]);
    let centred = b.node("Sub", &[&doubled, &most], &[]);
    let joined = b.node(
        "Concat",
        &[&centred, &residuals],
        &[("axis", Setting::One(1))],
    );
    let stem = conv_norm(b, weights, "spatial.stem", &joined, 2)?;
    let mut x = b.node("Relu", &[&stem], &[]);
    for stage in 0..STAGES {
        let name = format!("spatial.stages.{stage}");
        if !weights.has(&format!("{name}.")) {
            break;
        }
        let reduced = conv_norm(b, weights, &format!("{name}.reduce"), &x, 2)?;
        let reduced = b.node("Relu", &[&reduced], &[]);
        let first = conv_norm(b, weights, &format!("{name}.first"), &reduced, 1)?;
        let first = b.node("Relu", &[&first], &[]);
        let second = conv_norm(b, weights, &format!("{name}.second"), &first, 1)?;
        let sum = b.node("Add", &[&second, &reduced], &[]);
        x = b.node("Relu", &[&sum], &[]);
    }
    Ok(x)
}

fn frequency(
    b: &mut Builder,
    weights: &mut Weights,
    pixels: &str,
) -> Result<(String, String, Option<String>), TrainError> {
    let basis = b.floats("dct.basis", &basis());
    let half = (BLOCK / 2) as i64;
    let (starts, ends, axes) = (
        b.integers(&[half, half]),
        b.integers(&[-half, -half]),
        b.integers(&[2, 3]),
    );
    let inner = b.node("Slice", &[pixels, &starts, &ends, &axes], &[]);
    let aligned = magnitudes(b, pixels, &basis);
    let shifted = magnitudes(b, &inner, &basis);
    let flat = b.integers(&[0, 0, -1]);
    let blocks = [&aligned, &shifted].map(|m| b.node("Reshape", &[m, &flat], &[]));
    let all = b.node(
        "Concat",
        &[&blocks[0], &blocks[1]],
        &[("axis", Setting::One(2))],
    );
    let last = [("axes", Setting::Many(&[2])), ("keepdims", Setting::One(1))];
    let mean = b.node("ReduceMean", &[&all], &last);
    let difference = b.node("Sub", &[&all, &mean], &[]);
    let square = b.node("Mul", &[&difference, &difference], &[]);
    let variance = b.node("ReduceMean", &[&square], &last);
    let floor = b.scalar(SPREAD_FLOOR);
    let variance = b.node("Add", &[&variance, &floor], &[]);
    let spread = b.node("Sqrt", &[&variance], &[]);
    let statistics = b.node("Concat", &[&mean, &spread], &[("axis", Setting::One(1))]);
    let statistics = b.node("Flatten", &[&statistics], &[("axis", Setting::One(1))]);
    let normalised = if weights.has("frequency.normal.") {
        let [gain, shift] = weights.normalisation("frequency.normal")?;
        let (gain, shift) = (
            b.floats("frequency.normal.gain", &gain),
            b.floats("frequency.normal.shift", &shift),
        );
        let scaled = b.node("Mul", &[&statistics, &gain], &[]);
        Some(b.node("Add", &[&scaled, &shift], &[]))
    } else {
        None
    };
    let global = linear(
        b,
        weights,
        "frequency.global",
        normalised.as_ref().unwrap_or(&statistics),
    )?;
    let global = match normalised {
        Some(_) => {
            let slope = b.scalar(SLOPE);
            let flatter = b.node("Mul", &[&global, &slope], &[]);
            b.node("Max", &[&global, &flatter], &[])
        }
        None => b.node("Relu", &[&global], &[]),
    };
    // Four blocks make one cell of the map.
    let two = [
        ("kernel_shape", Setting::Many(&[2, 2])),
        ("strides", Setting::Many(&[2, 2])),
    ];
    let cells = b.node("AveragePool", &[&aligned], &two);
    let local = conv_norm(b, weights, "frequency.local", &cells, 1)?;
    let mut local = b.node("Relu", &[&local], &[]);
    if weights.has("frequency.levels.") {
        let excess = excess(b, &cells, pixels);
        let levels = conv_norm(b, weights, "frequency.levels", &excess, 1)?;
        let levels = b.node("Relu", &[&levels], &[]);
        local = b.node("Concat", &[&local, &levels], &[("axis", Setting::One(1))]);
    }
    Ok((local, global, normalised))
}

/// What the log magnitudes of every place exceed the tile's noise level function by.
fn excess(b: &mut Builder, local: &str, pixels: &str) -> String {
    let side = 2 * BLOCK as i64;
    let cell = [
        ("kernel_shape", Setting::Many(&[side, side])),
        ("strides", Setting::Many(&[side, side])),
    ];
    let brightness = b.node("AveragePool", &[pixels], &cell);
    let (least, most) = (b.scalar(0.0), b.scalar(1.0));
    let brightness = b.node("Clip", &[&brightness, &least, &most], &[]);
    let column = b.integers(&[0, -1, 1]);
    let brightness = b.node("Reshape", &[&brightness, &column], &[]);
    let last = b.scalar((KNOTS - 1) as f32);
    let brightness = b.node("Mul", &[&brightness, &last], &[]);
    let knots = b.floats(
        "noise_level.knots",
        &Weight {
            shape: vec![1, 1, KNOTS],
            values: (0..KNOTS).map(|knot| knot as f32).collect(),
        },
    );
    let distance = b.node("Sub", &[&brightness, &knots], &[]);
    let distance = b.node("Abs", &[&distance], &[]);
    let weights = b.node("Sub", &[&most, &distance], &[]);
    let weights = b.node("Relu", &[&weights], &[]);
    let flat = b.integers(&[0, 0, -1]);
    let values = b.node("Reshape", &[local, &flat], &[]);
    let mean = b.node(
        "ReduceMean",
        &[&values],
        &[("axes", Setting::Many(&[2])), ("keepdims", Setting::One(1))],
    );
    let prior = b.scalar(PRIOR);
    let mean = b.node("Mul", &[&mean, &prior], &[]);
    let sums = b.node("MatMul", &[&values, &weights], &[]);
    let sums = b.node("Add", &[&sums, &mean], &[]);
    let places = b.integers(&[1]);
    let counts = b.node(
        "ReduceSum",
        &[&weights, &places],
        &[("keepdims", Setting::One(1))],
    );
    let counts = b.node("Add", &[&counts, &prior], &[]);
    let levels = b.node("Div", &[&sums, &counts], &[]);
    let turned = b.node(
        "Transpose",
        &[&weights],
        &[("perm", Setting::Many(&[0, 2, 1]))],
    );
    let usual = b.node("MatMul", &[&levels, &turned], &[]);
    let excess = b.node("Sub", &[&values, &usual], &[]);
    let gain = b.scalar(LEVEL_GAIN);
    let excess = b.node("Mul", &[&excess, &gain], &[]);
    let shape = b.node("Shape", &[local], &[]);
    b.node("Reshape", &[&excess, &shape], &[])
}

/// `0.5 * (ln(|c| + floor) + 4)` of the block DCT coefficients, one channel each.
fn magnitudes(b: &mut Builder, pixels: &str, basis: &str) -> String {
    let side = BLOCK as i64;
    let coefficients = b.node(
        "Conv",
        &[pixels, basis],
        &[
            ("kernel_shape", Setting::Many(&[side, side])),
            ("strides", Setting::Many(&[side, side])),
        ],
    );
    let (floor, four, half) = (b.scalar(FLOOR), b.scalar(4.0), b.scalar(0.5));
    let size = b.node("Abs", &[&coefficients], &[]);
    let size = b.node("Add", &[&size, &floor], &[]);
    let log = b.node("Log", &[&size], &[]);
    let log = b.node("Add", &[&log, &four], &[]);
    b.node("Mul", &[&log, &half], &[])
}

/// The orthonormal two-dimensional DCT-II as kernels, coefficients in raster order.
fn basis() -> Weight {
    let n = BLOCK as f64;
    let wave = |frequency: usize, position: usize| {
        let share: f64 = if frequency == 0 { 1.0 / n } else { 2.0 / n };
        let scale = share.sqrt();
        let angle =
            std::f64::consts::PI * (2.0 * position as f64 + 1.0) * frequency as f64 / (2.0 * n);
        scale * angle.cos()
    };
    let mut values = Vec::with_capacity(BLOCK.pow(4));
    for coefficient in 0..BLOCK * BLOCK {
        for pixel in 0..BLOCK * BLOCK {
            let (v, u) = (coefficient / BLOCK, coefficient % BLOCK);
            let (y, x) = (pixel / BLOCK, pixel % BLOCK);
            values.push((wave(v, y) * wave(u, x)) as f32);
        }
    }
    Weight {
        shape: vec![BLOCK * BLOCK, 1, BLOCK, BLOCK],
        values,
    }
}

fn convolution(kernel: i64, stride: i64) -> [(&'static str, Setting<'static>); 3] {
    const ONES: &[i64] = &[1, 1];
    const TWOS: &[i64] = &[2, 2];
    const THREES: &[i64] = &[3, 3];
    const NO_PADS: &[i64] = &[0, 0, 0, 0];
    const PADS: &[i64] = &[1, 1, 1, 1];
    let (shape, pads) = match kernel {
        1 => (ONES, NO_PADS),
        _ => (THREES, PADS),
    };
    [
        ("kernel_shape", Setting::Many(shape)),
        ("pads", Setting::Many(pads)),
        (
            "strides",
            Setting::Many(if stride == 2 { TWOS } else { ONES }),
        ),
    ]
}

fn conv_norm(
    b: &mut Builder,
    weights: &mut Weights,
    name: &str,
    input: &str,
    stride: i64,
) -> Result<String, TrainError> {
    let [kernel, bias] = weights.folded(name)?;
    let side = match kernel.shape.as_slice() {
        [_, _, 1, 1] => 1,
        [_, _, 3, 3] => 3,
        other => return Err(wrong(&format!("{name} has a kernel of shape {other:?}"))),
    };
    let kernel = b.floats(&format!("{name}.weight"), &kernel);
    let bias = b.floats(&format!("{name}.bias"), &bias);
    Ok(b.node("Conv", &[input, &kernel, &bias], &convolution(side, stride)))
}

fn plain_conv(
    b: &mut Builder,
    weights: &mut Weights,
    name: &str,
    input: &str,
) -> Result<String, TrainError> {
    let [kernel, bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
    let (k, c) = (weights.take(&kernel)?, weights.take(&bias)?);
    let (kernel, bias) = (b.floats(&kernel, &k), b.floats(&bias, &c));
    Ok(b.node("Conv", &[input, &kernel, &bias], &convolution(1, 1)))
}

/// Burn keeps a linear layer's weight as inputs by outputs, which is what `Gemm` takes.
fn linear(
    b: &mut Builder,
    weights: &mut Weights,
    name: &str,
    input: &str,
) -> Result<String, TrainError> {
    let [weight, bias] = ["weight", "bias"].map(|part| format!("{name}.{part}"));
    let (w, c) = (weights.take(&weight)?, weights.take(&bias)?);
    let (weight, bias) = (b.floats(&weight, &w), b.floats(&bias, &c));
    Ok(b.node("Gemm", &[input, &weight, &bias], &[]))
}
