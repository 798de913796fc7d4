#!/usr/bin/env bash
# Times the README's first command, and then the CPU-only build, from a fresh clone with an empty
# target folder. Crates are downloaded beforehand, so that no network is timed. Prints the results;
# benches/results/cold_build.txt was put together by hand from the output of the same two commands,
# before this script was written.
set -euo pipefail
cd "$(dirname "$0")/.."
clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
benches/machine.sh
git clone --quiet . "$clone"
cd "$clone"
unset CARGO_TARGET_DIR
cargo fetch --locked --quiet
time cargo run --release --locked -- scan samples/ || [ $? = 1 ]
time cargo build --release --locked -p veraray-infer --no-default-features --features cpu
ls -l target/release/veraray
