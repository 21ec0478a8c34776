"""Every command and every output format of an installed analyzer, on the fixtures, with nothing of a checkout in reach.

PYTHON scripts/try_installed.py FIXTURES

PYTHON is that of the environment the wheel was installed into. Prints a line for each command and exits with 1 at the
first that does not do what it should.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
ANALYZER = str(Path(sys.executable).with_name("analyzer"))
RESUMED = "fixtures/runs/transformers-resumed"
FAULTY = "fixtures/runs/accelerate-scheduler-stepped-twice"
COMMANDS: list[tuple[str, int, str]] = [  # arguments, exit code, the file that appears
    (f"check {RESUMED} --fail-on warning", 0, ""),
    (f"check {FAULTY}", 1, ""),
    ("check nowhere", 2, ""),
    ("check fixtures/formats fixtures/same_run fixtures/events --jobs 2 --fail-on never", 0, ""),
    (f"check {FAULTY} -q --statistics -v --fail-on never", 0, ""),
    (f"check {FAULTY} --write-baseline --baseline known.json", 0, "known.json"),
    (f"check {FAULTY} --baseline known.json", 0, ""),
    (f"check {RESUMED} --against {RESUMED} --fail-on error", 0, ""),
    ("report fixtures/runs -o page.html", 0, "page.html"),
    (f"plot {FAULTY} -o figure.png --kind schedule", 0, "figure.png"),
    (f"plot {FAULTY} -o figure.svg", 0, "figure.svg"),
    (f"plot {RESUMED} -o figure.pdf --kind resume", 0, "figure.pdf"),
    (f"timeline {RESUMED}", 0, ""),
    ("explain SCH002", 0, ""),
    ("rules", 0, ""),
    ("formats", 0, ""),
    ("plan --dataset-size 1000 --batch-size 32 --epochs 3", 0, ""),
    ("compare fixtures/compare/batch-16 fixtures/compare/batch-64", 0, ""),
    ("repair fixtures/same_run/plain-csv -o repaired", 0, ""),
    (f"export {RESUMED} -o table.csv", 0, "table.csv"),
    ("cache show", 0, ""),
    (f"watch {RESUMED} --every 0.05 --idle 0", 0, ""),
]
LISTED = "import json; from {module} import {function}; print(json.dumps(sorted({function}())))"


def main() -> int:
    fixtures = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.copytree(fixtures, "fixtures")
        ENVIRONMENT["XDG_CACHE_HOME"] = str(Path("cache").resolve())
        Path(".git").mkdir()  # no configuration above counts
        where = python("import analyzer; print(analyzer.__file__)").stdout.strip()
        assert Path(where).is_relative_to(sys.prefix), f"{where} is not the installed package"
        for arguments, code, file in COMMANDS:
            expect(arguments.split(), code, file)
        for form in listed("analyzer.renderers", "all_renderers"):
            expect(["check", FAULTY, "--fail-on", "never", "-o", f"{form}:out.{form}"], 0, f"out.{form}")
        for form in ("json", "sarif", "gitlab"):
            json.loads(Path(f"out.{form}").read_text(encoding="utf-8"))
        ElementTree.parse("out.junit")
        untried = set(commands()) - {arguments.split()[0] for arguments, _, _ in COMMANDS}
        assert not untried, f"no example here of {sorted(untried)}"
        os.chdir(Path(folder).parent)
    return 0


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )


def listed(module: str, function: str) -> list[str]:
    return list(json.loads(python(LISTED.format(module=module, function=function)).stdout))


def commands() -> list[str]:
    code = "import json; from analyzer.cli import main; print(json.dumps(main.list_commands(None)))"
    return list(json.loads(python(code).stdout))


def expect(arguments: list[str], code: int, file: str) -> None:
    done = subprocess.run([ANALYZER, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    print(f"{'ok' if done.returncode == code else 'WRONG'}  analyzer {' '.join(arguments)}", flush=True)
    if done.returncode != code or "Traceback" in done.stderr or "internal error" in done.stdout + done.stderr:
        raise SystemExit(f"exit code {done.returncode} instead of {code}\n{done.stdout}\n{done.stderr}")
    if file and not Path(file).stat().st_size:
        raise SystemExit(f"{file} is empty")


if __name__ == "__main__":
    sys.exit(main())
