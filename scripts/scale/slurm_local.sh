#!/usr/bin/env bash
# Runs a command beside a throwaway Slurm of one node on this machine, without systemd.
# Usage: scripts/scale/slurm_local.sh COMMAND [ARGUMENT...]
#
# Needs Debian's slurmctld, slurmd, slurm-client and munge. Configuration, keys, state and logs lie in
# a temporary folder that goes with the daemons when COMMAND ends; KEEP=1 leaves it and prints it.
# CPUS=N says how many processors the node has [default: those of the machine].
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,8s/^# \?//p' "$0" >&2; exit 2; }

for program in munged slurmctld slurmd sbatch; do
    PATH=$PATH:/usr/sbin command -v $program >/dev/null || {
        echo "$0: $program is missing; apt-get install slurmctld slurmd slurm-client munge" >&2
        exit 2
    }
done
PATH=$PATH:/usr/sbin
host=$(hostname -s)
user=$(id -un)
dir=$(mktemp -d /tmp/slurm-local.XXXXXX)
chmod 755 "$dir"
daemons=()

stop() {
    # Jobs first, by the daemons' own hand; then the daemons, the last first.
    if scancel --user="$user" 2>/dev/null; then
        for _ in $(seq 100); do [ -z "$(squeue --noheader 2>/dev/null)" ] && break; sleep 0.1; done
    fi
    for ((index = ${#daemons[@]} - 1; index >= 0; index--)); do
        kill "${daemons[index]}" 2>/dev/null || true
        wait "${daemons[index]}" 2>/dev/null || true
    done
    if [ -n "${KEEP:-}" ]; then echo "$0: kept $dir" >&2; else rm -rf "$dir"; fi
}
trap stop EXIT
trap 'exit 130' INT TERM

fail() {
    echo "$0: $1" >&2
    tail -n 20 "$dir"/*.log >&2 || true
    exit 2
}

mkdir -m 700 "$dir/munge" "$dir/state" "$dir/spool"
head -c 128 /dev/urandom > "$dir/munge/key"
chmod 400 "$dir/munge/key"
chmod 711 "$dir/munge"
# Ports that nobody listens on now.
read -r controller_port node_port < <(python3 - <<'PYTHON'
import socket
sockets = [socket.socket() for _ in range(2)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
PYTHON
)
# Without cgroups: processes are found by their group, and nothing is bound to processors.
cat > "$dir/slurm.conf" <<CONF
ClusterName=throwaway
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
SlurmctldPort=$controller_port
SlurmdPort=$node_port
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
JobRequeue=1
MailProg=/bin/true
NodeName=$host NodeAddr=127.0.0.1 CPUs=${CPUS:-$(nproc)} State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
echo "CgroupAutomount=no" > "$dir/cgroup.conf"
export SLURM_CONF=$dir/slurm.conf

munged --foreground --force --num-threads=2 --socket="$dir/munge/socket" --key-file="$dir/munge/key" \
    --pid-file="$dir/munge/pid" --seed-file="$dir/munge/seed" --log-file="$dir/munge/munged.log" \
    >"$dir/munged.log" 2>&1 &
daemons+=($!)
for _ in $(seq 100); do [ -S "$dir/munge/socket" ] && break; sleep 0.1; done
[ -S "$dir/munge/socket" ] || fail "munged did not start"
slurmctld -D -f "$SLURM_CONF" >"$dir/slurmctld.out.log" 2>&1 &
daemons+=($!)
slurmd -D -f "$SLURM_CONF" -N "$host" >"$dir/slurmd.out.log" 2>&1 &
daemons+=($!)
for _ in $(seq 300); do
    [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && break
    sleep 0.1
done
[ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] || fail "the node did not come up"
"$@"
