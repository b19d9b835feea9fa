"""The task `test`: it sleeps, and leaves a small file. For trying out queues and workers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from kpfnb import files, settings
from kpfnb.workqueue.lease import Lease


def run(item: str, lease: Lease, *, sleep: float = 1.0, fail: str = "") -> dict[str, Any]:
    """Sleep, then write the item's file.

    sleep : seconds
    fail : an item that has this text in its name fails
    """
    print(f"{item}: attempt {lease.attempt}, sleeping {sleep:g} s", flush=True)
    time.sleep(sleep)
    if fail and fail in item:
        raise RuntimeError(f"{item} was to fail")
    lease.confirm()
    path = folder(lease.queue) / f"{quote(item, safe='')}.json"
    files.write_json(path, {"item": item, "token": lease.token, "attempt": lease.attempt})
    return {"slept_seconds": sleep, "file": path.name}


def survey(queue: str) -> dict[str, bool]:
    """The items whose files are there."""
    return {unquote(path.stem): True for path in sorted(folder(queue).glob("[!.]*.json"))}


def folder(queue: str) -> Path:
    """Where the files of a queue are."""
    return settings.load().work_dir / "queues" / queue
