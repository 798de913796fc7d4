//! Forward passes of the default architecture on the CPU:
//! `cargo bench --workspace --bench forward`.
#![allow(missing_docs)] // What the macros define.

use std::hint::black_box;

use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::ThreadPoolBuilder;
use veraray_model::DetectorConfig;

/// One and eight tiles, on one thread, as every worker of a scan runs them, and on all cores.
fn forward(criterion: &mut Criterion) {
    let device = Device::flex();
    let detector = DetectorConfig::default().init(&device).unwrap();
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    for (name, threads) in [("one thread", 1), ("all cores", cores)] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.unwrap();
        let mut group = criterion.benchmark_group(format!("forward, {name}"));
        for batch in [1, 8] {
            let noise = Distribution::Uniform(0.0, 1.0);
            let pixels = Tensor::<4>::random([batch, 1, 256, 256], noise, &device);
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(format!("{batch} tiles"), |bencher| {
                pool.install(|| {
                    bencher.iter(|| black_box(detector.forward(pixels.clone()).logits.into_data()));
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, forward);
criterion_main!(benches);
