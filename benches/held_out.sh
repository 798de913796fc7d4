#!/usr/bin/env bash
# Measures the default checkpoint on the groups its recipe held out, beside null models.
# Usage: benches/held_out.sh MANIFEST
# Writes benches/results/held_out/{report.json,report.md,machine.txt}.
set -euo pipefail
cd "$(dirname "$0")/.."
manifest=${1:?usage: benches/held_out.sh MANIFEST}
out=benches/results/held_out
mkdir -p "$out"
cargo build --release --workspace --locked
benches/machine.sh > "$out/machine.txt"
"${CARGO_TARGET_DIR:-target}/release/veraray-train" evaluate infer/assets/default.vrc "$manifest" \
    --split test --sets aligned256 --max-fpr 0.01 --device cpu --output "$out"
