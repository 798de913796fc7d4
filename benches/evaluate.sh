#!/usr/bin/env bash
# Measures the default checkpoint beside null models. Usage: benches/evaluate.sh WHAT MANIFEST
#   held_out             groups that its recipe held out
#   external             families and sites it was never trained on, files as their makers published
#                        them: the classes differ in size and format, so read the null models first
#   external_harmonised  the same, every image brought to one field, resolution, size and codec
# Writes benches/results/WHAT/{report.json,report.md,machine.txt}. The page with pictures and the scores
# by image stay outside: they show patients.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?usage: benches/evaluate.sh held_out|external|external_harmonised MANIFEST}
manifest=${2:?usage: benches/evaluate.sh WHAT MANIFEST}
case $what in
    held_out) selection=(--split test) ;;
    external | external_harmonised) selection=(--split all --sets external) ;;
    *) echo "benches/evaluate.sh: nothing is called $what" >&2; exit 2 ;;
esac
out=benches/results/$what
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
cargo build --release --workspace --locked --bins
train=${CARGO_TARGET_DIR:-target}/release/veraray-train
benches/machine.sh > "$out/machine.txt"
if [ "$what" = external_harmonised ]; then
    "$train" data harmonise "$manifest" --sets external --side 256 --output "$work/images"
    manifest=$work/images/manifest.csv
fi
"$train" evaluate infer/assets/default.vrc "$manifest" "${selection[@]}" --max-fpr 0.01 \
    --device cpu --output "$work/report"
cp "$work/report/report.md" "$out/"
# Curves and strata are long, and in the tables as far as they are read.
python3 -c '
import json, sys
report = json.load(open(sys.argv[1]))
for key in ("curves", "strata", "worst"):
    report.pop(key, None)
json.dump(report, open(sys.argv[2], "w"), indent=1)
' "$work/report/report.json" "$out/report.json"
