"""The page in a real browser: no console errors, sorting, filtering, hostile text as text, accessibility."""

from __future__ import annotations

import csv
import json
import os
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tasks
from browser.chromium import MUST_RUN, NEEDS_IT, started
from labeltune.evaluation.evaluate import EvaluateOptions, evaluate
from labeltune.evaluation.report.page import format_html
from labeltune.task import parse_task

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTER = "\ue007"
"""The key, as WebDriver names it."""

pytestmark = NEEDS_IT

ROOT = Path(__file__).resolve().parents[2]
AXE = Path(os.environ.get("LABELTUNE_TEST_NODE", ROOT / ".ci" / "node"), "node_modules/axe-core/axe.min.js")
"""Put there by `npm install --prefix .ci/node axe-core`."""

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "{{ 7 * 7 }} {% raw %}",
    "\u202e[/red] `x` &lt;b&gt;",
]
SURE = re.compile(r"confidence (\S+)")
LABELS = [*HOSTILE, *(f"plain {number}" for number in range(10))]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it, about hostile labels, texts and file names."""
    folder = tmp_path_factory.mktemp("page")
    labels = json.dumps(LABELS)
    task = parse_task(
        tasks.INTENT_TOML.replace('["card_arrival", "Refund_not_showing_up", "lost card"]', labels)
    )
    random_ = random.Random(5)
    header = [
        *("text", "label", "predicted_intent", "problem", "confidence"),
        *(f"probability_{label}" for label in LABELS),
    ]
    for name, skill in (("<b>ours<b>.csv", 0.7), ("other.csv", 0.6)):
        source = random.Random(8)
        with (folder / name).open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(header)
            for number in range(300):
                label = source.choice(LABELS)
                said = label if random_.random() < skill else random_.choice(LABELS)
                shares = [random_.random() + 9 * (each == said) for each in LABELS]
                text = f"row {number} {HOSTILE[number % len(HOSTILE)]}"
                if number % 50 == 0:
                    writer.writerow([text, label, "", "off_list", "", *[""] * len(LABELS)])
                else:
                    writer.writerow(
                        [text, label, said, "", max(shares) / sum(shares), *(x / sum(shares) for x in shares)]
                    )
    figures = ({"step": step, "train_loss": 1 / step, "total_steps": 9} for step in range(1, 10))
    events = [{"message": HOSTILE[0], "metrics": {}}, *({"metrics": each} for each in figures)]
    (folder / "events.json").write_text(json.dumps({"events": events}), encoding="utf-8")
    options = EvaluateOptions(
        bootstrap=100,
        compare=(str(folder / "other.csv"),),
        errors=True,
        training=str(folder / "events.json"),
    )
    report = evaluate(str(folder / "<b>ours<b>.csv"), task, options)
    path = folder / "report.html"
    path.write_text(format_html(report), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with started(tmp_path_factory.mktemp("browser")) as driver:
        driver.get(page.as_uri())
        yield driver


def all_of(browser: Any, selector: str) -> list[Any]:
    found: list[Any] = browser.find_elements("css selector", selector)
    return found


def test_it_renders_without_console_errors_and_runs_nothing_of_the_data(browser: Any, page: Path) -> None:
    assert browser.get_log("browser") == []
    assert browser.execute_script("return window.hacked") is None
    assert all_of(browser, "main img, main b") == []
    headings = [heading.text for heading in all_of(browser, "section > h2")]
    assert headings == [
        "Summary",
        f"Against {page.with_name('other.csv')}",
        "intent",
        "Confidence",
        "Training",
        "Wrong rows",
    ]
    assert len(all_of(browser, "#training ~ .charts polyline")) == 1
    assert len(all_of(browser, "details .text")) > 0
    names = [cell.text for cell in all_of(browser, "table.labels tbody td:first-child")]
    assert [name for name in names if name.startswith("<script>")] == [HOSTILE[0]]
    assert "<b>ours<b>.csv" in all_of(browser, "h1")[0].text


def test_nothing_is_loaded_from_anywhere(browser: Any, page: Path) -> None:
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(x => x.name)")
    assert loaded == []
    policy = all_of(browser, "meta[http-equiv=Content-Security-Policy]")[0].get_attribute("content")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    # Script that is not the page's own does not run.
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 2'; document.body.append(s)"
    )
    assert browser.execute_script("return window.hacked") is None
    browser.get_log("browser")


def test_the_table_of_labels_sorts(browser: Any) -> None:
    buttons = all_of(browser, "table.labels th button")

    def column(place: int) -> list[str]:
        return [cell.text for cell in all_of(browser, f"table.labels tbody td:nth-child({place})")]

    def order(button: Any) -> str | None:
        found: str | None = button.find_element("xpath", "..").get_attribute("aria-sort")
        return found

    f1 = next(button for button in buttons if button.text == "F1")
    worst_first = column(2)
    assert worst_first == sorted(worst_first, key=float)
    assert [order(button) for button in buttons[:4]] == [None, "ascending", None, None]
    f1.send_keys(ENTER)
    assert column(2) == sorted(worst_first, key=float, reverse=True)
    assert order(f1) == "descending"
    rows = next(button for button in buttons if button.text == "rows")
    rows.click()
    assert column(6) == sorted(column(6), key=int)
    assert [order(f1), order(rows)] == [None, "ascending"]


def test_headings_that_sort_look_like_it_before_they_are_pressed(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    arrows = browser.execute_script(
        "return [...document.querySelectorAll('table.labels th button')]"
        ".map(x => getComputedStyle(x, '::after').content)"
    )
    assert arrows[:3] == ['" ↕"', '" ▲"', '" ↕"']
    assert browser.execute_script(
        "return [...document.querySelectorAll('th:not(:has(button))')]"
        ".every(x => getComputedStyle(x, '::after').content === 'none')"
    )


def test_tooltips_of_the_map_hold_whole_names(browser: Any) -> None:
    titles = browser.execute_script(
        "return [...document.querySelectorAll('.cells title')].map(x => x.textContent)"
    )
    longest = max(LABELS, key=len)
    assert len(longest) > 28
    assert any(title.startswith(f"{longest} → ") for title in titles)
    names = browser.execute_script(
        "return [...document.querySelectorAll('.left title')].map(x => x.textContent)"
    )
    assert names == LABELS


def test_each_metric_is_explained_where_it_stands(browser: Any) -> None:
    rows = [row.text for row in all_of(browser, "#summary ~ .wide .figures tbody td:first-child")]
    assert rows[0].split("\n") == ["accuracy", "rows with the right label"]
    assert [row for row in rows if "\n" not in row] == []
    assert [row.split("\n")[0] for row in rows][-2:] == ["kappa", "mcc"]


def test_confusions_of_one_row_are_folded(browser: Any) -> None:
    [folded] = [each for each in all_of(browser, "details") if "of one row each" in each.text]
    assert folded.get_attribute("open") is None
    counts = browser.execute_script(
        "return [...document.querySelectorAll('table.confused')].map(t => "
        "[!!t.closest('details'), [...t.tBodies[0].rows].map(r => Number(r.cells[2].textContent))])"
    )
    assert {hidden: min(found) > 1 for hidden, found in counts} == {False: True, True: False}
    assert {hidden: max(found) == 1 for hidden, found in counts}[True]


def test_wrong_rows_are_filtered_and_searched(browser: Any) -> None:
    from selenium.webdriver.support.ui import Select

    def texts() -> list[str]:
        return [each.text for each in all_of(browser, "#errors .text")]

    browser.refresh()
    everything = len(json.loads(all_of(browser, "#data")[0].get_attribute("textContent"))["rows"])
    assert len(texts()) == 50
    sure = [
        float(found[1]) for each in all_of(browser, "#errors .where") if (found := SURE.search(each.text))
    ]
    assert len(sure) > 10
    assert sure == sorted(sure, reverse=True)
    all_of(browser, "#more")[0].click()
    assert len(texts()) == min(everything, 100)
    search = all_of(browser, "#search")[0]
    search.send_keys("ROW 50 ")
    assert len(texts()) == 1
    assert texts()[0].startswith("row 50 <script>")
    assert "1 of" in all_of(browser, "#count")[0].text
    search.clear()
    search.send_keys(" ")
    kind = Select(all_of(browser, "#kind")[0])
    kind.select_by_value("invalid")
    assert len(texts()) == 6
    kind.select_by_value("missed")
    label = Select(all_of(browser, "#label")[0])
    label.select_by_visible_text(HOSTILE[0])
    shown = all_of(browser, "#errors > li")
    assert shown
    assert all(f"missed: {HOSTILE[0]}" in each.text for each in shown)


@pytest.fixture(scope="module")
def two_levels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about two fields, compared with two others."""
    folder = tmp_path_factory.mktemp("two")
    labels = [("Order Management", "Tracking"), ("Billing", "Refund"), ("Billing", "Invoice")]
    for name in ("p.csv", "q.csv", "r.csv"):
        source = random.Random(name)
        with (folder / name).open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            names = [field.name for field in tasks.INQUIRY.fields]
            writer.writerow(["inquiry", *names, *(f"predicted_{name}" for name in names), "confidence"])
            for number in range(60):
                true, said = labels[number % 3], source.choice(labels)
                writer.writerow([f"inquiry {number}", *true, *said, source.random()])
    others = tuple(str(folder / name) for name in ("q.csv", "r.csv"))
    options = EvaluateOptions(bootstrap=20, compare=others, errors=True)
    path = folder / "report.html"
    path.write_text(format_html(evaluate(str(folder / "p.csv"), tasks.INQUIRY, options)), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["page", "two_levels"])
