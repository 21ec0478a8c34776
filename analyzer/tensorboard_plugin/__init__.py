"""A tab in TensorBoard: the runs of its log directory with verdicts, findings, evidence rows and clocks.

TensorBoard finds it by its entry point and imports this module when it starts, so nothing heavy is imported here.
The tab is the page of ``analyzer report``: the same script, style and templates, served as files, because
TensorBoard's content security policy allows no script inside a document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tensorboard.plugins.base_plugin import FrontendMetadata, TBContext, TBPlugin

if TYPE_CHECKING:
    from werkzeug.wrappers import Request, Response

    from analyzer.tensorboard_plugin.audits import Audits

FILES = {
    "/index.js": ("tensorboard.js", "text/javascript"),
    "/charts.js": ("charts.js", "text/javascript"),
    "/page.js": ("page.js", "text/javascript"),
    "/uplot.js": ("uplot.min.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/uplot.css": ("uplot.min.css", "text/css"),
}
"""Route -> file of the page and its type."""


class AnalyzerPlugin(TBPlugin):
    """Audits beside the scalars that they are about."""

    plugin_name = "analyzer"

    def __init__(self, context: TBContext) -> None:
        self._logdir: str | None = context.logdir
        self._spec: str | None = getattr(context.flags, "logdir_spec", None)

    @cached_property
    def audits(self) -> Audits:
        """What is known of the log directory; made when the tab is opened for the first time."""
        from analyzer.tensorboard_plugin.audits import Audits, roots_of

        return Audits(roots_of(self._logdir, self._spec))

    def is_active(self) -> bool:
        return bool(self._logdir or self._spec)

    def frontend_metadata(self) -> FrontendMetadata:
        return FrontendMetadata(es_module_path="/index.js", tab_name="Analyzer", disable_reload=False)

    def get_plugin_apps(self) -> Mapping[str, Callable[..., Any]]:
        answers = {"/state": self._state, "/overview": self._overview, "/run": self._run}
        return {route: application(answer) for route, answer in (dict.fromkeys(FILES, self._file) | answers).items()}

    def _file(self, request: Request) -> tuple[str | dict[str, Any], str, int]:
        from analyzer.renderers.html_report import asset

        name, kind = FILES["/" + request.path.rpartition("/")[2]]
        return asset(name), kind, 200

    def _state(self, request: Request) -> tuple[str | dict[str, Any], str, int]:
        self.audits.wake()
        return self.audits.state(), "application/json", 200

    def _overview(self, request: Request) -> tuple[str | dict[str, Any], str, int]:
        return self.audits.overview(), "text/html", 200

    def _run(self, request: Request) -> tuple[str | dict[str, Any], str, int]:
        section = self.audits.section(request.args.get("anchor", ""))
        return ("", "text/plain", 404) if section is None else (section, "text/html", 200)


def application(answer: Callable[[Any], tuple[Any, str, int]]) -> Callable[..., Any]:
    """A WSGI application that answers with what a function gives: content, its type and a status."""

    def respond(environ: Any, start_response: Any) -> Any:
        from tensorboard.backend.http_util import Respond
        from werkzeug.wrappers import Request

        request = Request(environ)
        content, kind, status = answer(request)
        found: Response = Respond(request, content, kind, code=status)
        return found(environ, start_response)

    return respond
