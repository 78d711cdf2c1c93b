"""The page of `serve` in a real browser: models, questions, tables and jobs, with a key and without one."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import math
import os
import random
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from browser.chromium import AXE, MUST_RUN, NEEDS_IT, started
from faults.fake_jobs import serving
from labeltune.local import create_app
from labeltune.local.guard import Allowed
from protocol import tally_engine
from protocol.harness import end_work, stop_worker
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = NEEDS_IT

KEY = "sk-canary-77aa"
HOSTILE = "<img src=x onerror='window.hacked = 1'>"
SYSTEM, BEFORE, AFTER = "Say which team it's for.", "Message: ", "\nTeam:"
TOPICS = {
    "refund": ("money back", "charged twice", "a refund of the bill"),
    "delivery": ("parcel late", "the courier lost it", "shipping of my order"),
    HOSTILE: ("password reset", "cannot sign in", "account is locked"),
}


def chat_file(rows: int, begin: int = 0) -> bytes:
    """A chat file about the topics, with a prompt around each text."""
    lines = []
    for number in range(begin, begin + rows):
        label = [*TOPICS][number % 3]
        text = f"{['hello', 'please', 'hi'][number % 7 % 3]} number {number}: {TOPICS[label][number % 5 % 3]}"
        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{BEFORE}{text}{AFTER}"},
            {"role": "assistant", "content": label},
        ]
        lines.append(json.dumps({"messages": messages}))
    return "\n".join(lines).encode()


@dataclass
class Asked:
    """An app, and what was asked of it: the paths, in order."""

    app: ASGIApp
    paths: list[str] = field(default_factory=list)
    down: bool = False
    failing: int = 0
    """So many chat completions fail before the next one succeeds."""
    held: threading.Event | None = None
    """Chat completions wait for it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        chat = scope["path"].endswith("/chat/completions")
        if chat and self.held is not None:
            await asyncio.to_thread(self.held.wait)
        fails = chat and self.failing > 0
        self.failing -= int(fails)
        if self.down or fails:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)


@dataclass
class Served:
    url: str
    client: openai.OpenAI
    asked: Asked
    model: str = ""

    def train(self, base: str = "linear") -> str:
        """Train a model; returns its name."""
        files = [
            self.client.files.create(file=(name, content), purpose="fine-tune").id
            for name, content in (
                ("train.jsonl", chat_file(90)),
                ("validation.jsonl", chat_file(30, begin=90)),
            )
        ]
        job = self.client.fine_tuning.jobs.create(
            model=base, training_file=files[0], validation_file=files[1], suffix="teams"
        )
        retrieve = self.client.fine_tuning.jobs.retrieve
        wait_until(lambda: retrieve(job.id).status in ("succeeded", "failed"))
        name = retrieve(job.id).fine_tuned_model
        assert name is not None
        return name


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served") / "home"
    asked = Asked(create_app(home, allowed=Allowed.at("127.0.0.1")))
    with (
        serving(asked) as port,
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x") as client,
    ):
        found = Served(f"http://127.0.0.1:{port}/", client, asked)
        found.model = found.train()
        yield found
    stop_worker(home)


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory, downloads: Path) -> Iterator[Any]:
    with started(tmp_path_factory.mktemp("browser")) as driver:
        driver.set_script_timeout(30)
        driver.execute_cdp_cmd(
            "Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}
        )
        # Whatever a page's policy stops is told, from the very beginning.
        watch = (
            "window.stopped = []; document.addEventListener('securitypolicyviolation',"
            " e => window.stopped.push(e.violatedDirective + ' ' + e.blockedURI));"
        )
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
        yield driver


@pytest.fixture
def browser(chromium: Any, served: Served) -> Iterator[Any]:
    """The page of the server, opened anew; afterwards nothing was stopped, loaded from elsewhere or run."""
    opened(chromium, served.url)
    chromium.get_log("browser")
    yield chromium
    assert chromium.execute_script("return window.stopped") == []
    assert chromium.execute_script("return window.hacked") is None
    assert [line for line in chromium.get_log("browser") if line["source"] != "network"] == []
    loaded = chromium.execute_script("return performance.getEntriesByType('resource').map(x => x.name)")
    assert [name for name in loaded if not name.startswith(served.url)] == []


