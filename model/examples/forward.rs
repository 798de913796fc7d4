//! Forward passes of a checkpoint's detector on given tiles, timed on demand: what
//! `benches/peers/forward_onnx.py` puts beside ONNX Runtime.
//!
//! `forward CHECKPOINT TILES`; TILES holds tiles of 256×256 little-endian floats. Every line on standard
//! input is a command, answered by one line of JSON:
//! - `logits`: those of all tiles.
//! - `time BATCH WORKERS THREADS SECONDS`: WORKERS passes of BATCH tiles side by side, each on a pool
//!   of THREADS, over and over.
#![allow(clippy::print_stdout)] // Figures are all it is for.

use std::error::Error;
use std::io::{Write as _, stdin, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use rayon::ThreadPoolBuilder;
use veraray_model::{Checkpoint, Detector};

/// Side of a tile.
const SIDE: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(checkpoint), Some(tiles), None) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: forward CHECKPOINT TILES".into());
    };
    let device = Device::flex();
    let detector = Checkpoint::load(Path::new(&checkpoint), &device)?.detector;
    let bytes = std::fs::read(&tiles).map_err(|error| format!("{tiles}: {error}"))?;
    let tiles: Vec<f32> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .copied()
        .map(f32::from_le_bytes)
        .collect();
    for line in stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["logits"] => {
                let count = tiles.len() / (SIDE * SIDE);
                format!("{:?}", logits(&detector, &batch(&tiles, count, &device)?)?)
            }
            ["time", size, workers, threads, seconds] => {
                let pixels = batch(&tiles, size.parse()?, &device)?;
                let span = Duration::try_from_secs_f64(seconds.parse()?)?;
                let [workers, threads] = [workers.parse()?, threads.parse()?];
                let times = time(&detector, &pixels, [workers, threads], span)?;
                format!("{times:?}")
            }
            _ => return Err(format!("no such command: {line}").into()),
        };
        println!("{answer}");
        stdout().flush()?;
    }
    Ok(())
}

/// The first tiles as a batch.
fn batch(tiles: &[f32], count: usize, device: &Device) -> Result<Tensor<4>, Box<dyn Error>> {
    let pixels = tiles.get(..count * SIDE * SIDE).ok_or("too few tiles")?;
    let shape = [count, 1, SIDE, SIDE];
    Ok(Tensor::from_data(
        TensorData::new(pixels.to_vec(), shape),
        device,
    ))
}

fn logits(detector: &Detector, pixels: &Tensor<4>) -> Result<Vec<f32>, String> {
    let logits = detector.forward(pixels.clone()).logits;
    let data = logits.try_into_data().map_err(|error| error.to_string())?;
    data.try_into_vec().map_err(|error| error.to_string())
}

/// Seconds of every pass of every worker, after one to warm up.
fn time(
    detector: &Detector,
    pixels: &Tensor<4>,
    [workers, threads]: [usize; 2],
    span: Duration,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let pools = (0..workers)
        .map(|_| ThreadPoolBuilder::new().num_threads(threads).build())
        .collect::<Result<Vec<_>, _>>()?;
    let work = || -> Result<Vec<f64>, String> {
        logits(detector, pixels)?;
        let (begun, mut times) = (Instant::now(), Vec::new());
        while begun.elapsed() < span {
            let start = Instant::now();
            logits(detector, pixels)?;
            times.push(start.elapsed().as_secs_f64());
        }
        Ok(times)
    };
    let found: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = pools
            .iter()
            .map(|pool| scope.spawn(|| pool.install(work)))
            .collect();
        running.into_iter().map(|thread| thread.join()).collect()
    });
    let mut times = Vec::new();
    for worker in found {
        times.extend(worker.map_err(|_| "a worker panicked")??);
    }
    Ok(times)
}
