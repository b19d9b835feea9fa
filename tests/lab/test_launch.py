"""How JupyterLab is started: its arguments, its environment, and what stays as it is."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from kpfnb.cli.app import app
from kpfnb.core import project, settings
from kpfnb.core.errors import InvalidInputError
from kpfnb.lab import launch
from tests.lab.running import RunningLab, run_lab

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the start exports is taken back after the test."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    for name in (project.PROJECT_VARIABLE, launch.CONFIG_PATH_VARIABLE):
        monkeypatch.setenv(name, "")


def test_the_command_hands_everything_to_jupyterlab(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[dict[str, object]] = []
    monkeypatch.setattr(launch, "start_lab", lambda **options: starts.append(options))
    line = ["lab", "--no-browser", "--port", "8890", "--ip", "0.0.0.0", "--", "--debug", "--a=1"]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    assert starts == [
        {"port": 8890, "ip": "0.0.0.0", "browser": False, "arguments": ["--debug", "--a=1"]}
    ]


def test_it_opens_at_the_home_page_and_shows_the_copies(tmp_path: Path) -> None:
    arguments = launch.lab_arguments(tmp_path)
    assert "--LabApp.default_url=/kpfnb/" in arguments
    assert f"--ServerApp.root_dir={tmp_path}" in arguments
    assert not [word for word in arguments if "port" in word or "ip" in word.split("=")[0]]
    assert "--no-browser" in launch.lab_arguments(tmp_path, browser=False)
    assert {"--port=8890", "--ip=::"} < {*launch.lab_arguments(tmp_path, port=8890, ip="::")}


@pytest.mark.parametrize(("user", "is_allowed"), [(0, True), (1000, False)])
def test_an_administrator_may_start_it_without_a_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, is_allowed: bool
) -> None:
    monkeypatch.setattr(launch.os, "getuid", lambda: user)
    assert ("--allow-root" in launch.lab_arguments(tmp_path)) == is_allowed


def test_kernels_have_the_settings_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KPFNB_WORK_DIR")
    monkeypatch.setenv("KPFNB_DATA_ROOT", "relative/data")
    (tmp_path / "kpfnb.toml").write_text("workers = 3\njunk_list = 'junk.csv'\n")
    before = settings.load_settings()
    launch.export_project()
    kernel = tmp_path / "elsewhere"
    kernel.mkdir()
    monkeypatch.chdir(kernel)
    assert settings.load_settings() == before
    assert before.workers == 3
    assert project.project_dirs("params")[0] == tmp_path / "params"


def test_own_configuration_of_jupyter_stays_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(launch.CONFIG_PATH_VARIABLE, "/site/config")
    launch.export_project()
    assert os.environ[launch.CONFIG_PATH_VARIABLE].split(os.pathsep) == [
        str(launch.PACKAGE / "config"), "/site/config",
    ]  # fmt: skip


def test_without_notebooks_the_error_says_where_they_were_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "project_files", lambda *_: {})
    with pytest.raises(InvalidInputError, match=str(tmp_path / "notebooks")):
        launch.prepare_copies()


def test_the_notebooks_of_the_project_come_before_those_of_the_package(tmp_path: Path) -> None:
    own = tmp_path / "notebooks/own.ipynb"
    own.parent.mkdir()
    own.write_bytes((PROJECT / "notebooks/home.ipynb").read_bytes())
    directory, lines = launch.prepare_copies()
    assert lines == []
    assert {"own.ipynb", "home.ipynb", "progress.ipynb"} <= {*os.listdir(directory)}


def test_the_server_shows_only_the_copies(lab: RunningLab) -> None:
    text = lab.get(lab.home.removesuffix("kpfnb/") + "api/contents/").text
    assert '"path": "home.ipynb"' in text
    assert lab.folder.is_dir()


def test_the_start_leads_to_the_home_page(lab: RunningLab) -> None:
    answer = lab.get(lab.home.removesuffix("kpfnb/"))
    assert (answer.status, answer.headers["Location"].rstrip("?")) == (302, lab.home)


def test_the_address_of_the_home_page_needs_no_slash(lab: RunningLab) -> None:
    answer = lab.get(lab.home.rstrip("/"))
    assert (answer.status, answer.headers["Location"]) == (302, lab.home)


def test_jupyterlab_asks_no_question_about_news(lab: RunningLab) -> None:
    page = lab.get(lab.home.removesuffix("kpfnb/") + "lab").text
    assert '"@jupyterlab/apputils-extension:announcements"' in page
    assert '"buildCheck": false' in page


@pytest.mark.slow
def test_two_persons_use_one_machine_at_the_same_time(tmp_path: Path, lab: RunningLab) -> None:
    """Each has an own directory; the second gets another port."""
    project = lab.project
    second = tmp_path / "bob"
    second.mkdir()
    with run_lab(second, LOGNAME="bob", KPFNB_WORK_DIR=str(project / "work")) as other:
        assert other.url.split(":")[2] != lab.url.split(":")[2]
        directory = project / "work/lab/bob"
        assert (directory / "home.ipynb").is_file()
        for path in (directory / "home.ipynb", lab.folder / "home.ipynb"):
            assert other.get(other.file_path(path)).status == 403
        assert lab.get(lab.file_path(directory / "home.ipynb")).status == 403


@pytest.mark.slow
def test_a_wheel_has_the_notebooks_and_enables_the_extensions(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--offline"]
    done = subprocess.run(
        [*build, "--out-dir", str(tmp_path), str(PROJECT)], capture_output=True, text=True
    )
    if "hatchling" in done.stderr and done.returncode:
        pytest.skip("the build needs hatchling, which is not in uv's cache")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for notebook in (PROJECT / "notebooks").glob("*.ipynb"):
        assert f"kpfnb/project/notebooks/{notebook.name}" in names
    assert any(name.startswith("kpfnb/project/params/") for name in names)
    assert any(name.endswith("/etc/jupyter/jupyter_server_config.d/kpfnb.json") for name in names)
    assert any("/share/jupyter/labextensions/kpfnb/" in name for name in names)


WAITING_EXTENSION = """
import asyncio
import pathlib

from anyio import to_thread
from tornado.web import RequestHandler


class Waiting(RequestHandler):
    async def get(self):
        await to_thread.run_sync(pathlib.Path("asked").touch)
        await asyncio.sleep(3600)


def _load_jupyter_server_extension(server):
    server.web_app.add_handlers(".*$", [("/waiting", Waiting)])
"""


@pytest.mark.slow
def test_the_server_stops_while_it_answers_a_request(tmp_path: Path) -> None:
    """As when a notebook has just been opened: files are read in threads of the request."""
    (tmp_path / "waiting.py").write_text(WAITING_EXTENSION)
    (tmp_path / "config").mkdir()
    config = {"ServerApp": {"jpserver_extensions": {"waiting": True}}}
    (tmp_path / "config/jupyter_server_config.json").write_text(json.dumps(config))
    allowed = "--ServerApp.allow_unauthenticated_access=True"
    with run_lab(tmp_path, allowed, PYTHONPATH=str(tmp_path)) as lab:
        connection = http.client.HTTPConnection(urlsplit(lab.url).netloc, timeout=60)
        connection.request("GET", "/waiting", headers={"Authorization": f"token {lab.token}"})
        deadline = time.monotonic() + 30
        while not [*tmp_path.rglob("asked")]:
            assert time.monotonic() < deadline, "the request has not arrived"
            time.sleep(0.1)
    connection.close()
