"""`make lab`, as a newcomer types it: the browser opens at the home page."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM, PROJECT, WAIT, open_chromium
from tests.lab.running import run_lab

OPENED = "opened"
"""The file to which the browser of the test writes what it was asked to open."""


def make_browser(folder: Path) -> Path:
    script = folder / "browser"
    new = folder / "new"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {new} && mv {new} {folder / OPENED}\n')
    script.chmod(0o755)
    return script


def wait_for_text(path: Path) -> str:
    deadline = time.monotonic() + WAIT / 1000
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} was not written"
        time.sleep(0.1)
    return path.read_text()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None or shutil.which("make") is None, reason="needs make, Chromium")
def test_make_lab_opens_the_home_page(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (PROJECT / "notebooks").glob("*.ipynb")}
    # The environment is there; to install it again would need the network
    command = ("make", "-C", str(PROJECT), "--assume-old=.venv/.base", "lab")
    browser = f"{make_browser(tmp_path)} %s"
    variables = {"KPFNB_WORK_DIR": str(tmp_path / "work"), "BROWSER": browser}
    with run_lab(tmp_path, command=command, **variables) as lab, open_chromium() as chromium:
        page: Any = chromium.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(wait_for_text(tmp_path / OPENED))
        page.wait_for_url(f"**{lab.home}*")
        page.locator("h1").first.wait_for()
        assert problems == []
    assert before == {path: path.read_bytes() for path in (PROJECT / "notebooks").glob("*.ipynb")}
