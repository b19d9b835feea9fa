"""The record of a run: `run.json` in the directory of the run, with the origin of its numbers."""

from __future__ import annotations

import functools
import os
import platform
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import kpfnb
from kpfnb.core import atomic, settings
from kpfnb.core.clock import format_utc, utc_now
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError
from kpfnb.core.project import find_settings_file
from kpfnb.core.result import Outcome, to_jsonable
from kpfnb.runs.classification import RunEndFacts, classify_run

LIBRARIES = ("numpy", "pandas", "astropy", "scipy", "matplotlib", "papermill", "dask", "pypeit")
"""Libraries whose version is recorded with a run if they are installed."""

GIT_SECONDS = 5
CLOCK_SLACK_SECONDS = 5.0
"""The start time of a process is relative to the boot time, which a clock change shifts."""
SCHEMA = 1
RECORD_NAME = "run.json"
RESULT_NAME = "result.json"
LOG_NAME = "log.txt"
TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
HEARTBEAT_SECONDS = 60
RUN_VARIABLE = "KPFNB_RUN"
"""The environment variable with the directory of the run, for the notebook's kernel."""


def collect_provenance() -> dict[str, Any]:
    """What every run records of its origin, by the fields of `RunRecord`."""
    file = find_settings_file()
    return {
        "host": socket.gethostname(),
        "versions": library_versions(),
        "commit": checkout_commit(),
        "settings_file": str(file) if file else "",
        **process_identity(),
    }


@functools.cache
def library_versions() -> dict[str, str]:
    """The versions of kpfnb, Python and `LIBRARIES`."""
    known = {"kpfnb": kpfnb.__version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return known


@functools.cache
def checkout_commit() -> str:
    """The commit of the checkout that kpfnb runs from, with `-dirty` if changed; '' if unknown."""
    checkout = Path(kpfnb.__file__).parents[1]
    if not (checkout / ".git").exists():
        return ""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return process.stdout.strip()


def process_identity() -> dict[str, Any]:
    """The pid of this process and its start time: a process that reuses the pid has another."""
    import psutil

    return {"pid": os.getpid(), "process_started": psutil.Process().create_time()}


def is_process_alive(pid: int, process_started: float) -> bool:
    """True if the process with this pid and start time (UNIX seconds) still runs."""
    import psutil

    try:
        process = psutil.Process(pid)
        is_same = abs(process.create_time() - process_started) < CLOCK_SLACK_SECONDS
        return is_same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


@dataclass(frozen=True)
class RunRecord:
    """One run of a notebook or pipeline. Times are UTC, ISO 8601 with Z."""

    id: str
    notebook: str
    """The name of the notebook or pipeline."""
    started: str
    kind: str = "notebook"
    """`notebook` or `pipeline`."""
    origin: str = "kpfnb"
    """What runs it: `kpfnb`, `lab` or `papermill`."""
    outcome: Outcome | None = None
    """None while it runs."""
    reason: str = ""
    finished: str = ""
    seconds: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, int | float | str] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    """The cell error that ended it: cell, name, message."""
    parent: str = ""
    """The id of the pipeline run that this run belongs to."""
    command: list[str] = field(default_factory=list)
    """The command that repeats it."""
    host: str = ""
    pid: int = 0
    process_started: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    settings_file: str = ""
    directory: Path = field(default=Path(), compare=False)
    """The directory of the run; not part of `run.json`."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON values of `run.json`."""
        values = asdict(self)
        del values["directory"]
        return {"schema": SCHEMA, **to_jsonable(values)}

    @property
    def heading(self) -> str:
        """The run in one line: its id, the version of kpfnb, the host, the settings."""
        commit = f" ({self.commit})" if self.commit else ""
        return (
            f"run {self.id} of {self.notebook} · kpfnb {self.versions['kpfnb']}{commit} · "
            f"host {self.host} · settings {self.settings_file or 'defaults'}"
        )

    @property
    def result_file(self) -> Path:
        """The path of the result, if there is one."""
        return self.directory / RESULT_NAME

    def read_result(self) -> dict[str, Any] | None:
        """The content of `result.json`; None if there is none.

        A damaged one is a failure that says so: it must not hide what else ended the run.
        """
        if not self.result_file.exists():
            return None
        try:
            result: dict[str, Any] = atomic.read_json(self.result_file)
            return {"outcome": Outcome(result["outcome"]), "reason": "", **result}
        except (InvalidInputError, TypeError, KeyError, ValueError) as error:
            reason = f"its {RESULT_NAME} is damaged: {' '.join(str(error).split())}"
            return {"outcome": Outcome.FAILED, "reason": reason}