def opened(browser: Any, url: str) -> None:
    browser.get("about:blank")
    browser.get(url)
    wait_until(lambda: shown(browser, "content") or shown(browser, "key") or shown(browser, "trouble"))


def by_id(browser: Any, name: str) -> Any:
    return browser.find_element("id", name)


def shown(browser: Any, name: str) -> bool:
    found: bool = by_id(browser, name).is_displayed()
    return found


def all_of(browser: Any, selector: str) -> list[Any]:
    found: list[Any] = browser.find_elements("css selector", selector)
    return found


def texts(browser: Any, selector: str) -> list[str]:
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(x => x.textContent)", selector
    )
    return found


def texts_of(browser: Any, selector: str, attribute: str) -> list[str]:
    """An attribute of all that a selector finds, at once: what is drawn anew meanwhile is not missed."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(x => x.getAttribute(arguments[1]))",
        selector,
        attribute,
    )
    return found


def ask(browser: Any, text: str, *, by_key: bool = False) -> None:
    """Type a text, ask, and wait for its answer."""
    from selenium.webdriver import Keys

    browser.execute_script("document.getElementById('answer').replaceChildren()")
    box = by_id(browser, "text")
    box.clear()
    box.send_keys(text)
    if by_key:
        box.send_keys(Keys.CONTROL, Keys.ENTER)
    else:
        by_id(browser, "ask-button").click()
    wait_until(lambda: bool(all_of(browser, "#answer > *")))


def test_models_are_listed_with_what_is_known_of_them(browser: Any, served: Served) -> None:
    [row] = all_of(browser, "#models-table tbody tr")
    name, base, rows, accuracy, date = [cell.text for cell in row.find_elements("tag name", "td")]
    assert (name, base, rows) == (served.model, "linear", "90")
    told = served.client.models.retrieve(served.model).labeltune["metrics"]  # type: ignore[attr-defined]  # beyond the protocol
    assert accuracy == f"{100 * told['full_valid_mean_token_accuracy']:.1f} %"
    assert "20" in date
    assert "checkpoint" in by_id(browser, "checkpoints").text


@pytest.mark.parametrize("by_key", [False, True], ids=["button", "Ctrl-Enter"])
def test_a_text_is_asked_about_and_the_reasons_are_in_it(browser: Any, served: Served, by_key: bool) -> None:
    ask(browser, "hello, my parcel is late", by_key=by_key)
    reply = served.client.chat.completions.create(
        model=served.model,
        messages=[
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{BEFORE}hello, my parcel is late{AFTER}"},
        ],
        logprobs=True,
        top_logprobs=3,
    )
    assert texts(browser, "#answer .verdict") == [f"Answer: {reply.choices[0].message.content}"]
    logprobs = reply.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    told = {one.token: math.exp(one.logprob) for one in logprobs.content[0].top_logprobs}
    names, shares = texts(browser, ".bars .label"), texts(browser, ".bars .share")
    assert names == sorted(told, key=lambda label: -told[label])
    assert [float(share.removesuffix(" %")) for share in shares] == pytest.approx(
        [100 * told[name] for name in names], abs=0.06
    )
    assert HOSTILE in names
    assert all_of(browser, "#answer img") == []
    widths = browser.execute_script(
        "return [...document.querySelectorAll('.bar')].map(x => x.getBoundingClientRect().width)"
    )
    assert widths == sorted(widths, reverse=True)
    assert texts(browser, ".why") == ["hello, my parcel is late"]
    assert {"parcel", "late"} <= set(texts(browser, ".why mark.for.strong"))
    [summary] = all_of(browser, "#answer summary")
    summary.click()
    words = [cell for cell in texts(browser, "#answer tbody tr td:first-child") if "e" in cell]
    assert words[0] in ("parcel", "late")
    adds = [float(cell) for cell in texts(browser, "#answer tbody tr td:last-child")]
    assert sum(adds[:-1]) == pytest.approx(adds[-1], abs=0.01 * len(adds))


def test_characters_beyond_the_first_plane_shift_no_mark(browser: Any) -> None:
    browser.execute_script("document.getElementById('text').value = '\U0001f600\U0001f600 parcel late <b>'")
    by_id(browser, "ask-button").click()
    wait_until(lambda: bool(all_of(browser, "#answer .why")))
    assert texts(browser, ".why") == ["\U0001f600\U0001f600 parcel late <b>"]
    assert {"parcel", "late"} <= set(texts(browser, ".why mark.for"))


def test_text_from_right_to_left_reads_so(browser: Any) -> None:
    browser.execute_script("document.getElementById('text').value = 'שלום parcel'")
    by_id(browser, "ask-button").click()
    wait_until(lambda: bool(all_of(browser, "#answer .why")))
    for selector in ("#text", ".why"):
        direction = "return getComputedStyle(document.querySelector(arguments[0])).direction"
        assert browser.execute_script(direction, selector) == "rtl"


TABLE = (
    "id;Message;note\r\n"
    '1;"a parcel; so ""late""";x\r\n'
    '2;"charged\r\ntwice";"y; z"\r\n'
    "3;;\r\n"
    "4; sign in ;é\r\n"
)


