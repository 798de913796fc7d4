#!/usr/bin/env bash
# Installs what the tests need, then runs them all. Usage: scripts/test.sh
#
# Needs Rust, a C compiler and, on Debian, the right to install packages (root or sudo). Python
# packages go to a virtual environment outside the checkout. Nothing is rebuilt that
# `cargo run --release` has built before: one profile, one target folder.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/veraray
venv=${VERARAY_TEST_VENV:-$cache/venv}
export VERARAY_PYTHON=$venv/bin/python VERARAY_PYDICOM=$venv
# What is installed here must not be skipped.
export VERARAY_THIRD_PARTY=required

say() { printf '\n== %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        echo "scripts/test.sh: cannot install packages: neither root nor sudo" >&2
        return 1
    fi
}

# A software Vulkan driver, so that the GPU path runs on machines without a card; DCMTK, OpenSSL and
# Orthanc for signatures; Go's checksum database client and strace for the transparency log; Chromium
# for the pages.
lavapipe=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json
missing=()
need() { eval "$2" >/dev/null 2>&1 || missing+=("$1"); }
need mesa-vulkan-drivers "[ -e $lavapipe ]"
need libvulkan1 "ldconfig -p | grep libvulkan.so.1"
need python3-venv "python3 -c 'import venv, ensurepip'"
need dcmtk "command -v dcmsign"
need openssl "command -v openssl"
need curl "command -v curl"
need strace "command -v strace"
need orthanc "[ -x /usr/sbin/Orthanc ]"
need orthanc-dicomweb "ls /usr/share/orthanc/plugins/*DicomWeb*"
need chromium "command -v chromium"
need golang-go "command -v go"
need golang-golang-x-mod-dev "[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]"
if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

stamp=$venv/requirements.txt
if ! cmp -s scripts/requirements.txt "$stamp"; then
    say "installing the reference decoders into $venv"
    mkdir -p "$(dirname "$venv")"
    [ -x "$VERARAY_PYTHON" ] || python3 -m venv "$venv"
    "$VERARAY_PYTHON" -m pip install --quiet --disable-pip-version-check -r scripts/requirements.txt
    cp scripts/requirements.txt "$stamp"
fi

say "formatting"
if cargo fmt --version >/dev/null 2>&1; then
    cargo fmt --all --check
else
    echo "rustfmt is not installed; skipped" >&2
fi

say "lints"
# Clippy as the compiler's wrapper: it then looks at our crates only, and Burn is not checked anew.
if clippy=$(command -v clippy-driver); then
    RUSTC_WORKSPACE_WRAPPER=$clippy CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__ \
        cargo build --release --workspace --lib --bins --locked
else
    echo "clippy is not installed; skipped" >&2
fi

say "tests on the CPU"
cargo test --release --workspace --locked

say "the default checkpoint against the committed small benchmark"
"${CARGO_TARGET_DIR:-target}/release/veraray-train" gate infer/assets/default.vrc \
    benches/gate/GATE.toml --device cpu

say "the same checkpoint on the CPU and on wgpu over a software Vulkan driver"
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$(mktemp -d)}
VK_ICD_FILENAMES=$lavapipe VK_DRIVER_FILES=$lavapipe \
    cargo test --release --workspace --locked --test gpu -- --ignored --nocapture
