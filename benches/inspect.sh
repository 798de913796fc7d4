#!/usr/bin/env bash
# Counts what `veraray inspect` finds of seeded edits, and how often it is wrong on unedited files,
# beside dciodvfy. Usage: benches/inspect.sh [AUTHENTIC_DIR]
#
# Needs DCMTK and dicom3tools (Debian) and the Python environment of scripts/test.sh. AUTHENTIC_DIR:
# images that nobody edited, below which false alarms of the trace detectors are counted by folder.
# Writes benches/results/inspect/{report.md,edits.csv,unedited.csv,machine.txt}.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${VERARAY_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/veraray/venv/bin/python}
out=benches/results/inspect
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
cargo build --release --workspace --locked
benches/machine.sh > "$out/machine.txt"
"$python" benches/inspect_edits.py "$work"
"$python" benches/inspect_table.py "${CARGO_TARGET_DIR:-target}/release/veraray" "$work" "$out" "$@"
