#!/usr/bin/env bash
# Images per second of `veraray scan` on the CPU: 256x256 and 1024x1024 PNG, 512x512 DICOM, with one
# worker and with as many as there are cores, three runs each, whole process.
# Writes benches/results/throughput.txt. Needs the virtual environment of scripts/test.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${VERARAY_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/veraray/venv/bin/python}
out=benches/results/throughput.txt
images=$(mktemp -d)
trap 'rm -rf "$images"' EXIT
cargo build --release --workspace --locked --bins
veraray=${CARGO_TARGET_DIR:-target}/release/veraray
"$python" benches/make_images.py "$images"
{
    benches/machine.sh
    for jobs in 1 "$(nproc)"; do
        for kind in png256 png1024 dicom512; do
            for run in 1 2 3; do
                start=$(date +%s.%N)
                /usr/bin/time -f '%U %S %M' -o "$images/time" \
                    "$veraray" scan --quiet --device cpu --jobs "$jobs" --format jsonl \
                    --output "$images/records.jsonl" "$images/$kind" || [ $? = 1 ]
                end=$(date +%s.%N)
                read -r user system memory < <(tail -n 1 "$images/time")
                count=$(wc -l < "$images/records.jsonl")
                rm "$images/records.jsonl"
                awk -v k="$kind" -v j="$jobs" -v r="$run" -v n="$count" -v w="$(echo "$end - $start" | bc)" \
                    -v u="$user" -v s="$system" -v m="$memory" 'BEGIN {
                    printf "%s jobs %d run %d: %d images in %.2f s, %.1f images/s, %.2f cores busy, %d MiB\n",
                        k, j, r, n, w, n / w, (u + s) / w, m / 1024 }'
            done
        done
    done
} | tee "$out"
