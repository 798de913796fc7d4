#!/usr/bin/env bash
# `veraray scan` of a folder of images on the CPU and on a hardware GPU of the same machine: seconds of
# the whole process, and how far the logits of the two are apart. Every image is scanned once on each,
# then COPIES times (by hard links), so that the start-up can be told from the rate.
# Usage: benches/gpu.sh VERARAY IMAGES COPIES > benches/results/gpu.txt
set -euo pipefail
veraray=$(realpath "${1:?usage: benches/gpu.sh VERARAY IMAGES COPIES}")
images=$(realpath "${2:?usage: benches/gpu.sh VERARAY IMAGES COPIES}")
copies=${3:?usage: benches/gpu.sh VERARAY IMAGES COPIES}
work=$(mktemp -d "$images.XXXXXX")
trap 'rm -rf "$work"' EXIT
for ((copy = 1; copy <= copies; copy++)); do
    mkdir -p "$work/images/$copy"
    cp -l "$images"/* "$work/images/$copy/"
done

"$veraray" --version
nvidia-smi -L | sed 's/ (UUID.*//' || true
grep -m 1 'model name' /proc/cpuinfo
echo "cores: $(nproc)"
for folder in images/1 images; do
    for device in cpu gpu; do
        for run in 1 2 3; do
            rm -f "$work/$device.jsonl"
            "$veraray" scan "$work/$folder" --device "$device" --format jsonl --output "$work/$device.jsonl" \
                2> "$work/said" || [ $? = 1 ]
            echo "$device, $([ $folder = images ] && echo "$copies copies" || echo "1 copy"), run $run: $(tail -n 1 "$work/said")"
        done
        grep 'device gpu' "$work/said" || true
    done
    python3 - "$work/cpu.jsonl" "$work/gpu.jsonl" <<'PY'
import json
import sys

sets = [{row["path"]: row["logit"] for row in map(json.loads, open(path))} for path in sys.argv[1:]]
assert sets[0].keys() == sets[1].keys()
apart = sorted(abs(sets[0][key] - sets[1][key]) for key in sets[0] if sets[0][key] is not None)
print(f"logits of {len(apart)} images: median difference {apart[len(apart) // 2]:.1e}, largest {apart[-1]:.1e}")
PY
done
