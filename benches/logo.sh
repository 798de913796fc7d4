#!/usr/bin/env bash
# Leaves generators out: every family judged by a detector that never saw it. Usage: benches/logo.sh MANIFEST
# Four runs, each of which leaves out a quarter of the families of recipes/default.toml and trains for
# eight epochs from random weights: some 50 minutes on two quiet cores. The committed table is of the manifest that
# recipes/forgeries.sh makes, so that two inpainting generators are in it, and in different folds.
# Finished runs under runs/ are not repeated.
# Writes benches/results/logo/{logo.md,logo.json,machine.txt}.
set -euo pipefail
cd "$(dirname "$0")/.."
manifest=${1:?usage: benches/logo.sh MANIFEST}
out=benches/results/logo
mkdir -p "$out"
cargo build --release --workspace --locked --bins
benches/machine.sh > "$out/machine.txt"
"${CARGO_TARGET_DIR:-target}/release/veraray-train" logo recipes/default.toml --manifest "$manifest" \
    --folds 4 --epochs 8 --device cpu
cp runs/default/logo/logo.md "$out/"
# Curves are long, and in the tables as far as they are read.
python3 -c '
import json, sys
table = json.load(open(sys.argv[1]))
for row in table["rows"]:
    for key in ("curves", "strata"):
        row["held_out"].pop(key, None)
json.dump(table, open(sys.argv[2], "w"), indent=1)
' runs/default/logo/logo.json "$out/logo.json"
