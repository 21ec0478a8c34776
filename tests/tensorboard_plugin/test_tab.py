"""The tab in a real TensorBoard on loopback: what it serves, and what a browser makes of it."""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from analyzer.tensorboard_plugin import FILES, AnalyzerPlugin
from analyzer.tensorboard_plugin.audits import Audits, roots_of

from ..event_files import write_events
from ..renderers.test_html_report import COLOURED, browser, outline  # noqa: F401  (a fixture)

HOSTILE = "<img src=x onerror=alert(1)>"
WRITTEN = 1_700_000_000  # long ago: the runs have ended


def spiked(folder: Path, *, steps: int = 200, spike: int = 120, tag: str = "train/loss") -> Path:
    """A falling loss with one row far off it."""
    rows = [
        (step, {tag: 2.0 / (1 + step / 50) * (6.0 if step == spike else 1 + 0.01 * (step % 3))})
        for step in range(1, steps + 1)
    ]
    path = write_events(folder, rows)
    os.utime(path, (WRITTEN, WRITTEN))
    return path


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Audits]]:
    """Address of a TensorBoard that shows three runs, one of a hostile name, and the audits behind its tab."""
    from tensorboard import default, program

    logs = tmp_path_factory.mktemp("logs")
    spiked(logs / "spiked")
    spiked(logs / "sound", spike=0)
    spiked(logs / HOSTILE, tag=f"loss/{HOSTILE}")
    made: list[AnalyzerPlugin] = []

    class Kept(AnalyzerPlugin):
        def __init__(self, context: Any) -> None:
            super().__init__(context)
            made.append(self)

    others = [one for one in default.get_plugins() if getattr(one, "plugin_name", "") != "analyzer"]
    server = program.TensorBoard(plugins=[*others, Kept])
    server.configure(
        argv=["tensorboard", "--logdir", str(logs), "--host", "127.0.0.1", "--port", "0", "--load_fast", "false"]
    )
    address = server.launch().rstrip("/")
    fetched(address, "/data/plugin/analyzer/state")  # somebody looks
    assert made[0].audits.settled(120)
    yield address, made[0].audits


def fetched(address: str, route: str) -> tuple[str, dict[str, str]]:
    with urllib.request.urlopen(address + route, timeout=60) as answer:
        return answer.read().decode(), {name.lower(): value for name, value in answer.headers.items()}


def test_the_tab_is_listed_and_its_module_is_served(board: tuple[str, Audits]) -> None:
    address, _ = board
    listed = json.loads(fetched(address, "/data/plugins_listing")[0])["analyzer"]
    assert (listed["enabled"], listed["tab_name"]) == (True, "Analyzer")
    module = fetched(address, listed["loading_mechanism"]["module_path"])[0]
    assert "export async function render()" in module


@pytest.mark.parametrize("route", sorted(FILES))
def test_every_file_is_served_as_what_it_is(route: str, board: tuple[str, Audits]) -> None:
    text, headers = fetched(board[0], f"/data/plugin/analyzer{route}")
    assert headers["content-type"].startswith(FILES[route][1]) and len(text) > 500


def test_runs_are_told_worst_first_under_the_names_that_tensorboard_gives_them(board: tuple[str, Audits]) -> None:
    state = json.loads(fetched(board[0], "/data/plugin/analyzer/state")[0])
    assert not state["auditing"] and len(state["runs"]) == 3
    assert {name for one in state["runs"] for name in one["hosts"]} == {"spiked", "sound", HOSTILE}
    assert state["runs"][-1]["name"] == "sound" and state["runs"][-1]["counts"].startswith("nothing found, ")
    assert {one["verdict"] for one in state["runs"][:2]} == {"suspicious"}


