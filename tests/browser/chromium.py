"""A real browser for tests: Chromium without a window."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MUST_RUN = bool(os.environ.get("LABELTUNE_TEST_ALL"))
"""Set where what the tests need was installed for them: then they do not skip."""
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NEEDS_IT = [
    pytest.mark.slow,
    pytest.mark.skipif(not ((CHROMIUM and DRIVER) or MUST_RUN), reason="needs Chromium and its driver"),
]
ROOT = Path(__file__).resolve().parents[2]
AXE = Path(os.environ.get("LABELTUNE_TEST_NODE", ROOT / ".ci" / "node"), "node_modules/axe-core/axe.min.js")
"""Put there by `npm install --prefix .ci/node axe-core`."""
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1200,1000"
)


@contextlib.contextmanager
def started(profile: Path, *flags: str) -> Iterator[Any]:
    """A browser with a profile of its own, whose console is recorded."""
    webdriver: Any = (
        importlib.import_module("selenium.webdriver")
        if MUST_RUN
        else pytest.importorskip("selenium.webdriver")
    )
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*_FLAGS.split(), f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()