def start_run(notebook: str, *, runs_dir: Path | None = None, **known: Any) -> RunRecord:
    """Create the directory and record of a run that starts now, in this process.

    Parameters
    ----------
    known : further fields of `RunRecord`: kind, origin, parameters, parent, command

    Raises
    ------
    InvalidSettingsError : the runs directory can't be written
    """
    now = utc_now()
    identity = secrets.token_hex(4)
    folder = (runs_dir or settings.load_settings().runs_dir) / notebook
    record = RunRecord(
        id=identity,
        notebook=notebook,
        started=format_utc(now, milliseconds=True),
        directory=folder / f"{now.strftime(TIME_FORMAT)}-{identity}",
        **{**collect_provenance(), **known},
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Renamed when the record is in it: a run always has a record
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=atomic.TEMPORARY_PREFIX))
        temporary.chmod(0o777 & ~atomic.UMASK)
        write_record(replace(record, directory=temporary))
        temporary.rename(record.directory)
    except OSError as error:
        raise InvalidSettingsError(
            f"can't write the run's record in {folder}: {error.strerror}",
            "make the work directory writable, with free space on its disk, or set KPFNB_WORK_DIR",
        ) from error
    return record


def write_record(record: RunRecord) -> None:
    """Write `run.json`."""
    atomic.write_json(record.directory / RECORD_NAME, record.to_dict())


def finish_run(record: RunRecord, facts: RunEndFacts) -> RunRecord:
    """Record that the run ended now, with the outcome that the facts give."""
    outcome, reason = classify_run(facts)
    now = utc_now()
    finished = replace(
        record,
        outcome=outcome,
        reason=reason,
        finished=format_utc(now, milliseconds=True),
        seconds=round((now - datetime.fromisoformat(record.started)).total_seconds(), 3),
        figures=dict((facts.result or {}).get("figures", {})),
        error=asdict(facts.error) if facts.error else {},
    )
    write_record(finished)
    return finished


def write_result(record: RunRecord, result: Mapping[str, Any]) -> None:
    """Write `result.json`: outcome, reason, key figures and values of a result."""
    head = {"schema": SCHEMA, "run": record.id, "notebook": record.notebook}
    atomic.write_json(record.result_file, {**head, **to_jsonable(result)})


def read_record(directory: Path) -> RunRecord:
    """The record in the directory of a run, as it was written.

    `InvalidInputError` if it is damaged or was written by a newer kpfnb.
    """
    file = directory / RECORD_NAME
    values = atomic.read_json(file)
    if not isinstance(values, dict) or "schema" not in values:
        raise InvalidInputError(f"{file} is not the record of a run")
    if values.pop("schema") > SCHEMA:
        raise InvalidInputError(f"{file} was written by a newer kpfnb", "update kpfnb to read it")
    names = {item.name for item in fields(RunRecord)}
    try:
        record = RunRecord(**{name: values[name] for name in names & values.keys()})
        outcome = Outcome(record.outcome) if record.outcome else None
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{file} is not the record of a run: {error}") from None
    return replace(record, outcome=outcome, directory=directory)


def discard_run(record: RunRecord) -> None:
    """Remove a run: its directory is hidden in one step, then deleted."""
    hidden = record.directory.with_name(atomic.TEMPORARY_PREFIX + record.id)
    # It may have been removed already
    with suppress(FileNotFoundError):
        record.directory.rename(hidden)
        shutil.rmtree(hidden)


def mark_crashed(record: RunRecord) -> bool:
    """Record a crash that `current_record` has found; False if it is recorded already."""
    try:
        if record.outcome is not Outcome.CRASHED or read_record(record.directory).outcome:
            return False
        write_record(record)
    except (InvalidInputError, OSError):
        # Damaged, or of another user
        return False
    return True


def start_heartbeat(record: RunRecord) -> threading.Event:
    """Update the time of the record every minute, which other hosts see, until the event is set."""
    stop = threading.Event()
    file = record.directory / RECORD_NAME

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            # The directory may be removed, or a file server not reachable for a time
            with suppress(OSError):
                os.utime(file)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
    return stop
