#!/usr/bin/env bash
# Measures the default checkpoint on generator families and sites it was never trained on, files as
# their makers published them. The classes differ in size and format: read the null models first.
# Usage: benches/external.sh MANIFEST
# Writes benches/results/external/{report.json,report.md,machine.txt}.
set -euo pipefail
cd "$(dirname "$0")/.."
manifest=${1:?usage: benches/external.sh MANIFEST}
out=benches/results/external
mkdir -p "$out"
cargo build --release --workspace --locked
benches/machine.sh > "$out/machine.txt"
"${CARGO_TARGET_DIR:-target}/release/veraray-train" evaluate infer/assets/default.vrc "$manifest" \
    --split all --sets external --max-fpr 0.01 --device cpu --output "$out"
