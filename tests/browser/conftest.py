"""`kpfnb lab`, started for the tests on loopback, and Debian's Chromium to open it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from kpfnb import runs
from kpfnb.demo import coadd_inputs
from kpfnb.demo.deimos_frames import simulate_deimos_frames
from tests import nights
from tests.lab.running import RunningLab, run_lab

PROJECT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT = 180_000
"""Milliseconds: a machine that is busy with other tests is slow."""


class Lab(RunningLab):
    """A running `kpfnb lab`."""

    def shut_down(self) -> None:
        """End all kernels: each takes memory, and keeps what it has imported.

        And wait until their runs have ended: the next notebook may list them.
        """
        for session in self._ask("GET", "api/sessions"):
            self._ask("DELETE", f"api/sessions/{session['id']}")
        deadline = time.monotonic() + WAIT / 1000
        while any(run.outcome is None for run in runs.list_runs(self.work_dir / "runs")):
            assert time.monotonic() < deadline, "a run has not ended with its kernel"
            time.sleep(0.2)

    def address(self, notebook: str) -> str:
        """The URL of a notebook among the working copies."""
        return f"{self.url}lab/tree/{notebook}?token={self.token}&reset"

    def page_address(self, path: str = "") -> str:
        """The URL of a page of kpfnb, by default the home page, with the login."""
        return f"{self.url}kpfnb/{path}?token={self.token}"

    def _ask(self, method: str, path: str) -> Any:
        answer = self.get(urlsplit(self.url).path + path, method=method)
        return json.loads(answer.body or b"null")


@pytest.fixture(scope="module")
def lab_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A separate project: its kpfnb.toml and sets of parameters, the work directory beside them."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(PROJECT / "params", home / "params")
    (home / "kpfnb.toml").write_text("workers = 1\n")
    return home


@pytest.fixture(scope="module")
def lab(lab_home: Path) -> Iterator[Lab]:
    """`kpfnb lab`, as a person starts it in that project."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (.ci/run installs Debian's)")
    # `window.jupyterapp`, by which tests see the state of JupyterLab
    with run_lab(lab_home, "--expose-app-in-browser") as running:
        yield Lab(running.url, running.token, running.project)


@contextmanager
def open_chromium() -> Iterator[Any]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def browser(lab: Lab) -> Iterator[object]:
    with open_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, lab: Lab) -> Iterator[Any]:
    """A window of a laptop's size; its errors are in `problems`."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(WAIT)
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on(
        "console",
        lambda message: page.problems.append(message.text) if message.type == "error" else None,
    )
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    context.close()
    lab.shut_down()


@pytest.fixture(scope="module")
def night(lab_home: Path) -> nights.SimulatedNight:
    """A small simulated night where the notebooks expect one."""
    return nights.small_night(lab_home / "work/kpf")


@pytest.fixture(scope="module")
def ingested(lab_home: Path, night: nights.SimulatedNight) -> None:
    """The night in the database that the notebooks ask."""
    kpfnb(lab_home, "ingest", night.night)


@pytest.fixture(scope="module")
def deimos_frames(lab_home: Path) -> None:
    """The frames of the demo where `prepare` expects some."""
    simulate_deimos_frames(lab_home / "work/incoming")


@pytest.fixture(scope="module")
def coaddable(lab_home: Path) -> None:
    """The spectra of the demo where `coadd` expects some."""
    coadd_inputs.simulate_coadd_inputs(lab_home / "work/datasets")


@pytest.fixture(scope="module")
def queue_server(lab_home: Path) -> Iterator[None]:
    """The queues' server, which a notebook would start too."""
    kpfnb(lab_home, "services", "start", "valkey")
    yield
    kpfnb(lab_home, "services", "stop")


def kpfnb(home: Path, *arguments: str, check: bool = True) -> None:
    """Do a command of kpfnb where the notebooks are.

    check : it has to succeed; otherwise its results may be bad, as those of a small night are
    """
    command = [sys.executable, "-c", "from kpfnb.cli.app import main; main()", *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KPFNB_")}
    done = subprocess.run(
        command, cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert not (check and done.returncode), done.stderr
    assert b"Traceback" not in done.stderr, done.stderr