def test_a_section_has_findings_rows_and_curves(board: tuple[str, Audits]) -> None:
    address, _ = board
    run = next(
        one for one in json.loads(fetched(address, "/data/plugin/analyzer/state")[0])["runs"] if one["name"] == "spiked"
    )
    section, headers = fetched(address, f"/data/plugin/analyzer/run?anchor={run['anchor']}")
    assert "LOS001" in section and "events.out.tfevents" in section and f'id="{run["anchor"]}-numbers"' in section
    allowed = re.search(r"script-src ([^;]*)", headers["content-security-policy"])
    assert allowed and "'unsafe-inline'" not in allowed.group(1) and "http" not in allowed.group(1)


def test_no_section_runs_a_script_and_hostile_names_stay_text(board: tuple[str, Audits]) -> None:
    address, _ = board
    anchors = [one["anchor"] for one in json.loads(fetched(address, "/data/plugin/analyzer/state")[0])["runs"]]
    pages = [fetched(address, f"/data/plugin/analyzer/run?anchor={anchor}")[0] for anchor in anchors]
    for page in [*pages, fetched(address, "/data/plugin/analyzer/overview")[0]]:
        for tag, attributes in outline(page):
            assert tag != "img" and not any(name.startswith("on") for name in attributes)
            assert tag != "script" or attributes["type"] in ("application/json", "text/plain")


def test_a_run_that_is_not_there_is_not_found(board: tuple[str, Audits]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetched(board[0], "/data/plugin/analyzer/run?anchor=run-99")


def test_only_what_has_changed_is_audited_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analyzer.tensorboard_plugin import audits as module

    audited: list[str] = []
    whole = module.audit_group

    def counted(group: Any, *others: Any, **more: Any) -> Any:
        audited.append(group.name)
        return whole(group, *others, **more)

    monkeypatch.setattr(module, "audit_group", counted)
    spiked(tmp_path / "a")
    spiked(tmp_path / "b")
    audits = Audits({"": tmp_path})
    audits.look()
    stamps = {one["name"]: one["stamp"] for one in audits.state()["runs"]}
    audits.look()
    assert sorted(audited) == ["a", "b"]
    spiked(tmp_path / "b", steps=260)
    audits.look()
    assert sorted(audited) == ["a", "b", "b"]
    again = {one["name"]: one["stamp"] for one in audits.state()["runs"]}
    assert again["a"] == stamps["a"] and again["b"] > stamps["b"]
    next((tmp_path / "a").iterdir()).unlink()
    audits.look()
    assert [one["name"] for one in audits.state()["runs"]] == ["b"]


def test_a_run_that_goes_on_is_not_called_short(tmp_path: Path) -> None:
    """While a log is being written its last epoch is short; once nothing is written any more it is asked again."""
    path = spiked(tmp_path / "a")
    clock = [WRITTEN + 5.0]
    audits = Audits({"": tmp_path}, now=lambda: clock[0])
    audits.look()
    assert [entry.live for entry in audits._entries.values()] == [True]
    clock[0] += 10_000
    audits.look()
    assert [entry.live for entry in audits._entries.values()] == [False] and path.exists()


@pytest.mark.parametrize(
    ("logdir", "spec", "roots"),
    [
        ("/runs", "", {"": "/runs"}),
        (None, "a:/x,b:/y", {"a": "/x", "b": "/y"}),
        (None, "/x", {"/x": "/x"}),
        (None, "gs://bucket/x", {"gs://bucket/x": "gs:/bucket/x"}),
        (None, None, {}),
    ],
)
def test_folders_as_tensorboard_takes_them(logdir: str | None, spec: str | None, roots: dict[str, str]) -> None:
    assert {name: path.as_posix() for name, path in roots_of(logdir, spec).items()} == roots


def test_the_entry_point_is_declared() -> None:
    import tomllib

    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert declared["project"]["entry-points"]["tensorboard_plugins"] == {
        "analyzer": f"{AnalyzerPlugin.__module__}:{AnalyzerPlugin.__qualname__}"
    }


def test_the_tab_works_in_a_real_browser(board: tuple[str, Audits], browser: Any) -> None:  # noqa: F811
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select, WebDriverWait

    address, _ = board
    browser.get(f"{address}/#analyzer&p.analyzer.run=spiked")
    wait = WebDriverWait(browser, 60)
    frame = wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "iframe"))[0]
    browser.switch_to.frame(frame)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "section.run .chart canvas"))
    names = [link.text for link in browser.find_elements(By.CSS_SELECTOR, "#index a")]
    assert sorted(names) == sorted(["spiked", "sound", HOSTILE])
    spiked_anchor = next(link for link in browser.find_elements(By.CSS_SELECTOR, "#index a") if link.text == "spiked")
    anchor = (spiked_anchor.get_dom_attribute("href") or "").removeprefix("#")
    in_view = (
        "const top = document.getElementById(arguments[0]).getBoundingClientRect().top; return scrollY && top < 400"
    )
    wait.until(lambda b: b.execute_script(in_view, anchor))  # the address names the run: it is shown
    chart = browser.find_element(By.CSS_SELECTOR, f"#{anchor} .chart")
    axis = Select(browser.find_element(By.CSS_SELECTOR, f"#{anchor} select.axis"))
    wait.until(lambda b: "time" in [option.text for option in axis.options])
    for unit in ("time", "step"):
        axis.select_by_visible_text(unit)
        assert wait.until(lambda b: b.execute_script(COLOURED, chart)), unit
    last = browser.find_elements(By.CSS_SELECTOR, "#index a")[-1]  # the runs above it are drawn on the way there
    browser.execute_script("scrollTo(0, 0); arguments[0].click()", last)
    wait.until(lambda b: len(b.find_elements(By.CSS_SELECTOR, "section.run[data-filled]")) == len(names))
    of_last = (last.get_dom_attribute("href") or "").removeprefix("#")
    here = (
        "const own = document.getElementById(arguments[0]).getBoundingClientRect();"
        " return own.top < innerHeight / 2 && own.bottom > 0"
    )
    assert wait.until(lambda b: b.execute_script(here, of_last))
    for tick in browser.find_elements(By.CSS_SELECTOR, "#index input.lay"):
        browser.execute_script("arguments[0].click()", tick)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#overlay canvas"))
    assert not browser.execute_script("return document.querySelectorAll('img').length")
    said = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [message for message in said if "plugin" in message or "Content Security" in message], said
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in sent if event["method"] == "Network.requestWillBeSent"]
    own = [url for url in urls if "/plugin/analyzer/" in url]
    assert own and all(re.match(r"http://(127\.0\.0\.1|localhost)[:/]", url) for url in own)


