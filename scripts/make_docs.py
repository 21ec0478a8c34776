"""Generate the documentation that restates code: rules, formats, command line, declared keys, README output.

python scripts/make_docs.py            write docs/ and the generated part of README.md
python scripts/make_docs.py --check    exit 1 when something is stale, and say what
python scripts/make_docs.py --figures  also redraw the figures of the README and of every rule
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

import click
from msgspec.structs import replace

from analyzer.config.declared import KEYS
from analyzer.readers import all_readers
from analyzer.rules import Example, Rule, catalogue
from analyzer.rules.examples import audit_example

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
HEADINGS = ("What it checks", "Why it matters", "When it is silent", "What to do")
FAMILIES = {
    "EPO": "Epochs",
    "SCH": "Learning-rate schedule",
    "RES": "Resumes",
    "LOS": "Loss",
    "GRD": "Gradients",
    "LOG": "Log integrity",
    "PRF": "Pace",
    "CFG": "Configuration",
    "EXP": "Expectations",
}
ROWS_SHOWN = 6
README_COMMAND = "analyzer check fixtures/runs/accelerate-scheduler-stepped-twice"
MARK, END = "<!-- generated: {} -->", "<!-- end of {} -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--figures", action="store_true")
    options = parser.parse_args()
    pages = all_pages()
    if options.check:
        stale = stale_pages(pages)
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs-text`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if options.figures:
        draw_figures()
    return 0


def all_pages() -> dict[Path, str]:
    """Every generated file and its text."""
    rules = catalogue()
    pages = {DOCS / "rules" / f"{rule.code}.md": rule_page(rule) for rule in rules}
    pages[DOCS / "rules" / "index.md"] = rules_index(rules)
    pages[DOCS / "cli.md"] = command_line_page()
    pages[DOCS / "configuration.md"] = with_generated(DOCS / "configuration.md", "declared keys", declared_keys())
    pages[DOCS / "formats.md"] = with_generated(DOCS / "formats.md", "formats", formats_table())
    pages[ROOT / "README.md"] = with_generated(ROOT / "README.md", "output", readme_output())
    for path in sorted((DOCS / "tutorials").glob("*.md")):
        pages[path] = with_outputs(path)
    return pages


RUN = re.compile(r"^( *)<!-- run: analyzer (.+?) -->\n.*?^ *<!-- end of run -->$", re.M | re.S)


def with_outputs(path: Path) -> str:
    """A page in which every command that it shows is followed by what it prints, from the root of the checkout."""
    return RUN.sub(lambda found: output_of(found.group(2), found.group(1)), path.read_text(encoding="utf-8"))


def output_of(arguments: str, indent: str) -> str:
    """A command and what it prints, as a block of text between its marks."""
    from click.testing import CliRunner

    from analyzer.cli import main as command

    before = os.getcwd()
    os.chdir(ROOT)
    try:
        done = CliRunner().invoke(command, shlex.split(arguments), env={"COLUMNS": "88", "ANALYZER_CACHE": "0"})
    finally:
        os.chdir(before)
    said = done.output.replace(f"{ROOT}/", "").rstrip()
    lines = ["```text", f"$ analyzer {arguments}", *said.splitlines()]
    lines += [f"(exit code {done.exit_code})"] if done.exit_code else []
    block = "\n".join((indent + line).rstrip() for line in [*lines, "```"])
    return f"{indent}<!-- run: analyzer {arguments} -->\n{block}\n{indent}<!-- end of run -->"


def stale_pages(pages: dict[Path, str]) -> list[Path]:
    """Generated files that are missing or differ from what the code says now."""
    return [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def with_generated(path: Path, name: str, text: str) -> str:
    """A hand-written page with the part between its two marks replaced."""
    mark, end = MARK.format(name), END.format(name)
    page = path.read_text(encoding="utf-8") if path.exists() else f"# {path.stem.capitalize()}\n\n{mark}\n{end}\n"
    before, rest = page.split(mark, 1)
    after = rest.split(end, 1)[1]
    return f"{before}{mark}\n{text.strip()}\n{end}{after}"


def rule_page(rule: Rule) -> str:
    """The page of one rule: its own docstring, its examples, what people can read to believe it."""
    title, body = split_documentation(rule.documentation)
    lines = [f"# {rule.code} {rule.name}", "", title, "", f"Gravest severity: **{rule.severity}**.", ""]
    figure = DOCS / "rules" / "img" / f"{rule.code}.png"
    if figure.exists():
        lines += [f"![{rule.code} {rule.name}: the first example below](img/{rule.code}.png)", ""]
    for heading in HEADINGS:
        lines += [f"## {heading}", "", body.get(heading, ""), ""]
    lines += ["## Examples", ""]
    for example in rule.bad:
        lines += [f"### Fires: {example.title}", "", *example_lines(example), "", *said(rule, example), ""]
    for example in rule.good:
        lines += [f"### Silent: {example.title}", "", example.why, "", *example_lines(example), ""]
    lines += ["## Sources", "", *(f"- {source}" for source in rule.sources)]
    return "\n".join(lines).rstrip() + "\n"


def split_documentation(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph of a rule's docstring, and the text below each heading."""
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in text.strip().splitlines():
        if line.strip() in HEADINGS:
            current = line.strip()
            parts[current] = []
        elif not re.fullmatch(r"\s*[-=~]{3,}\s*", line):
            parts[current].append(line.strip())
    joined = {heading: "\n".join(lines).strip() for heading, lines in parts.items()}
    return joined.pop(""), joined


