#!/usr/bin/env bash
# Audits sets of a manifest for shortcuts as they lie and after harmonising.
# Usage: benches/data_audit.sh MANIFEST [SET...]     (default sets: external aligned256)
# Writes benches/results/data_audit/{SET,SET_harmonised}.{txt,tsv} and machine.txt; pages with pictures
# and harmonised images stay in $DATA_AUDIT_DIR (default: a temporary folder).
set -euo pipefail
cd "$(dirname "$0")/.."
manifest=${1:?usage: benches/data_audit.sh MANIFEST [SET...]}
shift
sets=("$@")
[ ${#sets[@]} -gt 0 ] || sets=(external aligned256)
out=benches/results/data_audit
work=${DATA_AUDIT_DIR:-$(mktemp -d)}
mkdir -p "$out" "$work"
[ -n "${NO_BUILD:-}" ] || cargo build --release --workspace --locked
train="${CARGO_TARGET_DIR:-target}/release/veraray-train"
benches/machine.sh > "$out/machine.txt"

# Table and exit status of an audit; its rows as a table of their own.
audit() { # NAME MANIFEST [OPTION...]
    local name=$1 status=0
    shift
    "$train" --quiet data audit "$@" --sample 0 --output "$work/$name" > "$out/$name.txt" || status=$?
    [ "$status" -lt 2 ]
    printf 'exit status %s\n' "$status" >> "$out/$name.txt"
    "${VERARAY_PYTHON:-python3}" - "$work/$name/audit.json" > "$out/$name.tsv" <<'PY'
import json, sys
audit = json.load(open(sys.argv[1]))["audit"]
print("model", "scope", "family", "source", "modality", "authentic", "manipulated", "auroc", "low", "high", "leak",
      "strongest feature", "by itself", sep="\t")
for row in audit["rows"]:
    s = row["slice"]
    print(row["model"], s["scope"], s.get("family", ""), s.get("source", ""), s.get("modality", ""), *row["images"],
          *(f"{v:.3f}" for v in (row["auroc"], *row["interval"])), int(row["leak"]), row["feature"][0],
          f"{row['feature'][1]:.3f}", sep="\t")
PY
}

for set in "${sets[@]}"; do
    audit "$set" "$manifest" --sets "$set"
    rm -rf "$work/harmonised_$set"
    "$train" --quiet data harmonise "$manifest" --sets "$set" --side "${SIDE:-256}" \
        --output "$work/harmonised_$set" > "$out/${set}_harmonise.txt"
    audit "${set}_harmonised" "$work/harmonised_$set/manifest.csv"
done
sed -i "s#$work#.#g; s#$(dirname "$manifest")/##g" "$out"/*.txt
