"""Recording runs: one directory a run, `run.json` in it written whole at every change of state."""

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
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import kpfnb
from kpfnb.core import atomic, settings
from kpfnb.core.clock import format_utc
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError
from kpfnb.core.project import find_settings_file
from kpfnb.core.result import Outcome, to_jsonable
from kpfnb.runs.classification import RunEndFacts, classify_run

# Where a run's numbers come from: versions, commit, host, settings file, process.

LIBRARIES = ("numpy", "pandas", "astropy", "scipy", "matplotlib", "papermill", "dask", "pypeit")
"""Libraries whose version is kept with a run; those not installed are left out."""

GIT_SECONDS = 5
CLOCK_SLACK_SECONDS = 5.0
"""A process's start time is known relative to the boot, whose own time the clock may shift."""


def collect_provenance() -> dict[str, Any]:
    """What is recorded with every run, by the names of `kpfnb.runs.Record`."""
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
    """The versions of kpfnb, Python and the libraries in `NAMED`."""
    found = {"kpfnb": kpfnb.__version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def checkout_commit() -> str:
    """The commit of the checkout that kpfnb runs from, `-dirty` where it was changed; else ''."""
    checkout = Path(kpfnb.__file__).parents[1]
    if not (checkout / ".git").exists():
        return ""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def process_identity() -> dict[str, Any]:
    """This process, so that it can be told from a later one with the same number."""
    import psutil

    return {"pid": os.getpid(), "process_started": psutil.Process().create_time()}


def is_process_alive(pid: int, process_started: float) -> bool:
    """True where the very process that had this number and start time (UNIX s) still runs."""
    import psutil

    try:
        found = psutil.Process(pid)
        same = abs(found.create_time() - process_started) < CLOCK_SLACK_SECONDS
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


SCHEMA = 1
RECORD_NAME = "run.json"
RESULT_NAME = "result.json"
LOG_NAME = "log.txt"
TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
HEARTBEAT_SECONDS = 60
RUN_VARIABLE = "KPFNB_RUN"
"""The environment variable that tells a notebook's kernel the directory of its run."""


@dataclass(frozen=True)
class RunRecord:
    """One run of a notebook or pipeline. Times are UTC, ISO 8601 with Z."""

    id: str
    notebook: str
    """The name of the notebook, or of the pipeline."""
    started: str
    kind: str = "notebook"
    """`notebook` or `pipeline`."""
    origin: str = "kpfnb"
    """Who runs it: `kpfnb`, `lab` or `papermill`."""
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
    """The id of the pipeline's run that this one belongs to."""
    command: list[str] = field(default_factory=list)
    """The command that repeats it."""
    host: str = ""
    pid: int = 0
    process_started: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    settings_file: str = ""
    directory: Path = field(default=Path(), compare=False)
    """Where it was read from; not part of `run.json`."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON values of `run.json`."""
        values = asdict(self)
        del values["directory"]
        return {"schema": SCHEMA, **to_jsonable(values)}

    @property
    def result_file(self) -> Path:
        """Where the result is, if there is one."""
        return self.directory / RESULT_NAME

    def read_result(self) -> dict[str, Any] | None:
        """What `result.json` holds; None where there is none."""
        return atomic.read_json(self.result_file) if self.result_file.exists() else None


def start_run(notebook: str, *, runs_dir: Path | None = None, **known: Any) -> RunRecord:
    """Make the directory and record of a run that starts now, in this process.

    `known` are further fields of `Record`: kind, origin, parameters, parent, command.
    Raises `InvalidSettingsError` where the runs directory can't be written.
    """
    now = datetime.now(UTC)
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
        # Renamed when its record is in it: there is never a run without a record
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=atomic.TEMPORARY_PREFIX))
        temporary.chmod(0o777 & ~atomic.UMASK)
        write_record(replace(record, directory=temporary))
        temporary.rename(record.directory)
    except OSError as error:
        raise InvalidSettingsError(
            f"can't write the run's record in {folder}: {error.strerror}",
            "make the work directory writable, with room on its disk, or set KPFNB_WORK_DIR",
        ) from error
    return record


def write_record(record: RunRecord) -> None:
    """Write `run.json`."""
    atomic.write_json(record.directory / RECORD_NAME, record.to_dict())


def finish_run(record: RunRecord, facts: RunEndFacts) -> RunRecord:
    """Judge how the run ended, now, and record it."""
    outcome, reason = classify_run(facts)
    now = datetime.now(UTC)
    ended = replace(
        record,
        outcome=outcome,
        reason=reason,
        finished=format_utc(now, milliseconds=True),
        seconds=round((now - datetime.fromisoformat(record.started)).total_seconds(), 3),
        figures=dict((facts.result or {}).get("figures", {})),
        error=asdict(facts.error) if facts.error else {},
    )
    write_record(ended)
    return ended


def write_result(record: RunRecord, result: Mapping[str, Any]) -> None:
    """Write `result.json`: outcome, reason, figures and values of a result."""
    head = {"schema": SCHEMA, "run": record.id, "notebook": record.notebook}
    atomic.write_json(record.result_file, {**head, **to_jsonable(result)})


def read_record(directory: Path) -> RunRecord:
    """The record in a run's directory, as it was written.

    `InvalidInputError` for one that is damaged or was written by a newer kpfnb.
    """
    file = directory / RECORD_NAME
    values = atomic.read_json(file)
    if not isinstance(values, dict) or "schema" not in values:
        raise InvalidInputError(f"{file} is not the record of a run")
    if values.pop("schema") > SCHEMA:
        raise InvalidInputError(f"{file} was written by a newer kpfnb", "update kpfnb to read it")
    names = {one.name for one in fields(RunRecord)}
    try:
        record = RunRecord(**{name: values[name] for name in names & values.keys()})
        outcome = Outcome(record.outcome) if record.outcome else None
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{file} is not the record of a run: {error}") from None
    return replace(record, outcome=outcome, directory=directory)


def discard_run(record: RunRecord) -> None:
    """Forget a run that came to nothing. Its directory goes out of sight at once, then away."""
    hidden = record.directory.with_name(atomic.TEMPORARY_PREFIX + record.id)
    # Somebody may have removed it already
    with suppress(FileNotFoundError):
        record.directory.rename(hidden)
        shutil.rmtree(hidden)


def mark_crashed(record: RunRecord) -> bool:
    """Write down a crash that `look` has found; True where it was not yet."""
    try:
        if record.outcome is not Outcome.CRASHED or read_record(record.directory).outcome:
            return False
        write_record(record)
    except (InvalidInputError, OSError):
        # Damaged, or another user's
        return False
    return True


def start_heartbeat(record: RunRecord) -> threading.Event:
    """Give a sign of life, which other hosts see, every minute until the event is set."""
    ended = threading.Event()
    file = record.directory / RECORD_NAME

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            # The directory may be cleared away, a file server away for a while: the next one counts
            with suppress(OSError):
                os.utime(file)

    threading.Thread(target=beat, name="sign of life", daemon=True).start()
    return ended
