"""The tasks that workers know, by their names.

A task is a function `run(item, lease, *, option=default, ...)` of a module, or one that is named
after a colon. What it returns (JSON values, or a `Result`, whose outcome counts, and whose
`is_final` says that it is of no use to try again) is kept with the item; what it raises fails the
attempt. Its effect must be durable when it returns, and bear being made again.

`survey(queue)`, where a module has it, tells from the disk which items there are, and whether their
products are there.
"""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote, unquote

from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.parameters import Parameter, parse_kind, validate_parameters
from kpfnb.queue.lease import Lease

# The task `test`: it sleeps, and leaves a small file. For trying out queues and workers.


def run_test_item(item: str, lease: Lease, *, sleep: float = 1.0, fail: str = "") -> dict[str, Any]:
    """Sleep, then write the item's file.

    sleep : seconds
    fail : an item that has this text in its name fails
    """
    print(f"{item}: attempt {lease.attempt}, sleeping {sleep:g} s", flush=True)
    time.sleep(sleep)
    if fail and fail in item:
        raise RuntimeError(f"{item} was to fail")
    lease.confirm()
    path = test_folder(lease.queue) / f"{quote(item, safe='')}.json"
    atomic.write_json(path, {"item": item, "token": lease.token, "attempt": lease.attempt})
    return {"slept_seconds": sleep, "file": path.name}


def scan_test_items(queue: str) -> dict[str, bool]:
    """The items whose files are there."""
    return {unquote(path.stem): True for path in sorted(test_folder(queue).glob("[!.]*.json"))}


def test_folder(queue: str) -> Path:
    """Where the files of a queue are."""
    return settings.load_settings().work_dir / "queues" / queue


TASK_MODULES = {
    "archive": "kpfnb.adap.archive.queue_task",
    "backup": "kpfnb.adap.products.remote_datasets",
    "coadd1d": "kpfnb.adap.coadd.queue_task:spectra",
    "coadd2d": "kpfnb.adap.coadd.queue_task:images",
    "scorecard": "kpfnb.adap.score.queue_task",
    "reduce": "kpfnb.adap.reduce.queue_task",
    "test": "kpfnb.queue.tasks",
    "trim": "kpfnb.adap.prepare.trim",
}


@dataclass(frozen=True)
class QueueTask:
    """What is to be done with each item of a queue."""

    name: str
    run: Callable[..., Any]

    def check_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given options in their proper types; `InvalidParameterError` names a wrong one."""
        checked = validate_parameters(_declared_options(self.run), given)
        return {name: checked[name] for name in given}


def find_task(name: str) -> QueueTask:
    """The task of that name."""
    module, function = _task_module(name)
    return QueueTask(name, getattr(module, function))


def scan_task_items(name: str, queue: str) -> dict[str, bool]:
    """The items that a task finds on disk, and whether their products are there."""
    module, _ = _task_module(name)
    if not hasattr(module, "survey"):
        raise InvalidParameterError(
            f"task {name} can't tell from the disk what is done", "name the items"
        )
    found: dict[str, bool] = module.survey(queue)
    return found


def _task_module(name: str) -> tuple[ModuleType, str]:
    """The module of a task, and the name of its function there."""
    if name not in TASK_MODULES:
        raise InvalidParameterError(f"no task {name!r}", f"there are: {', '.join(TASK_MODULES)}")
    module, _, function = TASK_MODULES[name].partition(":")
    return importlib.import_module(module), function or "run"


def _declared_options(run: Callable[..., Any]) -> list[Parameter]:
    """The keyword-only arguments; their annotations are the kinds of notebook parameters."""
    return [
        Parameter(one.name, parse_kind(str(one.annotation)), one.default)
        for one in inspect.signature(run).parameters.values()
        if one.kind is one.KEYWORD_ONLY
    ]
