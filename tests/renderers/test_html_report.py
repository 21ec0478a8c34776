"""The page is self-contained, escapes what comes from a log, and carries rows and files of every point."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from analyzer.checking import Request, check
from analyzer.model import Problem, Report
from analyzer.renderers.html_report import render, with_code
from analyzer.renderers.page_parts import script_json, sparkline_path

from .test_chart_data import array_of
from .test_figures import finding, report_of

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'\x1b[31m\u202e]]>"


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def outline(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Outline()
    parser.feed(page)
    return parser.tags


@pytest.fixture
def page(tmp_path: Path) -> str:
    one = report_of(tmp_path, [finding("LOS001", 40)], name=HOSTILE)
    hostile = replace(finding("EPO001", 20), message=HOSTILE, help=HOSTILE, consequences=(HOSTILE,))
    two = replace(one, run=replace(one.run, name="second"), findings=(hostile,))
    unreadable = (Problem(source=HOSTILE, kind="unreadable", message=HOSTILE),)
    return render(Report(runs=(one, two), unreadable=unreadable, version="0"))


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    for tag, attributes in outline(page):
        for name in ("src", "href"):
            target = attributes.get(name) or ""
            assert target.startswith(("data:", "#")) or not target, (tag, target[:80])


def test_hostile_names_stay_text(page: str) -> None:
    images = [attributes for tag, attributes in outline(page) if tag == "img"]
    assert all((image.get("src") or "").startswith("data:image/png") for image in images)
    assert not any("onerror" in attributes for _, attributes in outline(page))
    assert page.count("</script>") == page.count("<script")


def test_chart_data_carry_file_and_row(page: str) -> None:
    text = re.search(r'<script type="application/json" id="run-1-charts">(.*?)</script>', page, re.S)
    assert text
    payload = json.loads(text.group(1))
    numbers = re.search(r'<script type="text/plain" id="run-1-numbers">(.*?)</script>', page, re.S)
    assert numbers
    data = zlib.decompress(base64.b64decode(numbers.group(1)))
    line = payload["charts"][0]["lines"][0]
    source, row, step = (
        array_of(data, *payload["arrays"][at]) for at in (line["source"], line["row"], line["x"]["step"])
    )
    assert payload["sources"][int(source[0])].endswith("log.csv")
    assert row[:3] == [2, 3, 4]
    assert step[:3] == [1, 2, 3]


def test_index_lists_every_run_worst_first(page: str) -> None:
    anchors = re.findall(r'<td class="path"><a href="#(run-\d+)">', page)
    assert sorted(anchors) == ["run-1", "run-2"]


@pytest.mark.parametrize("value", ["</script>", "<!--", "]]>", "&amp;"])
def test_script_json_cannot_end_its_element(value: str) -> None:
    text = str(script_json({"tag": value}))
    assert "<" not in text and json.loads(text) == {"tag": value}


@pytest.mark.parametrize(
    ("values", "empty"), [([], True), ([1.0], True), ([1.0, 1.0], False), ([3.0, 1.0, 2.0], False)]
)
def test_sparkline(values: list[float], empty: bool) -> None:
    import numpy as np

    assert (sparkline_path(np.array(values)) == "") is empty


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A real headless Chromium that records console messages and requests."""
    driver = shutil.which("chromedriver")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if driver is None or chromium is None:
        pytest.skip("no Chromium with its driver on this machine")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-sync",
        "--disable-component-update",
        "--no-first-run",
        "--window-size=1200,1600",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    one = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield one
    one.quit()


COLOURED = """
const canvas = arguments[0].querySelector("canvas");
const ink = getComputedStyle(document.documentElement).getPropertyValue("--c0").trim();
const colour = ink.slice(1).match(/../g).map((pair) => parseInt(pair, 16));
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
const alike = (i) => data[i + 3] > 200 && colour.every((part, k) => Math.abs(data[i + k] - part) < 12);
let near = 0;
for (let i = 0; i < data.length; i += 4) near += alike(i);
return near > 100;
"""
"""Whether a chart holds more than a hundred pixels of its first curve's colour."""


