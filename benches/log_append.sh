#!/usr/bin/env bash
# Entries per second that a transparency log takes on this machine's disk, by batch, and what the disk
# itself needs for one forced write. Writes benches/results/log_append.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
out=benches/results/log_append.txt
folder=${1:-.}
cargo build --release --locked -p veraray-provenance --example append_rate
rate=${CARGO_TARGET_DIR:-target}/release/examples/append_rate
{
    benches/machine.sh
    printf 'file system: %s\n' "$(df --output=fstype "$folder" | tail -n 1)"
    # One small file written and forced to disk, a hundred times.
    probe=$(mktemp -p "$folder")
    dd if=/dev/zero of="$probe" bs=4096 count=100 oflag=dsync 2>&1 | tail -n 1 | sed 's/^/100 forced writes of 4 KiB: /'
    rm "$probe"
    "$rate" "$folder"
} | tee "$out"
