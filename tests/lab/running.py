"""A real `kpfnb lab` on loopback, for tests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kpfnb.lab import working_copies
from kpfnb.notebook import links

START_SECONDS = 90
STOP_SECONDS = 30
KEPT_VARIABLES = ("KPFNB_KAST_PACK",)


@dataclass(frozen=True)
class Answer:
    """What the server answers: never a page to which it redirects."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def policy(self) -> str:
        return self.headers["Content-Security-Policy"] or ""


@dataclass(frozen=True)
class RunningLab:
    """A running JupyterLab.

    Attributes
    ----------
    url : of the server, with its base URL and a slash at the end
    token : of its login
    project : the directory in which it was started; the work directory is `work` in it
    """

    url: str
    token: str
    project: Path

    @property
    def work_dir(self) -> Path:
        return self.project / "work"

    @property
    def folder(self) -> Path:
        """The directory that JupyterLab shows: the user's working copies."""
        return self.work_dir / working_copies.LAB_FOLDER / working_copies.user_name()

    @property
    def home(self) -> str:
        """The path of kpfnb's pages."""
        return urlsplit(self.url).path + "kpfnb/"

    def file_path(self, path: Path) -> str:
        """The path of the URL of a file."""
        return f"{self.home}{links.FILES}{path}"

    def get(self, path: str, *, method: str = "GET", login: bool = True, **headers: str) -> Answer:
        """Ask for a path as it is written: no library makes it a better one."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if login:
            names["Authorization"] = f"token {self.token}"
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, headers=names)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


def lab_environment(project: Path) -> dict[str, str]:
    """The environment of a person who has no settings of Jupyter and none of kpfnb."""
    kept = (name for name in os.environ if not name.startswith(("KPFNB_", "JUPYTER")))
    environment = {
        name: os.environ[name] for name in (*kept, *KEPT_VARIABLES) if name in os.environ
    }
    return environment | {
        "JUPYTER_CONFIG_DIR": str(project / "config"),
        "JUPYTER_DATA_DIR": str(project / "data"),
        "JUPYTER_RUNTIME_DIR": str(project / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(project / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(project / "workspaces"),
        "IPYTHONDIR": str(project / "ipython"),
    }


@contextmanager
def run_lab(
    project: Path, *arguments: str, command: Sequence[str] = (), **variables: str
) -> Iterator[RunningLab]:
    """Start `kpfnb lab` in a directory, and stop it after the block.

    arguments : of JupyterLab
    command : what starts it, if not the command itself
    """
    start = command or (
        *(sys.executable, "-c", "from kpfnb.cli.app import main; main()"),
        *("lab", "--no-browser", "--port", "0", "--", *arguments),
    )
    log = project / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            start,
            cwd=project,
            env=lab_environment(project) | variables,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        url, token = _wait_for_server(project, server, log)
        yield RunningLab(url, token, project)
    finally:
        # make passes SIGTERM on to its child
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def _wait_for_server(project: Path, server: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        for file in (project / "runtime").glob("jpserver-*.json"):
            info = json.loads(file.read_text() or "{}")
            if info.get("port") and _answers(info["port"]):
                return f"http://127.0.0.1:{info['port']}{info['base_url']}", info["token"]
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def _answers(port: int) -> bool:
    """The file that says where the server is can be there before the server is."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10):
        return True
    return False