def example_lines(example: Example) -> list[str]:
    """The beginning and the end of each file of an example, and what was declared."""
    lines: list[str] = []
    if example.declared:
        lines += ["Declared: " + ", ".join(f"`{key} = {value}`" for key, value in example.declared.items()), ""]
    for name, contents in example.files().items():
        if isinstance(contents, bytes):
            lines += [f"`{name}`: {len(contents)} bytes", ""]
            continue
        rows = contents.splitlines()
        shown = rows if len(rows) <= 2 * ROWS_SHOWN else [*rows[:ROWS_SHOWN], "...", *rows[-ROWS_SHOWN:]]
        lines += [f"`{name}` ({len(rows)} lines)", "", "```text", *(row[:160] for row in shown), "```"]
    return lines


def said(rule: Rule, example: Example) -> list[str]:
    """What the rule says of an example that must fire."""
    with tempfile.TemporaryDirectory() as folder:
        reports = audit_example(example, Path(folder))
    found = [finding for report in reports for finding in report.findings if finding.code == rule.code]
    return [
        f"> **{finding.severity}** {click.unstyle(finding.message).replace(folder + '/', '')}" for finding in found[:3]
    ]


def rules_index(rules: tuple[Rule, ...]) -> str:
    """The table of all rules, by family."""
    lines = ["# Rules", "", f"{len(rules)} rules. Codes never change their meaning.", ""]
    for prefix, family in FAMILIES.items():
        members = [rule for rule in rules if rule.code.startswith(prefix)]
        if not members:
            continue
        lines += [f"## {family}", "", "| code | name | gravest | says |", "|---|---|---|---|"]
        for rule in members:
            title = split_documentation(rule.documentation)[0].replace("\n", " ")
            lines.append(f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.severity} | {title} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def command_line_page() -> str:
    """Every command's help, as the program prints it."""
    from analyzer.cli import main as group

    lines = ["# Command line", "", "Options mean the same on every command.", ""]
    context = click.Context(
        group, info_name="analyzer", max_content_width=100, terminal_width=100, **group.context_settings
    )
    lines += ["```text", group.get_help(context), "```", ""]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, max_content_width=100, terminal_width=100)
        lines += [f"## analyzer {name}", "", "```text", command.get_help(inner), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def declared_keys() -> str:
    """The table of declared facts."""
    return "\n".join(["| key | meaning |", "|---|---|", *(f"| `{key}` | {text} |" for key, text in KEYS.items())])


def formats_table() -> str:
    """A row per reader: how it is recognised and what its conventions are taken to be."""
    head = ["| format | recognised by | step | epoch | learning rate |", "|---|---|---|---|---|"]
    rows = [
        f"| **{reader.title}** (`{reader.name}`) | {reader.recognised_by} "
        f"| {reader.step} | {reader.epoch} | {reader.learning_rate} |"
        for reader in sorted(all_readers(), key=lambda reader: reader.name)
    ]
    return "\n".join(head + rows)


def readme_output() -> str:
    """The README's example command and what it prints."""
    import os
    from unittest import mock

    from click.testing import CliRunner

    from analyzer.cli import main as group

    here = os.getcwd()
    os.chdir(ROOT)
    try:
        with mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"}):
            result = CliRunner().invoke(group, README_COMMAND.split()[1:])
    finally:
        os.chdir(here)
    return f"```console\n$ {README_COMMAND}\n{result.output.rstrip()}\n```"


def draw_figures() -> None:
    """The figure of the README, and of every rule: the charts of its first bad example."""
    import analyzer
    from analyzer.renderers.figures import KINDS, NothingToDraw, draw

    shown = analyzer.check(ROOT / "fixtures" / "runs" / "accelerate-scheduler-stepped-twice").runs[0]
    (DOCS / "img" / "readme.png").write_bytes(draw(shown, kind="overview", output="png", dots_per_inch=130))

    kinds = {"EPO": "epoch", "SCH": "schedule", "LOS": "loss", "GRD": "loss"}
    for rule in catalogue():
        with tempfile.TemporaryDirectory() as folder:
            reports = audit_example(rule.bad[0], Path(folder)) if rule.bad else []
            marked = [report for report in reports if any(finding.code == rule.code for finding in report.findings)]
            for kind in (kinds.get(rule.code[:3], "overview"), "overview") if marked else ():
                assert kind in KINDS
                try:
                    named = replace(marked[0], run=replace(marked[0].run, name=rule.bad[0].title))
                    picture = draw(named, kind=kind, output="png", dots_per_inch=130)
                except NothingToDraw:
                    continue
                target = DOCS / "rules" / "img" / f"{rule.code}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(picture)
                break


if __name__ == "__main__":
    sys.exit(main())
