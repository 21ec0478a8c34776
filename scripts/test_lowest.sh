#!/bin/sh
# The tests against the lowest version that pyproject.toml admits of every dependency, in an environment of its own.
# Arguments go to pytest. The tools of the tests are as new as they come: users need none of them.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset PYTHONPATH PYTHONHOME

"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" - >"$folder/lowest.txt" <<'END'
import tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
named = [one for extra in ("parquet", "zstd", "remote", "cluster", "lines") for one in extras[extra]]
for requirement in (*project["dependencies"], *named):
    name, _, version = requirement.partition(">=")
    print(f"{name}=={version}")
END
cat "$folder/lowest.txt"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check -c "$folder/lowest.txt" \
    -e ".[parquet,zstd,remote,cluster,lines]" "pytest>=8" pytest-xdist hypothesis jsonschema xmlschema selenium build \
    "setuptools>=77,<81" # the tab needs pkg_resources of setuptools where tensorboard is older than 2.20
PYTHONHASHSEED=0 "$folder/env/bin/python" -m pytest -n auto "$@"