def predicted(downloads: Path, name: str) -> str:
    """What was downloaded under a name, as soon as it is whole."""
    path = downloads / name
    wait_until(path.is_file)
    content = path.read_bytes().decode("utf-8")
    path.unlink()
    return content


def drop_file(browser: Any, name: str, content: bytes) -> None:
    """Drop a file on the page as a person does with a mouse."""
    browser.execute_script(
        """
        const data = new DataTransfer();
        const bytes = Uint8Array.from(atob(arguments[1]), x => x.charCodeAt(0));
        data.items.add(new File([bytes], arguments[0]));
        const drop = document.getElementById('drop');
        for (const kind of ['dragover', 'drop']) {
          drop.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
        }
        """,
        name,
        base64.b64encode(content).decode(),
    )


def choose_file(browser: Any, path: Path) -> None:
    by_id(browser, "file").send_keys(str(path))


@pytest.mark.parametrize("way", ["chosen", "dropped"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_predicted_and_downloaded(
    browser: Any, served: Served, downloads: Path, tmp_path: Path, way: str, encoding: str
) -> None:
    from selenium.webdriver.support.ui import Select

    name = f"{way} {encoding}.csv"
    if way == "chosen":
        (tmp_path / name).write_bytes(TABLE.encode(encoding))
        choose_file(browser, tmp_path / name)
    else:
        drop_file(browser, name, TABLE.encode(encoding))
    wait_until(lambda: shown(browser, "predict"))
    assert Select(by_id(browser, "column")).first_selected_option.text == "Message"
    assert by_id(browser, "sample").text == 'The first text: a parcel; so "late"'
    by_id(browser, "predict").click()
    content = predicted(downloads, f"{way} {encoding}_predicted.csv")
    assert content.startswith("\ufeff") == (encoding != "utf-8")
    header, *rows = csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""), delimiter=";")
    assert header == ["id", "Message", "note", "prediction", "confidence", "problem"]
    assert [row[:3] for row in rows] == [
        ["1", 'a parcel; so "late"', "x"],
        ["2", "charged\r\ntwice", "y; z"],
        ["3", "", ""],
        ["4", " sign in ", "é"],
    ]
    assert [row[3] for row in rows] == ["delivery", "refund", "", HOSTILE]
    assert [row[5] for row in rows] == ["", "", "empty", ""]
    for row in rows:
        if row[3]:
            messages: Any = [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": f"{BEFORE}{row[1].strip()}{AFTER}"},
            ]
            choice = served.client.chat.completions.create(
                model=served.model, messages=messages, logprobs=True
            ).choices[0]
            assert choice.logprobs is not None
            assert choice.logprobs.content is not None
            assert float(row[4]) == pytest.approx(math.exp(choice.logprobs.content[0].logprob), rel=1e-5)
    assert by_id(browser, "table-state").text == "4 rows predicted, 1 without a text."


