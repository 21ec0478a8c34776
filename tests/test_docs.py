"""What the documentation restates from the code is fresh, and every command and rule has its place in it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_fresh(make_docs: ModuleType) -> None:
    stale = [str(path.relative_to(ROOT)) for path in make_docs.stale_pages(make_docs.all_pages())]
    assert not stale, f"run `make docs-text`: {stale}"


def test_no_page_of_a_rule_that_is_gone(make_docs: ModuleType) -> None:
    pages = {path.name for path in (ROOT / "docs" / "rules").glob("*.md")}
    assert pages == {path.name for path in make_docs.all_pages() if path.parent.name == "rules"}


def test_every_page_has_its_place_in_the_site() -> None:
    docs = ROOT / "docs"
    listed = {line.strip() for line in (docs / "index.rst").read_text(encoding="utf-8").splitlines()}
    pages = {path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")}
    rules = {page for page in pages if page.startswith("rules/") and page != "rules/index"}
    assert pages - rules - listed == {"index"}  # index.rst takes it in, rules/all.rst every rule


def test_links_of_the_readme_exist() -> None:
    import re

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing


def test_every_test_that_a_promise_names_exists() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`((?:tests|scripts)/[^`]+)`", page))
    assert len(told) > 20 and not [name for name in told if not (ROOT / name).is_file()]
