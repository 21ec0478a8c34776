#!/bin/sh
# Builds sdist and wheel, installs the wheel into an environment of its own, and tries there what a user does.
# From the source distribution come the tests, the fixtures and the notebooks; its package is taken away.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset PYTHONPATH PYTHONHOME

.venv/bin/python -m build --outdir "$folder/dist" . >"$folder/build.log" 2>&1 || { cat "$folder/build.log"; exit 1; }
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check "$folder"/dist/*.whl
echo "installed: $(du -sm "$folder/env" | cut -f1) MB with pip"

mkdir "$folder/source"
tar -xzf "$folder"/dist/*.tar.gz -C "$folder/source" --strip-components 1
rm -r "$folder/source/analyzer"
cd "$folder/source"
"$folder/env/bin/python" scripts/try_installed.py fixtures

"$folder/env/bin/python" -m pip install -q --disable-pip-version-check "pytest>=8" hypothesis jsonschema xmlschema selenium pyarrow
"$folder/env/bin/python" -m pytest tests/test_pytest_plugin.py tests/test_notebooks.py tests/test_fixture_runs.py \
    tests/test_same_run.py tests/test_public_names.py tests/renderers tests/cli
