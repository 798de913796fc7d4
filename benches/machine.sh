#!/usr/bin/env bash
# Prints what raw results must say of where they come from.
set -euo pipefail
cd "$(dirname "$0")/.."
changed=$(git status --porcelain --untracked-files=no | grep -v '^.. benches/results/' || true)
printf 'date: %s\n' "$(date -u +%Y-%m-%dT%H:%MZ)"
printf 'commit: %s%s\n' "$(git rev-parse --short HEAD)" "${changed:+ with uncommitted changes}"
printf 'cpu: %s, %s cores\n' "$(lscpu | sed -n 's/^Model name: *//p' | head -n 1)" "$(nproc)"
printf 'memory: %s\n' "$(free -g | awk '/^Mem:/ {print $2 " GiB"}')"
printf 'load before: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
printf 'rustc: %s\n' "$(rustc --version)"