def test_a_table_of_many_pieces_keeps_its_rows_in_order(
    browser: Any, downloads: Path, tmp_path: Path
) -> None:
    """Longer than what is looked at, than a piece of the stream and than what is kept as text."""
    filler = "z" * 2000
    with (tmp_path / "long.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["n", "prediction", "text"])
        for number in range(700):
            writer.writerow([number, f"{filler}\n", [*TOPICS.values()][number % 3][0]])
    choose_file(browser, tmp_path / "long.csv")
    wait_until(lambda: shown(browser, "predict"))
    by_id(browser, "predict").click()
    content = predicted(downloads, "long_predicted.csv")
    header, *rows = csv.reader(io.StringIO(content, newline=""))
    assert header == ["n", "prediction", "text", "prediction_2", "confidence", "problem"]
    assert [int(row[0]) for row in rows] == [*range(700)]
    assert {row[1] for row in rows} == {f"{filler}\n"}
    assert [row[3] for row in rows] == [[*TOPICS][number % 3] for number in range(700)]


def test_any_table_comes_back_as_it_was_wherever_it_is_cut(browser: Any) -> None:
    """Written by the page's own writer with any line ends, and read in pieces of a few characters."""
    source = random.Random(3)
    signs = [*'aé",;\n\r\t |', "\r\n", "\U0001f600"]

    def cell() -> str:
        return "".join(source.choices(signs, k=source.randrange(5)))

    def made() -> tuple[str, str, list[list[str]], int]:
        rows = [[cell() for _ in range(source.randint(2, 4))] for _ in range(source.randint(1, 4))]
        return source.choice(",;\t|"), source.choice(["\r\n", "\n", "\r"]), rows, source.randint(1, 6)

    tables = [made() for _ in range(2000)]
    read = browser.execute_script(
        """
        return arguments[0].map(([delimiter, end, rows, piece]) => {
          const text = rows.map((row) => csvLine(row, delimiter).slice(0, -2) + end).join("");
          const reader = new CsvReader(delimiter);
          const found = [];
          for (let at = 0; at < text.length; at += piece) found.push(...reader.push(text.slice(at, at + piece)));
          return [...found, ...reader.end()].map(({ cells }) => cells);
        });
        """,
        tables,
    )
    assert read == [rows for _, _, rows, _ in tables]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"text\nfine\n\xff\n", "The file is not UTF-8"),
        (b"text\n", "Expected a line of names and at least one row."),
        (b'text\n"open\n', "Line 2: a quotation mark is opened and never closed."),
    ],
    ids=["not-utf8", "no-rows", "open-quote"],
)
def test_what_is_no_table_is_told(browser: Any, content: bytes, told: str) -> None:
    drop_file(browser, "bad.csv", content)
    wait_until(lambda: told in by_id(browser, "table-state").text)
    assert not shown(browser, "predict")


def test_a_row_with_too_many_cells_ends_it_and_what_was_done_is_kept(browser: Any, downloads: Path) -> None:
    rows = "a parcel,1\n" * 300
    drop_file(browser, "odd.csv", f"text,n\n{rows}x,2,3\n".encode())
    wait_until(lambda: shown(browser, "predict"))
    by_id(browser, "predict").click()
    wait_until(lambda: shown(browser, "download"))
    assert by_id(browser, "table-state").text.startswith("Line 302 has 3 cells, and the first line 2.")
    by_id(browser, "download").click()
    assert predicted(downloads, "odd_predicted.csv").count("\r\n") == 257


def test_what_fails_for_a_while_is_asked_again(browser: Any, served: Served, downloads: Path) -> None:
    drop_file(browser, "again.csv", b"text\na parcel\nmy money\n")
    wait_until(lambda: shown(browser, "predict"))
    served.asked.failing = 3
    by_id(browser, "predict").click()
    content = predicted(downloads, "again_predicted.csv")
    assert served.asked.failing == 0
    assert [row.split(",")[:2] for row in content.split("\r\n")[1:3]] == [
        ["a parcel", "delivery"],
        ["my money", "refund"],
    ]


