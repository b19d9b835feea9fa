"""The progress of a run in a file, for other processes: the last bar, as JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kpfnb.core.clock import format_utc

WRITE_EVERY_SECONDS = 1.0
PROGRESS_NAME = "progress.json"

_path: Path | None = None


class WrittenState(Protocol):
    """What is written of the state of a bar (`kpfnb.core.progress.ProgressState`)."""

    title: str
    done: int
    total: int | None
    failed: int
    note: str

    @property
    def seconds(self) -> float:
        """Time since the start."""


def set_progress_file(path: Path | None) -> None:
    """Write the progress into this file from now on; None: nowhere.

    The file written before is removed: its work has ended.
    """
    global _path
    if _path:
        # On a disk that is gone there is nothing to remove
        with suppress(OSError):
            _path.unlink(missing_ok=True)
    _path = path


def write_progress(state: WrittenState) -> None:
    """Replace the file; without a sync, since it is worth nothing after a crash."""
    if _path is None:
        return
    values = {name: getattr(state, name) for name in ("title", "done", "total", "failed", "note")}
    values |= {"seconds": round(state.seconds, 1), "updated": format_utc()}
    temporary = _path.with_name(f".{_path.name}")
    # A full disk does not stop the work
    with suppress(OSError):
        temporary.write_text(json.dumps(values), encoding="utf-8")
        temporary.replace(_path)
