"""The machine formats hold what their readers need: SARIF's schema rules, JUnit's order, GitLab's required keys."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from msgspec.structs import replace

from analyzer.cli.check import exit_code
from analyzer.fingerprint import fingerprints, step_bucket
from analyzer.model import Finding, Problem, Report, Severity
from analyzer.renderers import Look, all_renderers, renderer_named
from analyzer.renderers.places import uri
from analyzer.renderers.sarif import FINGERPRINT
from tests.renderers.reports import HOSTILE, audited, falling, hostile, lifelike, report_of, run_of, series, spike

# The part of the published schema (OASIS sarif-schema-2.1.0.json, errata 01) that our output can reach, written anew.
MESSAGE = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
    "additionalProperties": False,
}
URI = r"^([a-z0-9]+://)?[A-Za-z0-9._~/%!$&'()*+,;=:@?-]*$"
LOCATION: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "minimum": -1},
        "message": MESSAGE,
        "logicalLocations": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {key: {"type": "string"} for key in ("name", "fullyQualifiedName", "kind")},
            },
        },
        "physicalLocation": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"uri": {"type": "string", "pattern": URI}},
                },
                "region": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"startLine": {"type": "integer", "minimum": 1}},
                },
            },
        },
    },
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "informationUri": {"type": "string", "pattern": "^https://"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "name": {"type": "string"},
                                                "shortDescription": MESSAGE,
                                                "fullDescription": MESSAGE,
                                                "helpUri": {"type": "string", "pattern": "^https://"},
                                                "help": MESSAGE,
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "additionalProperties": False,
                                                    "properties": {"level": LEVEL},
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["executionSuccessful"],
                            "additionalProperties": False,
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["message"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "level": LEVEL,
                                            "message": MESSAGE,
                                            "locations": {"type": "array", "uniqueItems": True, "items": LOCATION},
                                        },
                                    },
                                },
                            },
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": LEVEL,
                                "message": MESSAGE,
                                "locations": {"type": "array", "items": LOCATION},
                                "relatedLocations": {"type": "array", "uniqueItems": True, "items": LOCATION},
                                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                                "properties": {"type": "object"},
                                "suppressions": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["kind"],
                                        "additionalProperties": False,
                                        "properties": {"kind": {"enum": ["inSource", "external"]}},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
REPORTS = {
    "nothing": Report(runs=()),
    "text log": lifelike(),
    "event log": lifelike(text=False),
    **{f"hostile {i}": hostile(name) for i, name in enumerate(HOSTILE)},
}


def sarif(report: Report) -> Any:
    return json.loads(renderer_named("sarif").render(report, None))  # type: ignore[arg-type]


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_sarif_keeps_to_its_schema(report: Report) -> None:
    jsonschema.Draft7Validator(SARIF).validate(sarif(report))


def test_sarif_points_at_lines_of_text_and_never_of_binary_files() -> None:
    (result,) = sarif(lifelike())["runs"][0]["results"]
    assert [one["physicalLocation"]["region"]["startLine"] for one in result["relatedLocations"]] == [31, 32, 33]
    (result,) = sarif(lifelike(text=False))["runs"][0]["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_sarif_result_names_its_rule() -> None:
    run = sarif(lifelike())["runs"][0]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("runs/a/metrics.csv", "runs/a/metrics.csv"),
        ("./runs/a b/100%.csv", "runs/a%20b/100%25.csv"),
        ("/data/x#1?.csv", "file:///data/x%231%3F.csv"),
        ("./runs/../runs/a/metrics.csv", "runs/a/metrics.csv"),
        (os.path.abspath("runs/a/metrics.csv"), "runs/a/metrics.csv"),
        ("s3://bucket/run 1/log.csv", "s3://bucket/run%201/log.csv"),
        ("a\udcff.csv", "a%FF.csv"),
        ("C:evil", "C%3Aevil"),
    ],
)
def test_uri(path: str, expected: str) -> None:
    assert uri(path) == expected


def test_fingerprints_survive_small_moves_and_tell_equals_apart() -> None:
    run = run_of([series("loss", falling())])
    here, near, far = (spike(run, first_step=step) for step in (12_345, 12_399, 22_000))
    marks = [mark for _, mark in fingerprints("runs/a", (here, near, far))]
    assert len(set(marks)) == 3  # two in one bucket are counted
    assert next(fingerprints("runs/a", (near,)))[1] == next(fingerprints("runs/a", (here,)))[1]
    assert next(fingerprints("runs/b", (here,)))[1] != next(fingerprints("runs/a", (here,)))[1]


@pytest.mark.parametrize(
    ("step", "bucket"), [(None, "None"), (0, "0"), (7, "7"), (99, "99"), (1234, "1200"), (-1234, "-1300")]
)
def test_step_bucket(step: int | None, bucket: str) -> None:
    assert step_bucket(step) == bucket


def test_the_same_fingerprint_in_every_format() -> None:
    report = lifelike()
    in_json = json.loads(renderer_named("json").render(report, None))["runs"][0]["findings"][0]["fingerprint"]  # type: ignore[arg-type]
    in_gitlab = json.loads(renderer_named("gitlab").render(report, None))[0]["fingerprint"]  # type: ignore[arg-type]
    assert in_json == in_gitlab == sarif(report)["runs"][0]["results"][0]["partialFingerprints"][FINGERPRINT]


def junit(report: Report) -> ElementTree.Element:
    out = renderer_named("junit").render(report, None)  # type: ignore[arg-type]
    assert isinstance(out, str)
    return ElementTree.fromstring(out.encode())


JUNIT = xmlschema.XMLSchema(str(Path(__file__).parents[2] / "fixtures" / "schemas" / "JUnit.xsd"))


@pytest.mark.parametrize("fail_on", ["error", "warning", "note", "never"])
@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_junit_keeps_to_its_schema_and_counts_right(report: Report, fail_on: str) -> None:
    out = str(renderer_named("junit").render(report, Look(fail_on=fail_on)))
    JUNIT.validate(out)
    for index, suite in enumerate(ElementTree.fromstring(out.encode())):  # what no schema can say
        found = {
            key: str(len(suite.findall(f"testcase/{tag}")))
            for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
        }
        assert {key: suite.get(key) for key in found} == found
        assert suite.get("tests") == str(len(suite.findall("testcase"))) and suite.get("id") == str(index)


def test_the_schema_refuses_what_it_should() -> None:
    out = str(renderer_named("junit").render(lifelike(), Look()))
    for broken in (out.replace(' hostname="localhost"', ""), out.replace("<properties>", "<properties/><properties>")):
        assert not JUNIT.is_valid(broken)


def test_junit_tells_checked_failed_and_skipped_apart() -> None:
    cases = {case.get("name"): [child.tag for child in case] for case in junit(lifelike())[0].findall("testcase")}
    assert cases == {"EPO001": ["skipped"], "LOG003": [], "LOS001 loss-spike": ["failure"]}


FAILS = [
    # severity of the finding, --fail-on, whether its case fails
    ("note", "warning", False),
    ("note", "note", True),
    ("warning", "warning", True),
    ("warning", "error", False),
    ("error", "error", True),
    ("error", "never", False),
]


@pytest.mark.parametrize(("severity", "fail_on", "fails"), FAILS)
def test_junit_fails_what_the_exit_code_fails(severity: Severity, fail_on: str, fails: bool) -> None:
    run = run_of([series("loss", falling())])
    report = report_of(audited(run, spike(run, severity=severity)))
    out = str(renderer_named("junit").render(report, Look(fail_on=fail_on)))
    suites = ElementTree.fromstring(out.encode())
    assert (suites[0].get("failures") == "1") is fails is (exit_code(report, fail_on) == 1)
    assert ("LOS001" in (suites[0].findtext("system-out") or "")) is not fails


def test_what_could_not_be_read_fails_unless_nothing_is_to() -> None:
    report = replace(lifelike(), unreadable=(Problem(source="x", kind="unreadable", message="torn"),))
    for fail_on, told in (("warning", ("1", "0")), ("never", ("0", "1"))):
        out = str(renderer_named("junit").render(report, Look(fail_on=fail_on)))
        suite = ElementTree.fromstring(out.encode())[-1]
        assert (suite.get("errors"), suite.get("skipped")) == told


def test_a_rule_is_described_and_leads_to_what_it_is_founded_on() -> None:
    (rule,) = sarif(lifelike())["runs"][0]["tool"]["driver"]["rules"]
    assert rule["helpUri"].startswith("https://")
    assert 100 < len(rule["fullDescription"]["text"]) <= 1024 and rule["fullDescription"]["text"].endswith(".")
    assert "What it checks" not in rule["fullDescription"]["text"]


@pytest.mark.skipif(not os.environ.get("SARIF_MULTITOOL"), reason="no path of Microsoft's SARIF multitool is given")
def test_sarif_is_clean_by_the_rules_of_its_readers(tmp_path: Path) -> None:
    for number, report in enumerate(REPORTS.values()):
        text = str(renderer_named("sarif").render(report, Look()))
        (tmp_path / f"{number}.sarif").write_text(text, encoding="utf-8")
    command = [os.environ["SARIF_MULTITOOL"], "validate", "*.sarif", "--rule-kind", "Sarif;Ghas"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = set(re.findall(r"(?:error|warning) (\w+): ", done.stdout + done.stderr))
    assert f"{len(REPORTS)} files scanned" in done.stdout, done.stdout
    # SARIF2005: there is no public page on the tool; SARIF2017: no place inside a binary file is known
    assert told <= {"SARIF2005", "SARIF2017"}, done.stdout


# What GitLab's own schema of a code quality report asks for (codeclimate.json), and what its documentation adds: a name
# of the check, one of five severities, a path from the root of the repository, and lines that begin at 1.
GITLAB: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            **{key: {"type": "string", "minLength": 1} for key in ("description", "check_name", "fingerprint")},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^[^/]"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_gitlab_keeps_to_its_schema(report: Report) -> None:
    issues = json.loads(str(renderer_named("gitlab").render(report, None)))
    jsonschema.Draft7Validator(GITLAB).validate(issues)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


def test_a_comment_stays_below_the_limit_of_its_host() -> None:
    run = run_of([series("loss", falling())])
    many: tuple[Finding, ...] = tuple(spike(run, first_step=step) for step in range(1000))
    out = renderer_named("markdown").render(report_of(audited(run, *many)), None)  # type: ignore[arg-type]
    assert len(out) < 65_536 and "do not fit" in str(out)


def test_every_renderer_is_found_under_its_name() -> None:
    for name, renderer in all_renderers().items():
        assert renderer_named(name) is renderer
