#!/usr/bin/env bash
# Measures the training-free forgeries: kernel and spectrum distances to held-out authentic images,
# beside those of a manifest's own fakes; time per image; a picture of every family.
# Usage: benches/forge.sh MANIFEST SET IMAGE...
#   MANIFEST SET  authentic images and fakes of one set of a manifest
#   IMAGE...      images of one size to draw the picture from; it is committed, so take free ones
# Writes benches/results/forge/{quality.md,time.txt,families.png,machine.txt}.
set -euo pipefail
cd "$(dirname "$0")/.."
manifest=${1:?usage: benches/forge.sh MANIFEST SET IMAGE...}
set_name=${2:?usage: benches/forge.sh MANIFEST SET IMAGE...}
shift 2
out=benches/results/forge
mkdir -p "$out"
cargo build --release -p veraray-datasets --locked --examples
programs=${CARGO_TARGET_DIR:-target}/release/examples
benches/machine.sh > "$out/machine.txt"
"$programs/forge_quality" "$manifest" "$set_name" > "$out/quality.md"
"$programs/forge_grid" "$out/families.png" "$@" 2> "$out/time.txt"
