#!/usr/bin/env bash
# How the default checkpoint holds when images change on their way to it, at a threshold fixed beforehand.
# Usage: benches/robustness.sh MANIFEST
# Held-out patients; the families that the detector tells at all (the others are at chance, changed or
# not). Writes benches/results/robustness/{robustness.json,robustness.md,machine.txt,*.svg}.
set -euo pipefail
cd "$(dirname "$0")/.."
manifest=${1:?usage: benches/robustness.sh MANIFEST}
out=benches/results/robustness
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
cargo build --release --workspace --locked --bins
benches/machine.sh > "$out/machine.txt"
"${CARGO_TARGET_DIR:-target}/release/veraray-train" robustness infer/assets/default.vrc "$manifest" \
    --families inpaint_gan,kl_autoencoder,latent_diffusion,pixel_flow,vq_autoencoder,spectral,reconstruct,denoise_grain \
    --max-fpr 0.01 --device cpu --output "$work"
cp "$work"/robustness.json "$work"/robustness.md "$work"/*.svg "$out/"