def test_page_works_in_a_real_browser(page: str, tmp_path: Path, browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select, WebDriverWait

    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    browser.get(f"file://{tmp_path / 'page.html'}")
    wait = WebDriverWait(browser, 20)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, ".chart canvas"))

    chart = browser.find_elements(By.CSS_SELECTOR, "section.run .chart")[0]
    over = chart.find_element(By.CSS_SELECTOR, ".u-over")
    ActionChains(browser).move_to_element(over).perform()
    tip = wait.until(lambda b: chart.find_element(By.CSS_SELECTOR, ".tip").text)
    assert re.search(r"step \d+", tip) and "log.csv, row" in tip

    def tick_labels(of: Any = chart) -> str:
        return str(browser.execute_script("return arguments[0].querySelector('canvas').toDataURL()", of))

    beside = browser.find_elements(By.CSS_SELECTOR, "section.run .chart")[1]
    before, before_beside = tick_labels(), tick_labels(beside)
    chart.send_keys("+")
    chart.send_keys(Keys.ARROW_RIGHT)
    zoomed = wait.until(lambda b: tick_labels() != before and tick_labels())
    wait.until(lambda b: tick_labels(beside) != before_beside)  # one zoom for all charts of a run
    chart.send_keys("0")
    wait.until(lambda b: tick_labels() != zoomed)
    wait.until(lambda b: tick_labels(beside) == before_beside)

    units = Select(browser.find_elements(By.CSS_SELECTOR, "select.axis")[0])
    for unit in [option.text for option in units.options]:  # over each axis a curve is drawn: its colour is there
        units.select_by_visible_text(unit)
        assert wait.until(lambda b: browser.execute_script(COLOURED, chart)), unit
    units.select_by_visible_text("step")
    box = browser.find_elements(By.CSS_SELECTOR, "#filter")[0]
    box.send_keys("EPO001")
    wait.until(lambda b: sum(row.is_displayed() for row in b.find_elements(By.CSS_SELECTOR, "#index tbody tr")) == 1)
    box.clear()
    box.send_keys(Keys.SPACE)
    rules = Select(browser.find_element(By.ID, "rule"))
    rules.select_by_value("LOS001")
    wait.until(lambda b: sum(row.is_displayed() for row in b.find_elements(By.CSS_SELECTOR, "#index tbody tr")) == 1)
    rules.select_by_value("")
    for tick in browser.find_elements(By.CSS_SELECTOR, "#index input.lay"):
        tick.click()
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#overlay canvas"))
    assert [label.text for label in browser.find_elements(By.CSS_SELECTOR, "#overlay .series label")][-1] == "log axis"
    tags = Select(browser.find_element(By.ID, "overlay-tag"))
    assert [option.text for option in tags.options][:2] == ["training loss", "learning rate"]  # whatever its tag
    axes = Select(browser.find_element(By.ID, "overlay-axis"))
    assert "updates" in [option.text for option in axes.options]
    refused = next(option for option in axes.options if option.text.startswith("tokens"))
    assert not refused.is_enabled() and "declare tokens_per_step" in refused.text  # the reason stands beside it
    laid = Select(browser.find_elements(By.CSS_SELECTOR, "select.laid")[0])
    laid.select_by_value("lr")
    wait.until(lambda b: "lr" in chart.find_element(By.XPATH, "following-sibling::div").text)
    link = browser.find_elements(By.CSS_SELECTOR, "article.finding a.rule")[0]
    browser.execute_script("arguments[0].click()", link)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#rules details[open] h4"))
    browser.find_element(By.ID, "theme").click()

    assert not [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in sent if event["method"] == "Network.requestWillBeSent"]
    assert not [url for url in urls if url.startswith(("http", "ws", "ftp"))]  # the browser's own pages are chrome:


def test_a_long_run_takes_few_bytes(tmp_path: Path) -> None:
    """2,000 rows of loss, rate, norm and time in 50 kB: sixty such runs make a page of three megabytes."""
    import numpy as np

    from analyzer.auditing import audit_run
    from analyzer.config.declared import merge
    from analyzer.discovery import discover

    noise = np.random.default_rng(5)
    step = np.arange(1, 2001)
    loss = 0.5 + 2.5 * np.exp(-step / 600) + noise.normal(0, 0.03, 2000)
    rate, norm = 3e-4 * (1 - step / 2000), noise.lognormal(0, 0.2, 2000)
    seconds = 1.7e9 + np.cumsum(0.5 + noise.random(2000) * 0.05)
    lines = [
        f"{s},{(s - 1) // 100},{a:.5f},{b:.8g},{c:.4f},{t:.3f}"
        for s, a, b, c, t in zip(step, loss, rate, norm, seconds, strict=True)
    ]
    (tmp_path / "log.csv").write_text("\n".join(["step,epoch,loss,lr,grad_norm,wall_time", *lines]))
    run = discover([tmp_path]).runs[0]
    one = audit_run(run, merge(run.facts), select=())
    empty = len(render(Report(runs=(), version="0"), figures=False))
    assert len(render(Report(runs=(one,), version="0"), figures=False)) - empty < 50_000


def test_a_contradicted_fact_is_seen_without_opening_anything(tmp_path: Path) -> None:
    from analyzer.model import Fact, FactStatus

    one = report_of(tmp_path)
    facts = {"epochs": Fact(key="epochs", value=7, found_in="args.json")}
    timeline = replace(one.timeline, declared=replace(one.timeline.declared, facts=facts))
    said = {"epochs": FactStatus(status="contradicted", reason="the labels end at 5")}
    page = render(Report(runs=(replace(one, timeline=timeline, declared=said),), version="0"), figures=False)
    facts_of_run = page[page.index('<dl class="facts">') : page.index("</dl>")]
    assert "declared epochs = 7 (args.json): the labels end at 5" in facts_of_run


def test_a_run_that_few_rules_could_look_at_is_not_called_sound(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text("step,loss\n" + "".join(f"{s},{2 / s:.5f}\n" for s in range(1, 80)))
    page = render(check(Request(paths=(tmp_path,)), keep_series=True))
    assert ">no fault found</span>" in page and ">sound</span>" not in page and "checks not possible" in page
    assert '<th class="number"><button type="button" data-sort="number">Not checked</button></th>' in page
    assert ">Schedule</button>" not in page and ">Steps/epoch</button>" not in page  # no run has one
    assert "<b>0 errors</b>" in page and ">Final loss</button>" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call `step()` once", "call <code>step()</code> once"),
        ("``a`` and `b<c`", "<code>a</code> and <code>b&lt;c</code>"),
        ("a lone ` stays, <b> too", "a lone ` stays, &lt;b&gt; too"),
        ("nothing", "nothing"),
    ],
)
def test_code_in_the_text_of_a_rule(text: str, shown: str) -> None:
    assert str(with_code(text)) == shown
