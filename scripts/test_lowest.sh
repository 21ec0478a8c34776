#!/bin/sh
# The tests against the lowest version that pyproject.toml admits of every dependency, in an environment of its own.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset PYTHONPATH PYTHONHOME

"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" - >"$folder/lowest.txt" <<'END'
import tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
for group in (project["dependencies"], project["optional-dependencies"]["test"]):
    for requirement in group:
        name, _, version = requirement.partition(">=")
        if version:
            print(f"{name.partition('[')[0]}=={version}")
END
cat "$folder/lowest.txt"
"$folder/env/bin/python" -m pip install -q --disable-pip-version-check -c "$folder/lowest.txt" -e ".[test]"
PYTHONHASHSEED=0 "$folder/env/bin/python" -m pytest -n auto "$@"