def test_accessibility(browser: Any, request: pytest.FixtureRequest, which: str, scheme: str) -> None:
    if not (AXE.is_file() or MUST_RUN):
        pytest.skip("needs axe-core")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(request.getfixturevalue(which).as_uri())
    browser.execute_script("for (const x of document.querySelectorAll('details')) x.open = true")
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    violations = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(x => done(x.violations.map("
        "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200)).join(' | '))))"
    )
    assert violations == []


def test_names_beside_the_map_are_whole_in_their_margin(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    outside = browser.execute_script(
        "const left = document.querySelector('.heat .left').getBoundingClientRect().left;"
        "return [...document.querySelectorAll('.left text')]"
        ".filter(x => x.getBoundingClientRect().left < left).map(x => x.textContent)"
    )
    assert outside == []


@pytest.mark.parametrize("width", [360, 414])
def test_nothing_is_cut_on_a_phone(browser: Any, page: Path, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        browser.get(page.as_uri())
        browser.execute_script("for (const x of document.querySelectorAll('details')) x.open = true")
        too_wide = browser.execute_script(
            "const end = arguments[0] + 1; return [...document.querySelectorAll('body *')]"
            ".filter(x => x.getBoundingClientRect().right > end && !x.closest('.wide, svg'))"
            ".map(x => x.outerHTML.slice(0, 200))",
            width,
        )
        assert too_wide == []
        # What is wider scrolls in a frame of its own, never the page.
        assert browser.execute_script("return document.documentElement.scrollWidth") == width
        frames = browser.execute_script(
            "return [...document.querySelectorAll('.wide')].every(x => "
            "x.scrollWidth <= x.clientWidth || getComputedStyle(x).overflowX === 'auto')"
        )
        assert frames
        # The figures with their explanations need no scrolling at all.
        assert browser.execute_script(
            "return [...document.querySelectorAll('.wide:has(.figures)')].every(x => "
            "x.scrollWidth <= x.clientWidth && x.scrollHeight <= x.clientHeight)"
        )
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_paper_the_map_is_whole(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    try:
        browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        cut = browser.execute_script(
            "return [...document.querySelectorAll('.map')].filter(x => "
            "getComputedStyle(x).overflow !== 'visible' || getComputedStyle(x).maxHeight !== 'none' || "
            "x.querySelector('.heat').getBoundingClientRect().width > 720).length"
        )
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert cut == 0


def test_words_that_decided_are_shown_as_text(browser: Any, tmp_path: Path) -> None:
    """Where a row has reasons; `reasons` of a row in a report is what fills them."""
    task = parse_task(tasks.INTENT_TOML)
    with (tmp_path / "p.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "label", "predicted_intent", "confidence"])
        writer.writerows(
            [["one", "card_arrival", "lost card", 0.5], ["two", "card_arrival", "lost card", 0.9]]
        )
    report = evaluate(str(tmp_path / "p.csv"), task, EvaluateOptions(bootstrap=0, errors=True))
    with_reasons = replace(report.rows[2], reasons=((HOSTILE[0], 1.234), ("not", -0.5)))
    reasoned = replace(report, rows={**report.rows, 2: with_reasons})
    path = tmp_path / "reasons.html"
    path.write_text(format_html(reasoned), encoding="utf-8")
    assert HOSTILE[0] not in path.read_text(encoding="utf-8")
    browser.get(path.as_uri())
    assert [each.text for each in all_of(browser, "#errors .text")] == ["two", "one"]
    [shown] = all_of(browser, "#errors .reasons")
    assert shown.text == f"decided by {HOSTILE[0]} +1.23 not −0.50"
    assert [each.text for each in all_of(browser, ".reason.against")] == ["not −0.50"]
    assert browser.get_log("browser") == []
    path.write_text(format_html(reasoned.without_texts()), encoding="utf-8")
    browser.refresh()
    assert all_of(browser, "#errors .reasons, #errors .text") == []
    assert len(all_of(browser, "#errors > li")) == 2


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A page about 150 labels."""
    labels = [f"intent about topic number {number}" for number in range(150)]
    task = parse_task(
        tasks.INTENT_TOML.replace(
            '["card_arrival", "Refund_not_showing_up", "lost card"]', json.dumps(labels)
        )
    )
    source = random.Random(1)
    with (tmp_path / "many.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "label", "predicted_intent"])
        for number in range(600):
            label = labels[number % 150]
            writer.writerow(["text", label, label if source.random() < 0.8 else source.choice(labels)])
    path = tmp_path / "many.html"
    report = evaluate(str(tmp_path / "many.csv"), task, EvaluateOptions(bootstrap=0))
    path.write_text(format_html(report), encoding="utf-8")
    return path


def test_a_heat_map_of_150_labels_keeps_its_names_in_sight(browser: Any, many: Path) -> None:
    before = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        browser.get(many.as_uri())
        places = browser.execute_script(
            """
            const map = document.querySelector('.map'), of = x => map.querySelector(x).getBoundingClientRect();
            map.scrollTop = 700; map.scrollLeft = 600;
            const box = map.getBoundingClientRect(), top = of('.top'), left = of('.left'), cells = of('.cells');
            return {
              down: top.top - box.top, right: left.left - box.left, size: of('.cells rect').width,
              moved: [box.left - cells.left, box.top - cells.top],
              names: map.querySelectorAll('.left text').length, shown: box.width - left.width,
            };
            """
        )
        assert browser.get_log("browser") == []
    finally:
        browser.close()
        browser.switch_to.window(before)
    # The cells have gone to the left and up; the names stand at the edges still.
    assert min(places["moved"]) > 300
    assert (places["down"], places["right"]) == (pytest.approx(1, abs=1), pytest.approx(1, abs=1))
    assert places["size"] >= 14
    assert places["names"] == 150
    assert places["shown"] > 600
