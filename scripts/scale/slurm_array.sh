#!/usr/bin/env bash
# Scans as a Slurm job array, and merges what the tasks wrote once all have ended.
# Usage: scripts/scale/slurm_array.sh [-w] [-l LIST] SHARDS FOLDER PATH... [-- SCAN_FLAG...]
#
# Submits SHARDS tasks, of which each judges its share of the PATHs (files, folders, s3:// URLs) into
# FOLDER/shard-I.parquet, and a job behind them that writes FOLDER/verdicts.parquet if nothing is
# missing. Prints the numbers of both. FOLDER must be visible to all nodes. With -l, every path in the
# file LIST must have its record; with -w, waits for the merge and ends with its status.
#
# A task that is preempted, requeued or submitted again goes on where it stopped. To repeat what
# failed, give the same command again: shards that are complete end at once.
# VERARAY names the program [default: veraray]; the variables of Slurm's own sbatch
# (SBATCH_PARTITION, SBATCH_TIMELIMIT, SBATCH_ACCOUNT) set the rest.
set -euo pipefail

veraray=${VERARAY:-veraray}

# Whether a scan made its table and came to its end.
whole() { [ -e "$1" ] && [ ! -e "$1.partial.jsonl" ]; }

case ${1:-} in
task)
    # On a node: one shard. Status 1 says that something was flagged, which is no failure of the task;
    # 2 that an input failed, which its record tells, or the whole scan, which leaves the records as
    # lines beside the table.
    folder=$2 shards=$3 shard=$SLURM_ARRAY_TASK_ID
    shift 3
    output=$folder/shard-$shard.parquet
    status=0
    "$veraray" scan "$@" --shard "$shard/$shards" --format parquet \
        --output "$output" --resume || status=$?
    whole "$output" || exit "$((status > 2 ? status : 2))"
    exit 0
    ;;
merge)
    # Refuses, and says why, when a shard is missing or cut short.
    folder=$2 shards=$3 list=$4
    parts=()
    for ((shard = 1; shard <= shards; shard++)); do
        part=$folder/shard-$shard.parquet
        # The others are named as missing.
        whole "$part" && parts+=("$part")
    done
    [ ${#parts[@]} -gt 0 ] || { echo "no shard is complete" >&2; exit 2; }
    exec "$veraray" audit --merge "${parts[@]}" --shards "$shards" ${list:+--list "$list"} \
        --output "$folder/verdicts.parquet"
    ;;
esac

list=
wait=
while getopts l:w flag; do
    case $flag in
    l) list=$(realpath "$OPTARG") ;;
    w) wait=--wait ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
if [ $# -lt 3 ] || ! [[ $1 =~ ^[1-9][0-9]*$ ]]; then
    sed -n '2,13s/^# \?//p' "$0" >&2
    exit 2
fi
shards=$1
mkdir -p "$2"
folder=$(realpath "$2")
shift 2
inputs=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    inputs+=("$1")
    shift
done
[ $# -gt 0 ] && shift
array=$(sbatch --parsable --job-name=veraray-scan --array="1-$shards" --requeue --open-mode=append \
    --output="$folder/shard-%a.log" "$0" task "$folder" "$shards" "$@" "${inputs[@]}")
# After all tasks, whatever became of them: what is missing, merging says best.
merge=(sbatch --parsable --job-name=veraray-merge --dependency="afterany:$array" --requeue $wait
    --output="$folder/merge.log" "$0" merge "$folder" "$shards" "$list")
if [ -n "$wait" ]; then
    status=0
    "${merge[@]}" > /dev/null || status=$?
    cat "$folder/merge.log"
    exit "$status"
fi
printf 'array %s merge %s\n' "$array" "$("${merge[@]}")"
