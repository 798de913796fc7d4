#!/usr/bin/env bash
# Packing and reading packs: rate and peak memory for 2,000 and 20,000 small images, and the rate at
# which 256x256 images are read back, checked and decoded, whole process, three runs each.
# Writes benches/results/pack.txt. Needs the virtual environment of scripts/test.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${VERARAY_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/veraray/venv/bin/python}
out=benches/results/pack.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
train=${VERARAY_TRAIN:-${CARGO_TARGET_DIR:-target}/release/veraray-train}
"$python" - "$work" <<'PY'
import pathlib
import sys

import numpy as np
from PIL import Image

work = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(1)


def pictures(name, count, side):
    """Smooth structure with grain, which compresses like a radiograph."""
    folder = work / name
    folder.mkdir()
    y, x = np.mgrid[:side, :side] / side
    with open(work / f"{name}.csv", "w") as manifest:
        manifest.write("path,label,group\n")
        for index in range(count):
            a, b, c = rng.random(3) * 6
            wave = 110 + 60 * np.sin(a + 5 * x * b) * np.cos(c + 4 * y)
            pixels = wave + rng.normal(0, 2, (side, side))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{index}.png", compress_level=1)
            manifest.write(f"{name}/{index}.png,real,p{index // 4}\n")


pictures("small2k", 2000, 64)
pictures("small20k", 20000, 64)
pictures("full", 4000, 256)
PY
{
    benches/machine.sh
    echo "program: ${VERARAY_TRAIN_NOTE:-release build}"
    for set in small2k small20k full; do
        /usr/bin/time -f '%e s, peak memory %M KiB' -o "$work/time" \
            "$train" data pack --quiet "$work/$set.csv" --output "$work/$set.h5" --jobs 2
        printf 'pack %s: %s, files %s, %s KiB\n' "$set" "$(tail -n 1 "$work/time")" \
            "$(find "$work" -name "$set*.h5" | wc -l)" "$(cat "$work/$set"*.h5 | wc -c | awk '{print int($1 / 1024)}')"
    done
    for set in small20k full; do
        for run in 1 2 3; do
            RAYON_NUM_THREADS=2 /usr/bin/time -f '%e s, %U s user, peak memory %M KiB' -o "$work/time" \
                "$train" data pack --quiet --check "$work/$set.h5" | sed "s|$work/||; s/^/read run $run: /"
            printf 'whole process: %s\n' "$(tail -n 1 "$work/time")"
        done
    done
} | tee "$out"
