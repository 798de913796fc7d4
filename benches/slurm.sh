#!/usr/bin/env bash
# One scan as a Slurm job array on this machine, with a task requeued and a task killed on the way,
# against the same scan by one process; then the command of the Kubernetes job as plain processes.
# Usage: benches/slurm.sh [IMAGES]     IMAGES: a folder [default: 600 made images]
#
# Writes benches/results/scale/slurm.txt. Needs Debian's slurmctld, slurmd, slurm-client and munge, and
# the virtual environment of scripts/test.sh (with pyyaml and pyarrow). Exits 1 when tables differ.
set -euo pipefail
cd "$(dirname "$0")/.."
shards=6

# Runs inside the throwaway Slurm.
if [ "${1:-}" = drill ]; then
    work=$2 images=$3
    export VERARAY=$4
    scan() {
        scripts/scale/slurm_array.sh -l "$work/list" "$shards" "$work/out" "$images" \
            -- --device cpu --jobs 1 --quiet
    }
    lines() { { wc -l < "$work/out/shard-$1.parquet.partial.jsonl"; } 2>/dev/null || echo 0; }
    # Waits until a task has written some records and has more to write.
    under_way() {
        for _ in $(seq 3000); do
            [ "$(lines "$1")" -ge 10 ] && return
            [ -e "$work/out/shard-$1.parquet" ] && break
            sleep 0.02
        done
        echo "shard $1 ended before it could be interrupted" >&2
        return 1
    }
    ended() { # until a job has left the queue
        while [ -n "$(squeue --noheader --jobs="$1" 2>/dev/null)" ]; do sleep 0.5; done
    }
    told() { # state of each task of a job
        scontrol --oneliner show job "$1" | sed -E \
            's/.*ArrayTaskId=([0-9]+).*JobState=([A-Z]+).* Restarts=([0-9]+).*ExitCode=([0-9:]+).*/  task \1: \2, exit \4, restarts \3/;
             s/.*JobName=([^ ]+).*JobState=([A-Z]+).*ExitCode=([0-9:]+).*/  \1: \2, exit \3/' | sort
    }
    sinfo --version
    sinfo --Node --long | tail -n +2
    echo; echo "== first submission: shard 1 is requeued, shard 2 gets SIGKILL"
    read -r _ array _ merge < <(scan)
    echo "array $array, merge $merge"
    under_way 1
    scontrol requeue "${array}_1"
    echo "shard 1 had $(lines 1) records when it was requeued"
    under_way 2
    scancel --signal=KILL --full "${array}_2"
    sleep 1
    echo "shard 2 had $(lines 2) records when it was killed"
    ended "$array"; ended "$merge"
    told "$array"; told "$merge"
    echo "merge.log:"; sed 's/^/  /' "$work/out/merge.log"
    [ ! -e "$work/out/verdicts.parquet" ] || { echo "an incomplete scan was merged" >&2; exit 1; }
    echo; echo "== the same command again"
    read -r _ array _ merge < <(scan)
    echo "array $array, merge $merge"
    ended "$array"; ended "$merge"
    told "$array"; told "$merge"
    echo "merge.log:"; sed 's/^/  /' "$work/out/merge.log"
    exit
fi

python=${VERARAY_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/veraray/venv/bin/python}
out=benches/results/scale/slurm.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
images=${1:-$work/images}
mkdir -p "$(dirname "$out")" "$work/out" "$work/pods"
cargo build --release --workspace --locked --bin veraray
veraray=$(realpath "${CARGO_TARGET_DIR:-target}/release/veraray")
[ $# -gt 0 ] || "$python" benches/make_images.py "$images"
find -L "$images" -type f > "$work/list"

# Whether two tables hold the same records but for how long they took.
compare() {
    "$python" - "$1" "$2" <<'PYTHON'
import sys
import pyarrow.parquet as parquet

def rows(path):
    table = parquet.read_table(path)
    timeless = [name for name in table.column_names if not name.startswith("ms")]
    return sorted(table.select(timeless).to_pylist(), key=lambda row: row["path"]), len(timeless)

(one, columns), (other, _) = rows(sys.argv[1]), rows(sys.argv[2])
scored = sum(row["logit"] is not None for row in one)
print(f"{len(one)} ({scored} with a score) and {len(other)} records, {columns} columns:", "equal" if one == other else "DIFFERENT")
sys.exit(one != other)
PYTHON
}

{
    benches/machine.sh
    echo; echo "== one process, $(wc -l < "$work/list") files"
    "$veraray" scan "$images" --device cpu --format parquet --output "$work/whole.parquet" 2>&1 || [ $? = 1 ]
    echo; echo "== throwaway Slurm of one node"
    scripts/scale/slurm_local.sh "$0" drill "$work" "$images" "$veraray" 2>&1
    for shard in $(seq "$shards"); do
        "$python" -c 'import sys, pyarrow.parquet as p; print(f"shard {sys.argv[2]}:", p.read_metadata(sys.argv[1]).num_rows, "records")' \
            "$work/out/shard-$shard.parquet" "$shard"
    done
    echo "merged against one process: $(compare "$work/whole.parquet" "$work/out/verdicts.parquet")"
    echo; echo "== the command in scripts/scale/kubernetes_job.yaml, as plain processes"
    "$python" -c '
import sys, yaml
job = yaml.safe_load(open("scripts/scale/kubernetes_job.yaml"))["spec"]
assert job["completionMode"] == "Indexed"
print(job["completions"], job["template"]["spec"]["containers"][0]["command"][-1], sep="\n")' > "$work/pod"
    pods=$(head -n 1 "$work/pod")
    mkdir "$work/bin"
    ln -s "$veraray" "$work/bin/veraray"
    for ((pod = 0; pod < pods; pod++)); do
        PATH=$work/bin:$PATH INPUT=$images SHARDS=$pods OUTPUT=$work/pods JOB_COMPLETION_INDEX=$pod \
            sh -c "$(tail -n +2 "$work/pod")" 2> "$work/pods/$pod.log" || { cat "$work/pods/$pod.log"; exit 1; }
    done
    "$veraray" audit --merge "$work"/pods/shard-*.parquet --shards "$pods" --list "$work/list" \
        --output "$work/pods/verdicts.parquet" 2>&1
    echo "merged against one process: $(compare "$work/whole.parquet" "$work/pods/verdicts.parquet")"
} > "$work/report" || { cat "$work/report"; exit 1; }
# Where things lay is of no interest.
sed "s#$work#WORK#g; s#$images#IMAGES#g; s#$(hostname -s)#node#g" "$work/report" | tee "$out"
