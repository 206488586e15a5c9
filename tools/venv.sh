#!/bin/sh
# Make or update .venv and install one extra of this project into it: tools/venv.sh demo|dev
# $PY names the interpreter; without it the newest tested one on PATH is taken.
set -eu
cd "$(dirname "$0")/.."
extra=$1

fail() { echo "make: $1" >&2; exit 1; }
recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
# Debian splits off ensurepip; without it "python3 -m venv" fails half way.
complete() { recent "$1" && "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }
version() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null || echo none; }

# Versions that the suite runs on come first, then whatever python3 is, then newer ones.
find_python() {
    for name in ${PY:-python3.13 python3.12 python3.11 python3 python3.15 python3.14}; do
        if "$1" "$name"; then echo "$name"; return; fi
    done
}

choose_python() {
    python=$(find_python complete)
    [ -n "$python" ] && return
    found=$(find_python recent)
    [ -n "$found" ] && fail "$found has no venv module. Install it: apt install python3-venv"
    [ -n "${PY:-}" ] && fail "PY=$PY is not a Python 3.11 or newer"
    fail "Celeriac needs Python 3.11 or newer and found none. Install it (apt install python3 python3-venv,
      brew install python) or name one: PY=/path/to/python3.12 make ..."
}

[ -w . ] || fail "this folder is not writable, so .venv cannot be made here; work in a copy of it"

# A virtual environment stays as it is unless PY asks for another Python or its own is gone.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1 ||
    { [ -n "${PY:-}" ] && [ "$(version "$PY")" != "$(version .venv/bin/python)" ]; }; then
    choose_python
    echo "Making .venv with $($python --version)"
    "$python" -m venv --clear .venv || fail "could not make .venv. On Debian and Ubuntu: apt install python3-venv"
fi

echo "Installing celeriac[$extra] into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extra]" ||
    fail "pip could not install celeriac[$extra]; its own message is above"
touch ".venv/$extra.stamp"
if [ "$extra" = dev ]; then touch .venv/demo.stamp; fi
