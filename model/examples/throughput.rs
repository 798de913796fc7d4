//! Tiles a second of the default detector on the CPU: forward passes and training steps.
//!
//! `cargo run --release -p veraray-model --example throughput [SECONDS]`; the number of threads is
//! RAYON_NUM_THREADS, or every core.
#![allow(clippy::print_stdout)] // Figures are all it is for.

use std::time::{Duration, Instant};

use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use veraray_model::{Detector, DetectorConfig, LossWeights};

/// Side of a tile.
const SIDE: usize = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(5.0), |text| text.parse())?;
    let span = Duration::try_from_secs_f64(seconds)?;
    let device = Device::flex();
    let detector = DetectorConfig::default().init(&device)?;
    for batch in [1, 16] {
        let pixels = noise(batch, &device);
        let rate = rate(span, batch, || {
            std::hint::black_box(detector.forward(pixels.clone()).logits.into_data());
        });
        println!("forward, batch {batch}: {rate:.1} tiles/s");
    }

    let device = device.autodiff();
    let mut detector = DetectorConfig::default().init(&device)?;
    let mut optimizer = AdamWConfig::new().init();
    let batch = 32;
    let pixels = noise(batch, &device);
    let cells = SIDE / Detector::CELL;
    let labels = Tensor::random([batch], Distribution::Bernoulli(0.5), &device);
    let masks = Tensor::random([batch, cells, cells], Distribution::Bernoulli(0.5), &device);
    let mut parts = [Duration::ZERO; 3];
    let mut steps = 0;
    let rate = rate(span, batch, || {
        let started = Instant::now();
        let found = detector.forward(pixels.clone());
        let weights = LossWeights::default();
        let loss = Detector::loss(&found, labels.clone(), masks.clone(), weights);
        let forward = started.elapsed();
        let gradients = GradientsParams::from_grads(loss.total.backward(), &detector);
        let backward = started.elapsed();
        detector = optimizer.step(1e-3, detector.clone(), gradients);
        let all = started.elapsed();
        for (part, time) in parts
            .iter_mut()
            .zip([forward, backward - forward, all - backward])
        {
            *part += time;
        }
        steps += 1;
    });
    println!("training, batch {batch}: {rate:.1} tiles/s");
    let [forward, backward, update] = parts.map(|part| part.as_secs_f64() * 1e3 / f64::from(steps));
    println!("  forward {forward:.0} ms, backward {backward:.0} ms, update {update:.0} ms a step");
    Ok(())
}

fn noise(batch: usize, device: &Device) -> Tensor<4> {
    Tensor::random(
        [batch, 1, SIDE, SIDE],
        Distribution::Uniform(0.0, 1.0),
        device,
    )
}

/// Tiles a second of `run`, which handles `batch` tiles, after one call to warm up.
fn rate(span: Duration, batch: usize, mut run: impl FnMut()) -> f64 {
    run();
    let started = Instant::now();
    let mut tiles = 0;
    while started.elapsed() < span {
        run();
        tiles += batch;
    }
    tiles as f64 / started.elapsed().as_secs_f64()
}
