"""A real reduction, watched in JupyterLab: the board of what PypeIt does, also after a reload."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.adap.conftest import FAST, kast_night  # noqa: F401
from tests.browser.conftest import Lab
from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

FRAMES = ("b1", "b11", "b21", "b27")
"""An arc, a flat, a bias and a science frame."""


@contextmanager
def _suspended(folder: Path) -> Iterator[None]:
    """Suspend PypeIt, which may otherwise end while the browser reloads."""
    pypeit = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "--log_file" in (words := process.info["cmdline"] or [])
        and any(word.startswith(str(folder)) for word in words)
    ]
    assert pypeit
    for process in pypeit:
        process.suspend()
    try:
        yield
    finally:
        for process in pypeit:
            process.resume()


def test_the_live_status_shows_what_pypeit_does(page: Any, lab: Lab, kast_night: Path) -> None:  # noqa: F811
    home = lab.project
    raw = home / "night/raw"
    raw.mkdir(parents=True)
    for frame in FRAMES:
        shutil.copy(next((kast_night / "complete/raw").glob(f"*_{frame}.fits.gz")), raw)
    (home / "fast.ini").write_text(FAST)
    notebook = Notebook(page, lab, "reduce")
    notebook.open()
    notebook.fill({"raw": raw, "config": home / "fast.ini", "output": home / "night/reduced"})
    before = notebook.runs()
    notebook.button("Run").click()
    running = page.get_by_text(re.compile(r"GB of memory \(.* expected\) · running for"))
    running.wait_for()
    with _suspended(home / "night/reduced"):
        notebook.reload()
        running.wait_for()
    page.get_by_text(re.compile(r"reduced · TARG.*, detector 1: ")).wait_for()
    result = notebook.ended(before)
    assert result["outcome"] == "succeeded", result["reason"]
    assert running.count() == 0, "nothing is running any more"
    notebook.status("succeeded: 1 of 1 science and standard frames reduced")
    notebook.check_page("reduce-real")
