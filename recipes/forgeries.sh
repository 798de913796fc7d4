#!/usr/bin/env bash
# Fits an inpainting generator on a manifest's authentic training images, forges its images with it, and
# joins everything into one manifest to train a detector on (fit --manifest OUT/all.csv). The default was
# not: see run 11 of benches/results/experiments.md.
# Usage: recipes/forgeries.sh MANIFEST OUT
#   MANIFEST  authentic images, with the set aligned256
#   OUT       folder to write: runs/, forged/, all.csv. Started again, it goes on where it stopped.
# About a quarter of an hour on two cores. The images made carry the licences of those they were made from.
set -euo pipefail
manifest=$(realpath "${1:?usage: recipes/forgeries.sh MANIFEST OUT}")
out=${2:?usage: recipes/forgeries.sh MANIFEST OUT}
mkdir -p "$out"
out=$(realpath "$out")
cd "$(dirname "$0")/.."
cargo build --release --workspace --locked --bins
train=$(realpath "${CARGO_TARGET_DIR:-target}/release/veraray-train")
cd "$out"

resume=()
[ -d runs/inpaint ] && resume=(--resume)
"$train" forge fit inpaint --data "$manifest" --sets aligned256 --size 64 --width 16 --batch 8 --steps 2500 "${resume[@]}"
if [ ! -f forged/inpaint/manifest.csv ]; then
    rm -rf forged/inpaint
    "$train" forge sample inpaint --model runs/inpaint/generator.vfg --data "$manifest" --split all -n 1800 --output forged/inpaint ||
        # Status 2 when single images could not be forged, such as colour ones; the others were written.
        [ $? = 2 ]
fi
"$train" data join "$manifest" forged/inpaint/manifest.csv --output all.csv
