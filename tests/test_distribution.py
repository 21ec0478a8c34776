"""What a user installs is what lies here: the wheel has every file of the package, the sdist all that tests need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def tracked() -> list[str]:
    """Files that git knows, without those that are gone from the disk."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no checkout of git")
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in told.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A source distribution of what git knows, and a wheel of that source distribution, as an installer makes it."""
    folder = tmp_path_factory.mktemp("built")
    for name in tracked():
        (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / "checkout" / name)

    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(folder / "checkout")]
    subprocess.run(command, capture_output=True, check=True)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    names = {name for name in zipfile.ZipFile(built[1]).namelist() if ".dist-info/" not in name}
    assert names == {name for name in tracked() if name.startswith("analyzer/")}


def test_the_source_distribution_has_the_whole_project(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    missing = set(tracked()) - names
    assert missing <= {".gitignore"}


def test_the_wheel_says_what_it_is(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        said = Parser().parsestr(archive.read(name).decode("utf-8"))
    assert (said["Name"], said["License-Expression"]) == ("training-log-analyzer", "MIT")
    assert said.get_all("License-File") == ["LICENSE", "analyzer/renderers/static/uplot.LICENSE.txt"]
    assert "training logs" in said["Keywords"] and said.get_all("Classifier")


def test_every_dependency_is_imported_somewhere() -> None:
    """A distribution that nothing imports would cost every user its download."""
    imported_as = {"pyyaml": "yaml", "google-crc32c": "google_crc32c"}
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "analyzer").rglob("*.py"))
    for requirement in PROJECT["dependencies"]:
        name = requirement.partition(">=")[0].lower()
        module = imported_as.get(name, name)
        assert f"import {module}" in text or f"from {module}" in text, f"{name} is required and nowhere imported"


def test_messages_name_the_distribution_and_extras_that_exist() -> None:
    texts = [*(ROOT / "analyzer").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    said = {path: re.findall(r"pip install '?([\w.-]+)(?:\[(\{?\w+\}?)\])?", path.read_text("utf-8")) for path in texts}
    assert any(said.values())
    for path, found in said.items():
        for name, extra in found:
            if extra:
                assert name == PROJECT["name"], f"{path}: {name}[{extra}]"
                assert extra.startswith("{") or extra in PROJECT["optional-dependencies"], f"{path}: {extra}"
            assert name != "analyzer", f"{path}: the distribution `analyzer` is not ours"
