"""The page of `label` in a real browser, with real keys."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from browser.chromium import NEEDS_IT, started
from label_server import MULTI, NESTED, SINGLE, WORDS, Labelling, start, write_table, written
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


def violations(browser: Any) -> list[Any]:
    """What axe-core finds."""
    if not AXE.exists():
        pytest.skip("needs axe-core")
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found: list[Any] = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(x => done(x.violations.map("
        "v => [v.id, v.help, v.nodes.map(n => n.html.slice(0, 200))])));"
    )
    return found


@pytest.mark.parametrize("task", [SINGLE, MULTI, NESTED], ids=["single", "multi", "nested"])
def test_nothing_that_axe_finds(tmp_path: Path, browser: Any, task: str) -> None:
    write_table(tmp_path, 12, task)
    with labelling(tmp_path, "--show-suggestions") as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 12 answered")
        assert violations(browser) == []
        page.press("?")
        page.wait("key-list", "flags the row")
        assert violations(browser) == []
        page.shot("keys")
        page.press("\ue00c")
        assert not page.is_shown("key-list")


HOSTILE = [
    "<script>document.title = 'broken'</script><img src=x onerror=\"document.title='broken'\">",
    "</script><!-- & &amp; {{ 7 * 7 }} ' \" \\u003c",
    "line one\nline two\n\n    indented\ttabbed",
    "مرحبا بالعالم، هذا نص عربي 123",
    "x" * 3000,
    "\n".join(f"line {n}" for n in range(60)),
    "zero\u200bwidth \u202eturned\u202c e\u0301 \U0001f600",
]


def hostile_table(folder: Path) -> None:
    write_table(folder, 1)
    lines = "".join(f'{n},"{text.replace(chr(34), chr(34) * 2)}"\n' for n, text in enumerate(HOSTILE))
    (folder / "in.csv").write_text("id,text\n" + lines, encoding="utf-8")
    task = folder / "task.toml"
    task.write_text(task.read_text().replace('"joy"', '"<b>joy</b>"').replace('"anger"', '"غضب"'))


def test_text_is_text(tmp_path: Path, browser: Any) -> None:
    hostile_table(tmp_path)
    with labelling(tmp_path, "--order", "given") as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 7 answered")
        assert page.labels()[:2] == ["<b>joy</b>", "غضب"]
        for place, text in enumerate(HOSTILE):
            page.shot(f"hostile-{place}")
            shown = browser.execute_script("return document.querySelector('#row .value').textContent")
            assert shown == text
            value = browser.find_element("css selector", "#row .value")
            turned = browser.execute_script("return getComputedStyle(arguments[0]).direction", value)
            assert turned == ("rtl" if place == 3 else "ltr")
            folds = place in (4, 5)
            assert page.is_shown("unfold") is folds
            if folds:
                height = browser.execute_script("return document.getElementById('row').clientHeight")
                page.press(".")
                assert browser.execute_script("return document.getElementById('row').clientHeight") > height
            if place < len(HOSTILE) - 1:
                page.label("1")
        assert browser.title == "Label in.csv"
        page.label("2")
        page.wait("over-text", "All rows that are yours are answered.")
        assert page.problems() == []
        server.end()
    assert [row["text"] for row in written(tmp_path / "labelled.csv")] == HOSTILE
    assert written(tmp_path / "labelled.csv")[-1]["emotion"] == "غضب"


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(tmp_path: Path, dark: bool) -> None:
    flags = [
        "--window-size=500,900",
        *(["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []),
    ]
    hostile_table(tmp_path)
    with started(tmp_path / "profile", *flags) as browser, labelling(tmp_path, "--order", "given") as server:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        page = Page(browser, server.url)
        page.wait("counts", "0 of 7 answered")
        for place in range(len(HOSTILE)):
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= 360, place
            if place in (0, 3):
                page.shot(f"phone-{'dark' if dark else 'light'}-{place}")
                assert violations(browser) == []
            browser.find_element("css selector", "#labels button").click()
            page.wait("counts", f"{place + 1} of 7 answered")
        assert page.is_shown("over")
        page.shot(f"phone-{'dark' if dark else 'light'}-over")


def test_a_suggestion_is_shown_and_taken(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 400)
    truth = dict(zip(WORDS.values(), WORDS, strict=True))
    keys = dict(zip(WORDS, "1234", strict=True))
    with labelling(tmp_path, "--show-suggestions") as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 400 answered")
        for _ in range(60):
            page.label(keys[truth[page.text("row").split()[0]]])
        wait_until(lambda: "right (" in page.text("learnt"), lambda: page.text("learnt"))
        for _ in range(20):
            if page.is_shown("suggestion"):
                break
            page.label(keys[truth[page.text("row").split()[0]]])
        said = page.text("suggestion").removeprefix("Suggested: ")
        page.shot("suggested")
        assert violations(browser) == []
        text = page.label("\ue007")
        page.wait("status", f"Saved: {said}")
        server.end()
    assert {row["text"]: row["emotion"] for row in written(tmp_path / "labelled.csv")}[text] == said


def test_a_killed_server_is_told_and_nothing_is_lost(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 30)
    with labelling(tmp_path) as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 30 answered")
        answered = [page.label("1") for _ in range(3)]
        server.process.kill()
        server.process.communicate()
        page.press("2")
        page.wait("problem", "Not saved: the server does not answer.")
        assert page.text("row") not in answered
    with labelling(tmp_path) as again:
        page = Page(browser, again.url)
        page.wait("counts", "3 of 30 answered")
        again.end()
    assert {row["text"] for row in written(tmp_path / "labelled.csv")} == set(answered)


def test_a_page_of_an_earlier_run_is_to_be_loaded_again(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 30)
    with labelling(tmp_path) as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 30 answered")
        port = server.url.rpartition(":")[2]
        server.end()
    with labelling(tmp_path, "--port", port):
        page.press("1")
        page.wait("problem", "This page is from an earlier run of the server")
        browser.refresh()
        page.wait("counts", "0 of 30 answered")
        page.label("1")
        page.wait("counts", "1 of 30 answered")


def test_two_names_in_one_browser(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 30)
    with labelling(tmp_path, "--order", "random") as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 30 answered")
        first = page.label("1")
        name = browser.find_element("id", "annotator")
        name.send_keys("\ue009a\ue000", "bob\ue007")  # Ctrl-A before it
        page.wait("counts", "0 of 30 answered")
        browser.execute_script("document.activeElement.blur()")
        wait_until(lambda: page.text("row") == first)
        page.label("2")
        browser.refresh()
        page.wait("counts", "1 of 30 answered")
        server.end()
    rows = written(tmp_path / "labelled.csv")
    assert [row["text"] for row in rows] == [first, first]
    assert [row["emotion"] for row in rows] == ["joy", "anger"]
    assert rows[1]["annotator"] == "bob"


def test_the_key_of_a_page_that_others_can_reach(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 12)
    (tmp_path / "key").write_text("open sesame")
    with labelling(tmp_path, "--api-key-file", "key") as server:
        page = Page(browser, server.url)
        wait_until(lambda: page.is_shown("unlock"))
        browser.find_element("id", "key").send_keys("wrong\ue007")
        page.wait("problem", "The key of this page is missing or wrong.")
        browser.find_element("id", "key").clear()
        browser.find_element("id", "key").send_keys("open sesame\ue007")
        page.wait("counts", "0 of 12 answered")
        assert not page.is_shown("problem")


def test_single_keys_can_be_turned_off_and_a_button_is_pressed_as_usual(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 12)
    with labelling(tmp_path, "--order", "given") as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 12 answered")
        page.press("?")
        browser.find_element("id", "single-keys").click()
        page.press("\ue00c", "1", "f")
        assert page.text("counts") == "0 of 12 answered"
        browser.execute_script("document.querySelectorAll('#labels button')[1].focus()")
        page.press(" ")
        page.wait("counts", "1 of 12 answered")
        assert page.text("status") == "Saved: anger"
        server.end()


def test_a_full_disk_is_said_on_the_page_and_the_row_stays(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 30)
    with labelling(tmp_path) as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 30 answered")
        page.label("1")
        (log,) = (tmp_path / ".labeltune" / "label").glob("*.db-wal")
        free = resource.RLIM_INFINITY
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, free))
        before = page.text("row")
        page.press("2")
        page.wait("problem", "Not saved.")
        assert "free some space, then answer again" in page.text("problem")
        assert page.text("row") == before
        assert page.text("counts") == "1 of 30 answered"
        page.shot("full")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (free, free))
        page.label("3")
        assert not page.is_shown("problem")
        page.wait("counts", "2 of 30 answered")
        server.end()
    assert {row["text"]: row["emotion"] for row in written(tmp_path / "labelled.csv")}[before] == "fear"


def test_undo_goes_back_through_a_restart(tmp_path: Path, browser: Any) -> None:
    write_table(tmp_path, 30)
    with labelling(tmp_path, "--order", "given") as server:
        page = Page(browser, server.url)
        page.wait("counts", "0 of 30 answered")
        for _ in range(5):
            page.label("1")
        server.end()
    with labelling(tmp_path, "--order", "given") as server:
        page = Page(browser, server.url)
        page.wait("counts", "5 of 30 answered")
        page.press(*"zzzzz")
        page.wait("counts", "0 of 30 answered")
        wait_until(lambda: page.text("row") == "happy day number 0", lambda: page.text("row"))
        assert page.pressed() == ["joy"]
        for number in range(5):
            assert page.label("2").endswith(f"number {number}")
        server.end()
    assert [row["emotion"] for row in written(tmp_path / "labelled.csv")] == ["anger"] * 5
