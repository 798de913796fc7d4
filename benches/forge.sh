#!/usr/bin/env bash
# Measures the training-free forgeries: kernel and spectrum distances to held-out authentic images,
# beside those of a manifest's own fakes; time per image; a picture of every family.
# Usage: benches/forge.sh MANIFEST SET IMAGE...
#   MANIFEST SET  authentic images and fakes of one set of a manifest
#   IMAGE...      images of one size to draw the picture from; it is committed, so take free ones
# MOST=50 measures fewer images than 200 per family and modality.
# FORGED='a/manifest.csv b/manifest.csv' measures what `forge sample` made with trained families beside them.
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
{
    echo "Distances to authentic images of other patients, the first ${MOST:-200} of each row and modality in the"
    echo "manifest's order. The row of authentic images is the floor: what other patients, and another mixture of"
    echo "sources, differ by. The kernel distance compares with itself alone (datasets/src/forge/quality.rs)."
    echo
    # shellcheck disable=SC2086 # several manifests
    "$programs/forge_quality" "$manifest" "$set_name" "${MOST:-200}" ${FORGED:-}
} > "$out/quality.md"
"$programs/forge_grid" "$out/families.png" "$@" 2> "$out/time.txt"
