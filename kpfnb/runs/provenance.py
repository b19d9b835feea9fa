"""Where a run's numbers come from: versions, commit, host, settings file, process."""

from __future__ import annotations

import functools
import os
import platform
import socket
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import kpfnb
from kpfnb import settings

NAMED = ("numpy", "pandas", "astropy", "scipy", "matplotlib", "papermill", "dask", "pypeit")
"""Libraries whose version is kept with a run; those not installed are left out."""

GIT_SECONDS = 5
CLOCK_SLACK_SECONDS = 5.0
"""A process's start time is known relative to the boot, whose own time the clock may shift."""


def gather() -> dict[str, Any]:
    """What is recorded with every run, by the names of `kpfnb.runs.Record`."""
    file = settings.find_file()
    return {
        "host": socket.gethostname(),
        "versions": versions(),
        "commit": commit(),
        "settings_file": str(file) if file else "",
        **process(),
    }


@functools.cache
def versions() -> dict[str, str]:
    """The versions of kpfnb, Python and the libraries in `NAMED`."""
    found = {"kpfnb": kpfnb.__version__, "python": platform.python_version()}
    for name in NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def commit() -> str:
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


def process() -> dict[str, Any]:
    """This process, so that it can be told from a later one with the same number."""
    import psutil

    return {"pid": os.getpid(), "process_started": psutil.Process().create_time()}


def is_alive(pid: int, process_started: float) -> bool:
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
