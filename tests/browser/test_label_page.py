"""The page of `label` in a real browser, with real keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from browser.chromium import NEEDS_IT, started
from label_server import MULTI, NESTED, SINGLE, Labelling, start, write_table, written
from waiting import wait_until

pytestmark = NEEDS_IT

ROOT = Path(__file__).resolve().parents[2]
AXE = Path(os.environ.get("LABELTUNE_TEST_NODE", ROOT / ".ci" / "node"), "node_modules/axe-core/axe.min.js")
SHOTS = os.environ.get("LABELTUNE_TEST_SHOTS")
"""A folder for pictures of the page, for who wants to look at them."""


class Page:
    """The page as somebody sees it."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser = browser
        browser.get(url)

    def press(self, *keys: str) -> None:
        """Press keys, each once what the one before did is done."""
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def text(self, name: str) -> str:
        return str(
            self.browser.execute_script("return document.getElementById(arguments[0]).innerText", name)
        )

    def labels(self) -> list[str]:
        found: list[str] = self.browser.execute_script(
            "return [...document.querySelectorAll('#labels button span')].map(x => x.textContent)"
        )
        return found

    def pressed(self) -> list[str]:
        found: list[str] = self.browser.execute_script(
            "return [...document.querySelectorAll('#labels button[aria-pressed=true] span')].map(x => x.textContent)"
        )
        return found

    def wait(self, name: str, text: str) -> None:
        wait_until(lambda: text in self.text(name), lambda: self.text(name))

    def label(self, key: str) -> str:
        """Press a key and wait for the next row; the text of the row that it labelled."""
        before = self.text("row")
        self.press(key)
        wait_until(
            lambda: self.text("row") != before or not self.is_shown("desk"), lambda: self.text("problem")
        )
        return before

    def is_shown(self, name: str) -> bool:
        return bool(
            self.browser.execute_script(
                "return document.getElementById(arguments[0]).checkVisibility()", name
            )
        )

    def shot(self, name: str) -> None:
        if SHOTS:
            self.browser.save_screenshot(str(Path(SHOTS) / f"{name}.png"))

    def problems(self) -> list[Any]:
        """What the console says is wrong."""
        return [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]


@contextmanager
def labelling(folder: Path, *options: str) -> Iterator[Labelling]:
    server = start(folder, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    with started(tmp_path / "profile", "--window-size=1200,1000") as driver:
        yield driver


def test_one_key_labels_a_row_and_moves_on(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 40)
    with labelling(tmp_path, "--annotator", "ann") as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 40 answered")
        assert page.labels() == ["joy", "anger", "fear", "sadness"]
        page.shot("single")
        first = page.label("1")
        second = page.label("4")
        page.press(" ")
        page.wait("counts", "2 of 40 answered · 1 skipped")
        page.press("f")
        page.wait("counts", "1 flagged")
        flagged = page.label("2")
        page.wait("counts", "3 of 40 answered")
        assert page.text("status") == "Saved: anger"
        page.press("z")
        wait_until(lambda: page.text("row") == flagged)
        assert page.pressed() == ["anger"]
        page.press("z", "z", "z")
        wait_until(lambda: page.text("row") == first)
        page.wait("counts", "0 of 40 answered")
        page.press("z")
        page.wait("status", "There is nothing to undo")
        page.label("3")
        assert page.text("row") == second
        page.label("3")
        assert page.problems() == []
        browser.find_element("id", "write").click()
        page.wait("said", "labelled.csv: 2 answers written")
        rows = written(tmp_path / "labelled.csv")
        assert {row["text"]: row["emotion"] for row in rows} == {first: "fear", second: "fear"}
        assert {row["note"] for row in rows} == {"kept, as it is"}
        stdout, _ = server.end()
        assert stdout == "labelled.csv\n"
        assert server.process.returncode == 0


def test_keys_toggle_where_several_labels_may_apply(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 12, MULTI)
    with labelling(tmp_path) as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 12 answered")
        page.press("1", "3", "1", "2")
        assert page.pressed() == ["health", "sport"]
        page.shot("multi")
        first = page.label("\ue007")
        second = page.label("\ue007")
        server.end()
    rows = {
        row["text"]: [row["tax"], row["health"], row["sport"]] for row in written(tmp_path / "labelled.csv")
    }
    assert rows == {first: ["0", "1", "1"], second: ["0", "0", "0"]}


def test_parent_then_child(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 12, NESTED)
    with labelling(tmp_path) as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 12 answered")
        page.press("1")
        assert page.labels() == ["lost", "late"]
        page.press("\ue00c")
        assert page.labels() == ["card", "loan"]
        page.press("1")
        first = page.label("2")
        second = page.label("2")  # the only child is taken with its parent
        server.end()
    rows = {row["text"]: (row["area"], row["detail"]) for row in written(tmp_path / "labelled.csv")}
    assert rows == {first: ("card", "late"), second: ("loan", "rate")}


def test_many_labels_are_found_by_typing(tmp_path: Path, browser: Any) -> None:
    labels = [f"intent {n}" for n in range(120)] + ["card lost", "lost card fee"]
    write_table(
        tmp_path, 12, SINGLE.replace('["joy", "anger", "fear", "sadness"]', str(labels).replace("'", '"'))
    )
    with labelling(tmp_path) as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 12 answered")
        page.wait("rest", "102 more")
        page.press(*"lost")
        assert page.labels() == ["lost card fee", "card lost"]
        page.shot("search")
        first = page.label("\ue007")
        page.press(" ")
        page.wait("counts", "1 skipped")
        page.press("Z", "Z")
        page.wait("counts", "0 of 12 answered")
        wait_until(lambda: page.text("row") == first)
        page.press(*"intent 77")
        page.label("\ue007")
        server.end()
    assert [(row["text"], row["emotion"]) for row in written(tmp_path / "labelled.csv")] == [
        (first, "intent 77")
    ]
