#!/usr/bin/env bash
# How often different patients are called near-duplicates, and how often copies are found, on the
# images of a data folder with a manifest.csv. Usage: benches/near_duplicates.sh DATA
# Writes benches/results/near_duplicates.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
export VERARAY_SHARED_DATA=${1:?usage: benches/near_duplicates.sh DATA}
out=benches/results/near_duplicates.txt
{
    benches/machine.sh
    cargo test --release --workspace --locked --test near_duplicates -- --nocapture 2>/dev/null |
        sed -n '/^pairs of different/,/^test patients/p' | grep -v '^test '
} | tee "$out"
