#!/bin/sh
# Write constraints.txt anew with the newest versions that fit pyproject.toml.
# usage: [PYTHON=python3.11] sh tools/renew_constraints.sh
# Run it with the oldest supported Python: what is chosen there must install on all newer ones.
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"${PYTHON:-python3.11}" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[dev]'
{
    echo "# Renew with: sh tools/renew_constraints.sh (needs python3.11; then make check test)"
    "$scratch/venv/bin/python" -m pip freeze --disable-pip-version-check --exclude jobhost
} >"$scratch/constraints.txt"
cp "$scratch/constraints.txt" constraints.txt
