"""Runs that are started, repeated and stopped from the home page.

A command is made from the name and the parameters of a run, never taken from its record: whoever
can write a record can't make the server run anything else than a notebook of the project.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import Any

from kpfnb import runs
from kpfnb.core import project, settings
from kpfnb.core.errors import AlreadyRunningError, InvalidInputError, ServiceUnavailableError
from kpfnb.core.result import to_jsonable
from kpfnb.home.queue_states import is_server_running
from kpfnb.home.run_states import find_running, parameter_key
from kpfnb.notebook import runner
from kpfnb.notebook.links import LAB_URL_VARIABLE
from kpfnb.queue.client import Queue
from kpfnb.runs import RunRecord
from kpfnb.runs.record import is_process_alive

PIPELINE = "pipeline"
PROGRAM = (sys.executable, "-c", "from kpfnb.cli import main; main()")
PLAIN_NAME = re.compile(r"\w[\w-]*")
START_SECONDS = 8.0
POLL_SECONDS = 0.1
RUNS_SEARCHED = 100
LAST_LINES = 6


def retry_arguments(record: RunRecord) -> list[str]:
    """The arguments of `kpfnb` that repeat a run; a pipeline continues where it failed."""
    values = runner.format_cli_arguments(record.parameters)
    if record.kind == PIPELINE:
        name = record.notebook.removeprefix("pipeline-")
        return [PIPELINE, "run", name, "--resume", *values]
    return ["run", record.notebook, *values]


def retry_run(identity: str) -> str:
    """Repeat a run that failed, with the same parameters; says what was started."""
    record = runs.find_run(identity)
    if record.outcome is None:
        raise AlreadyRunningError(f"{record.notebook} {record.id} is still running")
    return _start(record.notebook, record.kind, record.parameters, retry_arguments(record))


def start_notebook(name: str, parameters: Mapping[str, Any]) -> str:
    """Run a notebook of the project in the background; says what was started."""
    path = runner.find_notebook(name)
    values = runner.check_notebook_parameters(path, parameters)
    given = {key: values[key] for key in parameters}
    return _start(name, "notebook", values, ["run", name, *runner.format_cli_arguments(given)])


def stop_run(identity: str) -> str:
    """Stop a run as Ctrl-C does; only one of this user on this machine."""
    record = runs.find_run(identity)
    title = f"{record.notebook} {record.id}"
    if record.outcome is not None:
        raise InvalidInputError(f"{title} has ended already: {record.outcome}")
    if record.host != socket.gethostname():
        raise InvalidInputError(
            f"{title} runs on {record.host}", f"stop it there: kill -INT {record.pid}"
        )
    if record.parent:
        raise InvalidInputError(f"{title} is a step of a pipeline", "stop the pipeline")
    owner = _find_owner(record)
    if owner != os.geteuid():
        raise InvalidInputError(f"{title} belongs to {_user_name(owner)}", "ask that person")
    os.kill(record.pid, signal.SIGINT)
    return f"{title}: asked to stop"


def requeue_item(queue: str, item: str) -> str:
    """Let an item of a queue wait for a worker again, as if it were new."""
    if not is_server_running():
        raise ServiceUnavailableError("no queue server runs here")
    with Queue(queue) as opened:
        return str(opened.move("requeue", [item]))


def _start(name: str, kind: str, parameters: Mapping[str, Any], arguments: list[str]) -> str:
    # Only a notebook or pipeline of the project: no file, no option
    if not PLAIN_NAME.fullmatch(name):
        raise InvalidInputError(f"{name!r} is not the name of a notebook or pipeline")
    if kind != PIPELINE:
        runner.find_notebook(name)
    wanted = RunRecord(id="", notebook=name, started="", parameters=to_jsonable(parameters))
    recent = runs.list_runs(settings.load_settings().runs_dir, notebook=name, limit=RUNS_SEARCHED)
    for record in find_running(recent):
        if parameter_key(record) == parameter_key(wanted):
            raise AlreadyRunningError(f"{name} with these parameters is running: {record.id}")
    return _launch(name, arguments)


def _launch(name: str, arguments: list[str]) -> str:
    """Start `kpfnb` in a session of its own, and wait until its run is recorded or has failed."""
    environment = {key: value for key, value in os.environ.items() if key != LAB_URL_VARIABLE}
    command = shlex.join(["kpfnb", *arguments])
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=project.project_dir(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        # Its end is collected, or it would stay in the list of processes
        threading.Thread(target=process.wait, name=f"wait-{process.pid}", daemon=True).start()
        identity = _wait_for_record(name, process)
        if identity or process.poll() in (None, 0):
            return f"Started: {command}"
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    raise ServiceUnavailableError(f"{command}: {' / '.join(lines[-LAST_LINES:])}")


def _wait_for_record(name: str, process: subprocess.Popen[bytes]) -> str:
    """The id of the run of a process; '' if it ends without one, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        for record in runs.list_runs(settings.load_settings().runs_dir, notebook=name, limit=3):
            if record.pid == process.pid:
                return record.id
        if ended:
            return ""
        time.sleep(POLL_SECONDS)
    return ""


def _find_owner(record: RunRecord) -> int:
    """The user id of the process of a run."""
    import psutil

    gone = InvalidInputError(f"the process of {record.notebook} {record.id} has ended")
    if not is_process_alive(record.pid, record.process_started):
        raise gone
    try:
        return int(psutil.Process(record.pid).uids().effective)
    except psutil.NoSuchProcess:
        raise gone from None


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object in the body of a request; `InvalidInputError` if it is none."""
    try:
        values = json.loads(body)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise InvalidInputError("the request has no JSON object")
    return values
