#!/usr/bin/env bash
# Fits every trained forgery family on a manifest's authentic training images at 64 pixels, and measures
# kernel and spectrum distances of what it makes to authentic images of other patients, beside those of
# the manifest's own fakes, all of them at 64 pixels.
# Usage: benches/forge_trained.sh MANIFEST SET RUNS
#   MANIFEST SET  authentic images, and fakes to compare with, of one set of a manifest
#   RUNS          folder of the runs; finished ones are not repeated, stopped ones go on
# Some 60 minutes on two cores. Needs the virtual environment of scripts/test.sh.
# Writes benches/results/forge/{trained.md,trained_fits.txt,trained_*.png}; pictures of the families that
# invent alone, because the others show the manifest's images.
set -euo pipefail
manifest=$(realpath "${1:?usage: benches/forge_trained.sh MANIFEST SET RUNS}")
set_name=${2:?usage: benches/forge_trained.sh MANIFEST SET RUNS}
mkdir -p "${3:?usage: benches/forge_trained.sh MANIFEST SET RUNS}"
runs=$(realpath "$3")
cd "$(dirname "$0")/.."
python=${VERARAY_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/veraray/venv/bin/python}
out=benches/results/forge
mkdir -p "$out"
cargo build --release --workspace --locked --bins --examples
release=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fit() {
    [ -f "$runs/$1/quality.json" ] && return
    local resume=()
    [ -d "$runs/$1" ] && resume=(--resume)
    "$release/veraray-train" forge fit "$1" --data "$manifest" --sets "$set_name" --runs "$runs" \
        --size 64 --batch 8 "${@:2}" "${resume[@]}" --quiet
}
fit inpaint --width 16 --steps 2500
fit kl_autoencoder --width 16 --depth 2 --steps 2500
fit vq_autoencoder --width 16 --depth 2 --steps 1500
fit gan --width 16 --steps 3000
fit pixel_flow --width 16 --steps 1500
fit latent_diffusion --width 32 --steps 2000 --autoencoder "$runs/kl_autoencoder/generator.vfg"

# The set at 64 pixels, with the splits that the fits had.
"$python" - "$manifest" "$set_name" "$work" <<'PY'
import csv
import pathlib
import sys

from PIL import Image

manifest, name, work = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
rows = [row for row in csv.DictReader(manifest.open()) if row["set"] == name]
(work / "images").mkdir()
with open(work / "small.csv", "w", newline="") as file:
    table = csv.DictWriter(file, [key for key in rows[0] if key not in ("mask", "sha256")], extrasaction="ignore")
    table.writeheader()
    for index, row in enumerate(rows):
        picture = Image.open(manifest.parent / row["path"]).convert("L")
        picture.resize((64, 64), Image.Resampling.LANCZOS).save(work / "images" / f"{index}.png")
        table.writerow({**row, "path": f"images/{index}.png"})
PY

forged=()
for family in inpaint kl_autoencoder vq_autoencoder gan pixel_flow latent_diffusion; do
    data=()
    case $family in inpaint | kl_autoencoder | vq_autoencoder) data=(--data "$work/small.csv") ;; esac
    "$release/veraray-train" forge sample "$family" --model "$runs/$family/generator.vfg" "${data[@]}" \
        -n 300 --output "$work/$family" --quiet
    forged+=("$work/$family/manifest.csv")
done
{
    echo "Distances to authentic images of other patients at 64 pixels, at most 200 of each row and modality. The row"
    echo "of authentic images is the floor. Rows marked (fitted) were made by the generators of trained_fits.txt; the kernel"
    echo "distance compares with itself alone (datasets/src/forge/quality.rs)."
    echo
    "$release/examples/forge_quality" "$work/small.csv" "$set_name" 200 "${forged[@]}"
} > "$out/trained.md"
{
    benches/machine.sh
    for family in inpaint kl_autoencoder vq_autoencoder gan pixel_flow latent_diffusion; do
        python3 - "$runs/$family" <<'PY'
import json
import pathlib
import sys

run = pathlib.Path(sys.argv[1])
steps = [json.loads(line) for line in (run / "log.jsonl").open()]
print(f"{run.name}: {len(steps)} steps, {sum(s['seconds'] for s in steps) / 60:.1f} minutes")
PY
    done
} > "$out/trained_fits.txt"
for family in gan pixel_flow latent_diffusion; do
    cp "$(find "$runs/$family" -name 'samples-*.png' | sort | tail -n 1)" "$out/trained_$family.png"
done
