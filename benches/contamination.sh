#!/usr/bin/env bash
# Do the intervals of `veraray audit` cover? Simulated archives with 0, 1, 5 and 20 % manipulated
# images; see infer/examples/contamination.rs for what is drawn. REPETITIONS [1000] takes about two
# minutes of one core for each of the three settings.
set -euo pipefail
cd "$(dirname "$0")/.."
repetitions=${1:-1000}
out=benches/results/contamination
mkdir -p "$out"
cargo build --release --workspace --locked --examples
simulate=${CARGO_TARGET_DIR:-target}/release/examples/contamination
run() { "$simulate" "$repetitions" "$2" "$3" >"$out/$1.csv" 2>"$out/$1.md"; cat "$out/$1.md"; }
run archive_spread_1.0 1.0 archive
run archive_spread_1.4 1.4 archive
run population_spread_1.0 1.0 population
