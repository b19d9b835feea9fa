"""A real JupyterLab, started for the tests on loopback, and Debian's Chromium to open it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kpfnb import runs
from kpfnb.adap.pypeit import installation
from kpfnb.demo import coadd_inputs
from kpfnb.demo.deimos_frames import simulate_deimos_frames
from tests import nights

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


class Lab:
    """A running JupyterLab: where it is, and the directory that it shows."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url = url
        self.token = token
        self.folder = folder

    def shut_down(self) -> None:
        """End all kernels: each takes memory, and keeps what it has imported.

        And wait until their runs have ended: the next notebook may list them.
        """
        for session in self._ask("GET", "api/sessions"):
            self._ask("DELETE", f"api/sessions/{session['id']}")
        deadline = time.monotonic() + WAIT / 1000
        while any(run.outcome is None for run in runs.list_runs(self.folder.parent / "work/runs")):
            assert time.monotonic() < deadline, "a run has not ended with its kernel"
            time.sleep(0.2)

    def _ask(self, method: str, path: str) -> Any:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def address(self, notebook: str) -> str:
        return f"{self.url}lab/tree/notebooks/{notebook}?token={self.token}&reset"


@pytest.fixture(scope="module")
def lab_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A separate project: the notebooks, a kpfnb.toml above them, the work directory beside."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(PROJECT / "notebooks", home / "notebooks")
    shutil.copytree(PROJECT / "params", home / "params")
    (home / "kpfnb.toml").write_text("workers = 1\n")
    return home


@pytest.fixture(scope="module")
def lab(lab_home: Path) -> Iterator[Lab]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (.ci/run installs Debian's)")
    kept = (k for k in os.environ if not k.startswith("KPFNB_") or k == installation.PACK_VARIABLE)
    environment = {name: os.environ[name] for name in kept}
    environment |= {
        "JUPYTER_CONFIG_DIR": str(lab_home / "config"),
        # As `make lab` has it
        "JUPYTER_CONFIG_PATH": str(PROJECT / "kpfnb/lab/config"),
        "JUPYTER_RUNTIME_DIR": str(lab_home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(lab_home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(lab_home / "workspaces"),
        "IPYTHONDIR": str(lab_home / "ipython"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--port=0", "--ip=127.0.0.1", "--expose-app-in-browser"]
    command += [f"--ServerApp.root_dir={lab_home}"]
    with (lab_home / "lab.log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, cwd=lab_home, start_new_session=True
        )
    try:
        yield _wait_for_server(lab_home, server)
    finally:
        server.terminate()
        server.wait(30)


def _wait_for_server(home: Path, server: subprocess.Popen[bytes]) -> Lab:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        for file in (home / "runtime").glob(f"jpserver-{server.pid}.json"):
            info = json.loads(file.read_text() or "{}")
            if info.get("port"):
                url = f"http://127.0.0.1:{info['port']}/"
                return Lab(url, info["token"], home / "notebooks")
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{(home / 'lab.log').read_text()[-3000:]}")


@pytest.fixture(scope="module")
def browser(lab: Lab) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


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


def kpfnb(home: Path, *arguments: str) -> None:
    """Do a command of kpfnb where the notebooks are."""
    command = [sys.executable, "-c", "from kpfnb.cli.app import main; main()", *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KPFNB_")}
    subprocess.run(command, cwd=home, env=environment, check=True, stdout=subprocess.DEVNULL)
