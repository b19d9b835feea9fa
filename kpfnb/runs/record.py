"""Recording runs: one directory a run, `run.json` in it written whole at every change of state."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kpfnb import files, settings
from kpfnb.errors import BadInput, BadSettings
from kpfnb.outcomes import Outcome
from kpfnb.plain import plain
from kpfnb.runs import provenance
from kpfnb.runs.verdict import Facts, judge

SCHEMA = 1
FILE_NAME = "run.json"
RESULT_NAME = "result.json"
LOG_NAME = "log.txt"
TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
BEAT_SECONDS = 60


@dataclass(frozen=True)
class Record:
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
        return {"schema": SCHEMA, **plain(values)}

    @property
    def result_file(self) -> Path:
        """Where the result is, if there is one."""
        return self.directory / RESULT_NAME

    def result(self) -> dict[str, Any] | None:
        """What `result.json` holds; None where there is none."""
        return files.read_json(self.result_file) if self.result_file.exists() else None


def begin(notebook: str, *, runs_dir: Path | None = None, **known: Any) -> Record:
    """Make the directory and record of a run that starts now, in this process.

    `known` are further fields of `Record`: kind, origin, parameters, parent, command.
    Raises `BadSettings` where the runs directory can't be written.
    """
    now = datetime.now(UTC)
    identity = secrets.token_hex(4)
    folder = (runs_dir or settings.load().runs_dir) / notebook
    record = Record(
        id=identity,
        notebook=notebook,
        started=iso(now),
        directory=folder / f"{now.strftime(TIME_FORMAT)}-{identity}",
        **{**provenance.gather(), **known},
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Renamed when its record is in it: there is never a run without a record
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=files.TEMPORARY_PREFIX))
        temporary.chmod(0o777 & ~files.UMASK)
        write(replace(record, directory=temporary))
        temporary.rename(record.directory)
    except OSError as error:
        raise BadSettings(
            f"can't write the run's record in {folder}: {error.strerror}",
            "make the work directory writable, with room on its disk, or set KPFNB_WORK_DIR",
        ) from error
    return record


def write(record: Record) -> None:
    """Write `run.json`."""
    files.write_json(record.directory / FILE_NAME, record.to_dict())


def finish(record: Record, facts: Facts) -> Record:
    """Judge how the run ended, now, and record it."""
    outcome, reason = judge(facts)
    now = datetime.now(UTC)
    ended = replace(
        record,
        outcome=outcome,
        reason=reason,
        finished=iso(now),
        seconds=round((now - datetime.fromisoformat(record.started)).total_seconds(), 3),
        figures=dict((facts.result or {}).get("figures", {})),
        error=asdict(facts.error) if facts.error else {},
    )
    write(ended)
    return ended


def write_result(record: Record, result: Mapping[str, Any]) -> None:
    """Write `result.json`: outcome, reason, figures and values of a result."""
    head = {"schema": SCHEMA, "run": record.id, "notebook": record.notebook}
    files.write_json(record.result_file, {**head, **plain(result)})


def read(directory: Path) -> Record:
    """The record in a run's directory, as it was written.

    `BadInput` for one that is damaged or was written by a newer kpfnb.
    """
    file = directory / FILE_NAME
    values = files.read_json(file)
    if not isinstance(values, dict) or "schema" not in values:
        raise BadInput(f"{file} is not the record of a run")
    if values.pop("schema") > SCHEMA:
        raise BadInput(f"{file} was written by a newer kpfnb", "update kpfnb to read it")
    names = {one.name for one in fields(Record)}
    try:
        record = Record(**{name: values[name] for name in names & values.keys()})
        outcome = Outcome(record.outcome) if record.outcome else None
    except (TypeError, ValueError) as error:
        raise BadInput(f"{file} is not the record of a run: {error}") from None
    return replace(record, outcome=outcome, directory=directory)


def discard(record: Record) -> None:
    """Forget a run that came to nothing. Its directory goes out of sight at once, then away."""
    hidden = record.directory.with_name(files.TEMPORARY_PREFIX + record.id)
    # Somebody may have removed it already
    with suppress(FileNotFoundError):
        record.directory.rename(hidden)
        shutil.rmtree(hidden)


def settle(record: Record) -> bool:
    """Write down a crash that `look` has found; True where it was not yet."""
    try:
        if record.outcome is not Outcome.CRASHED or read(record.directory).outcome:
            return False
        write(record)
    except (BadInput, OSError):
        # Damaged, or another user's
        return False
    return True


def keep_alive(record: Record) -> threading.Event:
    """Give a sign of life, which other hosts see, every minute until the event is set."""
    ended = threading.Event()
    file = record.directory / FILE_NAME

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            # The directory may be cleared away, a file server away for a while: the next one counts
            with suppress(OSError):
                os.utime(file)

    threading.Thread(target=beat, name="sign of life", daemon=True).start()
    return ended


def iso(moment: datetime) -> str:
    """A UTC time as records tell it: ISO 8601 with milliseconds and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