def test_a_table_is_stopped_and_begun_again(browser: Any, served: Served, downloads: Path) -> None:
    drop_file(browser, "stop.csv", b"text\n" + b"a parcel\n" * 400)
    wait_until(lambda: shown(browser, "predict"))
    served.asked.held = threading.Event()
    try:
        by_id(browser, "predict").click()
        wait_until(lambda: shown(browser, "stop"))
        by_id(browser, "stop").click()
        wait_until(lambda: "Stopped." in by_id(browser, "table-state").text)
    finally:
        served.asked.held.set()
        served.asked.held = None
    assert by_id(browser, "table-state").text == "Stopped. 0 rows predicted."
    assert not shown(browser, "download")
    by_id(browser, "predict").click()
    assert predicted(downloads, "stop_predicted.csv").count("delivery") == 400


def test_the_lines_for_curl_and_python_run(browser: Any, served: Served) -> None:
    python, curl = by_id(browser, "python").text, by_id(browser, "curl").text
    assert f'base_url="{served.url}v1"' in python
    ran = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "delivery"
    ran = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)["choices"][0]["message"]["content"] == "delivery"
    browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    all_of(browser, "[data-copy=python]")[0].click()
    wait_until(lambda: by_id(browser, "copied").text == "Copied.")
    read = "const done = arguments[0]; navigator.clipboard.readText().then(done, e => done('' + e))"
    assert browser.execute_async_script(read) == python


def test_the_page_is_used_by_keyboard_alone(browser: Any, served: Served) -> None:
    from selenium.webdriver import ActionChains, Keys

    def focused() -> str:
        found: str = browser.execute_script("return document.activeElement.id")
        return found

    reached = []
    for _ in range(40):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(focused())
        if focused() == "text":
            ActionChains(browser).send_keys("my parcel", Keys.TAB, Keys.ENTER).perform()
            wait_until(lambda: bool(all_of(browser, "#answer .verdict")))
    assert {"models-box", "model", "text", "file", "program-model", "curl", "python"} <= set(reached)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(browser: Any, scheme: str) -> None:
    if not (AXE.is_file() or MUST_RUN):
        pytest.skip("needs axe-core")
    ask(browser, "hello, my parcel is late")
    all_of(browser, "#answer summary")[0].click()
    drop_file(browser, "a.csv", TABLE.encode())
    wait_until(lambda: shown(browser, "predict"))
    all_of(browser, "#jobs-list summary")[0].click()
    wait_until(lambda: bool(all_of(browser, "#jobs-list polyline")))
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    violations = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(x => done(x.violations.map("
        "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200)).join(' | '))))"
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert violations == []


def test_it_is_readable_on_a_phone(browser: Any) -> None:
    ask(browser, "hello, my parcel is late")
    drop_file(browser, "a.csv", TABLE.encode())
    wait_until(lambda: shown(browser, "predict"))
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True},
    )
    too_wide = browser.execute_script(
        "return [...document.querySelectorAll('body *')].filter(x => x.getBoundingClientRect().right > 361 "
        "&& !x.closest('.wide, svg')).map(x => x.outerHTML.slice(0, 200))"
    )
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert too_wide == []


# ------------------------------------------------------------------------------------------------- with a key


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Served]:
    """A server with a key, and no model yet."""
    asked = Asked(create_app(tmp_path / "home", api_key=KEY, allowed=Allowed.at("127.0.0.1")))
    with (
        serving(asked) as port,
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY) as client,
    ):
        yield Served(f"http://127.0.0.1:{port}/", client, asked)
    end_work(tmp_path / "home")


