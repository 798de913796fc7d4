#!/usr/bin/env bash
# Installs what benches/peers.sh compares with into a virtual environment outside the checkout and
# prints its Python. About 7 GB, most of it CUDA libraries that PyTorch's wheel is linked against.
set -euo pipefail
cd "$(dirname "$0")"
venv=${VERARAY_PEERS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/veraray/peers/venv}
if ! cmp -s requirements.txt "$venv/requirements.txt"; then
    mkdir -p "$(dirname "$venv")"
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        -r requirements.txt >&2
    cp requirements.txt "$venv/requirements.txt"
fi
echo "$venv/bin/python"
