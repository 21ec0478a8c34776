"""Nothing that a log contains can break or script an output: every hostile name goes through every format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from analyzer.comparison import compare_runs
from analyzer.renderers import Look, comparison_text, renderer_named, tables, timeline_text
from tests.renderers.reports import HOSTILE, hostile, lifelike

FORMATS = ("terminal", "json", "sarif", "junit", "github", "gitlab", "markdown")
ALLOWED_CONTROLS = "\n"


def rendered(name: str, text: str) -> str:
    out = renderer_named(name).render(hostile(text), Look(verbose=True, width=80))
    assert isinstance(out, str)
    return out


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{text!r:.24}" for text in HOSTILE])
@pytest.mark.parametrize("name", FORMATS)
def test_no_control_character_and_only_real_text(name: str, text: str) -> None:
    out = rendered(name, text)
    out.encode("utf-8")  # no lone surrogates
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]", out)


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{text!r:.24}" for text in HOSTILE])
def test_junit_is_well_formed_and_keeps_its_structure(text: str) -> None:
    root = ElementTree.fromstring(rendered("junit", text))
    assert {element.tag for element in root.iter()} <= {
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "failure",
        "error",
        "skipped",
        "system-out",
        "system-err",
    }


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{text!r:.24}" for text in HOSTILE])
@pytest.mark.parametrize("name", ["json", "sarif", "gitlab"])
def test_json_is_strict(name: str, text: str) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    json.loads(rendered(name, text), parse_constant=refuse)


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{text!r:.24}" for text in HOSTILE])
def test_github_says_as_many_commands_as_it_has_findings(text: str) -> None:
    lines = rendered("github", text).splitlines()
    commands = [line for line in lines if line.lstrip().startswith(("::", "##["))]
    assert len(lines) == 5 and len(commands) == 4  # warning, note, unreadable file, note of the report; then the totals
    for line in commands:
        assert re.match(r"::(error|warning|notice) (file=[^:,]*,(line=\d+,)?)?title=[^:,]*::", line)


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{text!r:.24}" for text in HOSTILE])
def test_terminal_gives_a_runner_nothing_to_obey(text: str) -> None:
    assert not [line for line in rendered("terminal", text).splitlines() if line.lstrip().startswith(("::", "##["))]


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{text!r:.24}" for text in HOSTILE])
def test_markdown_has_no_markup_of_the_log(text: str) -> None:
    out = rendered("markdown", text)
    outside_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", out)
    ours = {"details", "summary", "/details", "/summary", "!--"}
    assert {tag.lower() for tag in re.findall(r"<([/!]?[a-z-]+)", outside_code, re.I)} <= ours
    assert not re.search(r"(?<!\\)\]\(", outside_code)
    assert not re.search(r"@(?!<!-- -->)", outside_code)
    assert not re.search(r"://", outside_code)


def test_a_table_of_markdown_keeps_its_columns() -> None:
    for text in HOSTILE:
        rows = [line for line in rendered("markdown", text).splitlines() if line.startswith("| ")]
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}, text


@pytest.mark.parametrize("name", FORMATS)
def test_a_real_name_is_still_legible(name: str) -> None:
    assert "runs/a" in renderer_named(name).render(lifelike(), Look())  # type: ignore[operator]


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{text!r:.24}" for text in HOSTILE])
def test_what_other_commands_print(text: str) -> None:
    timeline = hostile(text).runs[0].timeline
    comparisons = compare_runs([timeline, timeline], tag=text)
    context = comparison_text.Context(warning=text, differences={"scheduler": {text: text}})
    printed = (
        timeline_text.as_text(timeline, Look(width=80)),
        comparison_text.as_text(comparisons, context, Look(width=80)),
        tables.as_text(("a", "b"), [(text, text)], Look(width=80)),
        tables.as_sections(("a", "b", "c"), [(text, text, text)], Look(width=80)),
        tables.as_markdown(("a", "b"), [(text, text)]),
        json.dumps(timeline_text.as_json(timeline), allow_nan=False),
        comparison_text.as_json(comparisons, context),
    )
    for out in printed:
        out.encode("utf-8")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]", out)
