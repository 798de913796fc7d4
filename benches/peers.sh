#!/usr/bin/env bash
# The CPU's speed beside what one would otherwise use, in one run on one set of images:
#   forward.txt, .json   the network's forward pass beside ONNX Runtime's on the same graph and tiles
#   pipeline.txt, .json  `veraray scan` beside a pipeline of pydicom, Pillow and PyTorch, whole processes
# Writes benches/results/peers/. Takes about five minutes, after building and, the first time, installing
# the peers (benches/peers/install.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
out=benches/results/peers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(benches/peers/install.sh)
cargo build --release --workspace --locked --bins --example forward
bin=${CARGO_TARGET_DIR:-target}/release
mkdir -p "$out"
"$python" benches/make_images.py "$work/images"
for format in onnx safetensors; do
    "$bin/veraray-train" export infer/assets/default.vrc --format "$format" \
        --output "$work/detector.$format"
done
{
    benches/machine.sh
    "$python" benches/peers/forward_onnx.py "$work/detector.onnx" "$bin/examples/forward" \
        infer/assets/default.vrc "$work/images/png256" --json "$out/forward.json"
} | tee "$out/forward.txt"
{
    benches/machine.sh
    "$python" benches/peers/compare_pipelines.py "$bin/veraray" "$work/detector.safetensors" \
        "$work/images" --json "$out/pipeline.json"
} | tee "$out/pipeline.txt"
