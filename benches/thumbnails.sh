#!/usr/bin/env bash
# How often authentic radiographs are flagged that were stored small and enlarged again: 120 of the
# validation split, reduced, stored as JPEG, and brought back to 256 pixels.
# Usage: benches/thumbnails.sh MANIFEST NAME=CHECKPOINT...
# Needs the virtual environment of scripts/test.sh. Writes benches/results/thumbnails.md.
set -euo pipefail
manifest=$(realpath "${1:?usage: benches/thumbnails.sh MANIFEST NAME=CHECKPOINT...}")
shift
cd "$(dirname "$0")/.."
python=${VERARAY_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/veraray/venv/bin/python}
out=benches/results/thumbnails.md
cargo build --release --workspace --locked --bins
release=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Joined with itself a manifest is as it was, with the split of every image.
"$release/veraray-train" data join "$manifest" "$manifest" --output "$work/split.csv" --quiet
"$python" - "$work" <<'PY'
import csv
import io
import pathlib
import random
import sys

from PIL import Image

work = pathlib.Path(sys.argv[1])
rows = [
    row
    for row in csv.DictReader((work / "split.csv").open())
    if (row["label"], row["set"], row["split"], row["modality"]) == ("real", "aligned256", "validation", "xray")
]
random.Random(1).shuffle(rows)
treatments = [(256, None), (256, 60), (180, 75), (128, 75), (98, None), (98, 90), (98, 60)]
for side, quality in treatments:
    folder = work / f"{side} pixels, {f'JPEG {quality}' if quality else 'no JPEG'}"
    folder.mkdir()
    for index, row in enumerate(rows[:120]):
        picture = Image.open(work / row["path"]).convert("L")
        if side != 256:
            picture = picture.resize((side, side), Image.Resampling.LANCZOS)
        if quality:
            stored = io.BytesIO()
            picture.save(stored, "JPEG", quality=quality)
            picture = Image.open(stored).convert("L")
        if side != 256:
            picture = picture.resize((256, 256), Image.Resampling.BICUBIC)
        picture.save(folder / f"{index}.png")
PY
{
    echo "120 authentic validation radiographs, reduced to a side, stored, and enlarged to 256 pixels: how many are flagged at"
    echo "1 % false alarms, and how many are not judged."
    echo
    echo "| checkpoint | stored as | flagged | not judged |"
    echo "|---|---|---|---|"
    for named in "$@"; do
        for folder in "$work"/*/; do
            # 1 says that something was flagged.
            "$release/veraray" scan "$folder" --checkpoint "${named#*=}" --device cpu --format jsonl \
                > "$work/scan.jsonl" 2> /dev/null || [ $? -eq 1 ]
            "$python" - "${named%%=*}" "$folder" "$work/scan.jsonl" <<'PY'
import json
import pathlib
import sys

records = [json.loads(line) for line in open(sys.argv[3])]
flagged = sum(record["verdict"] in ("synthetic", "tampered") for record in records)
withheld = sum(record["verdict"] == "abstain" for record in records)
shares = [f"{100 * count / len(records):.1f} %" for count in (flagged, withheld)]
print(f"| {sys.argv[1]} | {pathlib.Path(sys.argv[2]).name} | {' | '.join(shares)} |")
PY
        done
    done
} > "$out"
cat "$out"
