#!/usr/bin/env bash
# How many regions copied within an image `veraray inspect` finds, and how often it is wrong on the
# untouched originals beside them. Held-out patients; forgeries by the family copy_move.
# Usage: benches/copy_move.sh MANIFEST
# Writes benches/results/copy_move.md. Some five minutes on two cores.
set -euo pipefail
manifest=$(realpath "${1:?usage: benches/copy_move.sh MANIFEST}")
cd "$(dirname "$0")/.."
python=${VERARAY_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/veraray/venv/bin/python}
out=benches/results/copy_move.md
cargo build --release --workspace --locked --bins
release=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$release/veraray-train" --quiet forge sample copy_move --data "$manifest" --sets aligned256,native \
    --split test --aligned --output "$work/forged" > /dev/null
# The images alone, without their masks. 1 says that something was found.
"$python" -c '
import csv, sys
for row in csv.DictReader(open(sys.argv[1] + "/manifest.csv")):
    print(sys.argv[1], row["path"], sep="/")
' "$work/forged" > "$work/list"
"$release/veraray" inspect - --format jsonl --quiet < "$work/list" > "$work/found.jsonl" || [ $? -eq 1 ]
{
    benches/machine.sh | sed 's/^/    /'
    echo
    "$python" - "$work" <<'PY'
import collections
import csv
import json
import pathlib
import sys

work = pathlib.Path(sys.argv[1])
rows = {row["path"]: row for row in csv.DictReader((work / "forged/manifest.csv").open())}
found, counts = collections.Counter(), collections.Counter()
for line in (work / "found.jsonl").open():
    record = json.loads(line)
    row = rows[str(pathlib.Path(record["path"]).relative_to(work / "forged"))]
    kind = "untouched"
    if row["label"] != "real":
        how = json.loads(row["parameters"])
        kind = "turned or scaled" if how["kernel"] != "none" else "mirrored" if how["mirrored"] else "moved"
    key = (kind, row["set"])
    counts[key] += 1
    found[key] += any(finding["code"] == "image.copy_move" for finding in record["findings"])
print("| region | set | images | `image.copy_move` |")
print("|---|---|---|---|")
for kind in ("moved", "mirrored", "turned or scaled", "untouched"):
    for name in sorted({name for _, name in counts}):
        key = (kind, name)
        print(f"| {kind} | {name} | {counts[key]} | {found[key]} |")
PY
} > "$out"
cat "$out"
