#!/bin/sh
# Run the quick part of the suite on the other Python versions that this machine has.
# Absent versions are fine. Each has an environment of its own, .tools/venv-VERSION.
set -eu
cd "$(dirname "$0")/.."
jobs=${JOBS:-6}
.venv/bin/python -m tools.provide
own=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
worst=0
quick=
for folder in tests/unit src/celeriac/testing/contract; do if [ -d $folder ]; then quick="$quick $folder"; fi; done

# A pyenv shim on PATH exists for versions that are not switched on, so each candidate has to start.
find_python() {
    for candidate in "python$1" "$HOME"/.pyenv/versions/"$1".*/bin/python; do
        if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then echo "$candidate"; return; fi
    done
}

run_on() {
    venv=.tools/venv-$1
    if [ ! -e "$venv/stamp" ] || [ pyproject.toml -nt "$venv/stamp" ]; then
        "$2" -m venv --clear "$venv" &&
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[test]' &&
            touch "$venv/stamp" || return 1
    fi
    "$venv/bin/python" -m pytest -n "$jobs" --dist worksteal -m 'not browser and not serial' $quick
}

for version in 3.11 3.12 3.13 3.14; do
    [ "$version" = "$own" ] && continue
    python=$(find_python "$version")
    if [ -z "$python" ]; then echo "Python $version: not here"; continue; fi
    echo "Python $version: $python"
    run_on "$version" "$python" || worst=1
done
exit $worst
