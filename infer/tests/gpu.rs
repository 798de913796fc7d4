//! The GPU says what the CPU says. Needs a Vulkan driver; software will do:
//! `cargo test --release -p veraray-infer --test gpu -- --ignored`.
#![allow(missing_docs)]

mod common;

use common::{Bench, names, records, stderr, veraray};

#[test]
#[ignore = "needs a Vulkan driver, and a minute of shader compiling on a software one"]
fn gpu_agrees_with_cpu() {
    let bench = Bench::passing();
    for (name, rows, columns) in [
        ("a.png", 256, 256),
        ("b.png", 160, 130),
        ("c.png", 300, 700),
        ("d.png", 256, 256),
    ] {
        bench.png(name, rows, columns);
    }
    bench.write("e.png", b"");
    let scan = |device: &str| {
        // The embedded checkpoint: what users run.
        let output = veraray()
            .args(["scan", "--device", device])
            .arg(bench.input())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        records(&output)
    };
    let (cpu, gpu) = (scan("cpu"), scan("gpu"));
    assert_eq!(names(&cpu), names(&gpu));
    assert!(gpu[0]["device"].as_str().unwrap().starts_with("gpu"));
    for (cpu, gpu) in cpu.iter().zip(&gpu).take(4) {
        let logit = |record: &serde_json::Value| record["logit"].as_f64().unwrap();
        let difference = (logit(cpu) - logit(gpu)).abs();
        assert!(difference < 1e-3, "{}: {difference}", cpu["path"]);
    }
    assert_eq!(gpu[4]["error"]["kind"], "empty");
}