TICKS = base64.b64encode(json.dumps({"spiked": False}).encode()).decode()


@pytest.mark.parametrize(
    ("there", "shown"),
    [
        pytest.param("/#analyzer", {"spiked", "sound", HOSTILE}, id="nothing is selected: all"),
        pytest.param("/?runFilter=SPIK#analyzer", {"spiked"}, id="the filter of time series"),
        pytest.param(f"/#analyzer&runSelectionState={quote(TICKS)}", {"sound", HOSTILE}, id="a tick taken away"),
        pytest.param("/#analyzer&regexInput=^s", {"spiked", "sound"}, id="the filter of scalars"),
        pytest.param("/?runFilter=%5B#analyzer", {"spiked", "sound", HOSTILE}, id="no regular expression"),
    ],
)
def test_what_is_selected_in_tensorboard_is_what_is_shown(
    there: str,
    shown: set[str],
    board: tuple[str, Audits],
    browser: Any,  # noqa: F811
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def visible() -> set[str]:
        return {link.text for link in browser.find_elements(By.CSS_SELECTOR, "#index a") if link.is_displayed()}

    browser.get(board[0] + there)
    wait = WebDriverWait(browser, 60)
    browser.switch_to.frame(wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "iframe"))[0])
    wait.until(lambda b: visible() == shown)
    said = browser.find_element(By.ID, "selected")
    assert said.is_displayed() == (len(shown) < 3)
    if len(shown) < 3:
        browser.execute_script("arguments[0].click()", said.find_element(By.TAG_NAME, "button"))
        wait.until(lambda b: len(visible()) == 3)
