#!/usr/bin/env bash
# The tests once more on every other CPython >= 3.11 of this machine: those on PATH, and pyenv's. Each gets a virtual
# environment of its own (.venv-3.12, ...) with the wheel built for it.
set -euo pipefail
cd "$(dirname "$0")/.."
main=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

find_interpreters() {
    local minor candidate
    for minor in 11 12 13 14 15; do
        for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python3."$minor" "$(command -v python3."$minor" || true)"; do
            if [ -x "$candidate" ] && [ "3.$minor" != "$main" ] && "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
                echo "3.$minor $candidate"
                break
            fi
        done
    done
}

find_interpreters | while read -r version python; do
    venv=.venv-$version
    echo "--- Python $version"
    if [ ! "$venv/bin/pytest" -nt requirements-dev.txt ]; then
        "$python" -m venv "$venv"
        "$venv/bin/python" -m pip install -q --disable-pip-version-check -r requirements-dev.txt
        touch "$venv/bin/pytest"
    fi
    rm -rf "target/wheels-$version"
    .venv/bin/maturin build --quiet --profile release -i "$python" --out "target/wheels-$version" </dev/null
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --force-reinstall "target/wheels-$version"/*.whl
    "$venv/bin/python" -m pytest -q </dev/null
done