def test_the_key_is_asked_for_and_goes_into_no_address(chromium: Any, locked: Served) -> None:
    opened(chromium, locked.url)
    assert shown(chromium, "key")
    assert not shown(chromium, "content")
    box = by_id(chromium, "key-input")
    box.send_keys("sk-wrong\n")
    wait_until(lambda: "Incorrect API key" in by_id(chromium, "key-trouble").text)
    box.send_keys(f"{KEY}\n")
    wait_until(lambda: shown(chromium, "content"))
    assert shown(chromium, "no-models")
    assert f"--provider {locked.url}v1" in by_id(chromium, "no-models").text
    assert "$OPENAI_API_KEY" in by_id(chromium, "curl").text
    assert KEY not in chromium.execute_script("return document.documentElement.outerHTML + location.href")
    assert chromium.execute_script("return localStorage.length + document.cookie.length") == 0
    assert not any(KEY in path for path in locked.asked.paths)
    chromium.refresh()
    wait_until(lambda: shown(chromium, "content"))
    # Another tab is asked anew.
    before = chromium.current_window_handle
    chromium.switch_to.new_window("tab")
    opened(chromium, locked.url)
    assert shown(chromium, "key")
    chromium.close()
    chromium.switch_to.window(before)


# --------------------------------------------------------------------------------------------------- live jobs


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, Callable[[int], None]]]:
    """A server with the engine `tally`, whose steps are let go one by one."""
    site, told = tmp_path / "site", tmp_path / "allowed"
    site.mkdir()
    tally_engine.install(site)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("TALLY_ALLOWED", str(told))

    def allow(count: int) -> None:
        new = told.with_suffix(".new")
        new.write_text(str(count))
        new.replace(told)

    from labeltune.local.stored_models import base_models

    base_models.cache_clear()
    allow(2)
    asked = Asked(create_app(tmp_path / "home", allowed=Allowed.at("127.0.0.1")))
    with (
        serving(asked) as port,
        openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x") as client,
    ):
        yield Served(f"http://127.0.0.1:{port}/", client, asked), allow
    end_work(tmp_path / "home")
    base_models.cache_clear()


def points(browser: Any) -> int:
    """How many points the curve of the first job has."""
    lines = texts_of(browser, "#jobs-list figure > svg polyline", "points")
    return len(lines[0].split()) if lines else 0


def test_a_jobs_curve_grows_while_it_trains(
    chromium: Any, slow: tuple[Served, Callable[[int], None]]
) -> None:
    served, allow = slow
    opened(chromium, served.url)
    assert shown(chromium, "no-jobs")
    file = served.client.files.create(file=("a.jsonl", tally_engine.records()), purpose="fine-tune")
    job = served.client.fine_tuning.jobs.create(model="tally", training_file=file.id)
    wait_until(lambda: points(chromium) >= 1)
    assert texts(chromium, "#jobs-list .state") == ["running"]
    before = points(chromium)
    allow(4)
    wait_until(lambda: points(chromium) > before)
    allow(10**6)
    wait_until(lambda: texts(chromium, "#jobs-list .state") == ["succeeded"])
    name = served.client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
    wait_until(lambda: texts(chromium, "#models-table tbody td:first-child") == [name])
    ask(chromium, "my money")
    # An engine that cannot say why has its bars still.
    assert texts(chromium, "#answer .verdict") == ["Answer: refund"]
    assert "cannot say why" in texts(chromium, "#answer .soft")[-1]


def test_it_asks_nothing_while_nobody_looks_and_stops_where_nobody_answers(
    chromium: Any, locked: Served
) -> None:
    opened(chromium, locked.url)
    by_id(chromium, "key-input").send_keys(f"{KEY}\n")
    wait_until(lambda: shown(chromium, "no-jobs"))
    hide = "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
    turn = f"{hide} document.dispatchEvent(new Event('visibilitychange'))"
    chromium.execute_script("watch.delay = 1; clearTimeout(watch.timer);")
    chromium.execute_script(turn, True)
    locked.asked.paths.clear()
    waited = "const done = arguments[0]; look().then(() => done(watch.looking))"
    assert chromium.execute_async_script(waited) is False
    assert locked.asked.paths == []
    chromium.execute_script(turn, False)
    wait_until(lambda: bool(locked.asked.paths))
    locked.asked.down = True
    chromium.execute_script("watch.failures = MOST_FAILURES - 1; clearTimeout(watch.timer); look();")
    wait_until(lambda: shown(chromium, "paused"))
    locked.asked.paths.clear()
    locked.asked.down = False
    by_id(chromium, "again").click()
    wait_until(lambda: "/v1/fine_tuning/jobs" in locked.asked.paths)
    assert not shown(chromium, "paused")
