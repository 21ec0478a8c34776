"""A report to a file: which format an ending means, and files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

from analyzer.model import Report
from analyzer.renderers import ENDINGS, Look, all_renderers, renderer_named
from analyzer.spelling import did_you_mean
from analyzer.whole_files import whole_file


def save(report: Report, path: str | Path, form: str | None = None) -> None:
    """Render a report in the named format, or in that of the path's ending, and put it in place.

    Raises:
        ValueError: for an ending or a format that nobody knows.
        OSError: when the file cannot be written, or is one of the audited logs.
    """
    path = Path(path)
    name = form or ENDINGS.get(path.suffix.lower())
    if name is None:
        raise ValueError(f"{path}: no format is known by this ending; take one of {', '.join(ENDINGS)}, or say form=")
    try:
        renderer = renderer_named(name)
    except KeyError:
        known = sorted(all_renderers())
        hint = did_you_mean(name, known, otherwise=f"formats: {', '.join(known)}")
        raise ValueError(f"form={name!r}: there is no such format; {hint}") from None
    content = renderer.render(report, Look(width=100))
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with whole_file(path, spared=(source.path for one in report.runs for source in one.run.sources)) as stream:
        stream.write(data)
