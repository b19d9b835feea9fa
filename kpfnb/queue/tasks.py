"""The tasks that workers know, by name, and the example task `test`.

A task is a function `run_item(item, lease, *, option=default, ...)`. Its return value is kept with
the item: JSON values, or a `Result`, whose outcome counts and whose `is_final` says that a retry
is useless. An exception fails the attempt. The effect must be durable when the function returns,
and the function must tolerate being called again for the same item.

A task may have a function `scan_items(queue)`: it reads from the disk which items exist, and
whether their products do.
"""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from kpfnb.core import atomic, settings
from kpfnb.core.errors import InvalidParameterError
from kpfnb.notebook.parameter_kinds import parse_kind
from kpfnb.notebook.parameters import Parameter, validate_parameters
from kpfnb.queue.lease import Lease


class TaskFunctions(NamedTuple):
    """Where the functions of a task are: a module, and the names in it; '' for no scan."""

    module: str
    run_item: str
    scan_items: str = ""


TASK_MODULES = {
    "archive": TaskFunctions("kpfnb.adap.archive.queue_task", "deliver_item", "scan_items"),
    "backup": TaskFunctions("kpfnb.adap.products.remote_datasets", "back_up_item"),
    "coadd1d": TaskFunctions("kpfnb.adap.coadd.queue_task", "coadd_spectra"),
    "coadd2d": TaskFunctions("kpfnb.adap.coadd.queue_task", "coadd_images"),
    "scorecard": TaskFunctions("kpfnb.adap.score.queue_task", "rescore_item"),
    "reduce": TaskFunctions("kpfnb.adap.reduce.queue_task", "reduce_item", "scan_items"),
    "test": TaskFunctions("kpfnb.queue.tasks", "run_test_item", "scan_test_items"),
    "trim": TaskFunctions("kpfnb.adap.prepare.trim", "trim_item", "scan_items"),
}


@dataclass(frozen=True)
class QueueTask:
    """A task: what a worker does with each item of a queue."""

    name: str
    run: Callable[..., Any]

    def check_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Convert the given options to their types; `InvalidParameterError` names a wrong one."""
        checked = validate_parameters(_declared_options(self.run), given)
        return {name: checked[name] for name in given}


def find_task(name: str) -> QueueTask:
    """The task of that name."""
    functions = _task_functions(name)
    module = importlib.import_module(functions.module)
    return QueueTask(name, getattr(module, functions.run_item))


def scan_task_items(name: str, queue: str) -> dict[str, bool]:
    """The items that a task finds on disk, and whether their products exist."""
    functions = _task_functions(name)
    if not functions.scan_items:
        raise InvalidParameterError(
            f"task {name} can't tell from the disk what is done", "name the items"
        )
    scan = getattr(importlib.import_module(functions.module), functions.scan_items)
    items: dict[str, bool] = scan(queue)
    return items


def _task_functions(name: str) -> TaskFunctions:
    if name not in TASK_MODULES:
        raise InvalidParameterError(f"no task {name!r}", f"tasks are: {', '.join(TASK_MODULES)}")
    return TASK_MODULES[name]


def _declared_options(function: Callable[..., Any]) -> list[Parameter]:
    """The keyword-only arguments; their annotations are the kinds of notebook parameters."""
    return [
        Parameter(argument.name, parse_kind(str(argument.annotation)), argument.default)
        for argument in inspect.signature(function).parameters.values()
        if argument.kind is argument.KEYWORD_ONLY
    ]


def run_test_item(item: str, lease: Lease, *, sleep: float = 1.0, fail: str = "") -> dict[str, Any]:
    """The task `test`, to try out queues and workers: sleep, then write the item's file.

    Parameters
    ----------
    sleep : seconds
    fail : an item with this text in its name fails
    """
    print(f"{item}: attempt {lease.attempt}, sleeping {sleep:g} s", flush=True)
    time.sleep(sleep)
    if fail and fail in item:
        raise RuntimeError(f"{item} failed on request")
    lease.confirm()
    path = test_folder(lease.queue) / f"{quote(item, safe='')}.json"
    atomic.write_json(path, {"item": item, "token": lease.token, "attempt": lease.attempt})
    return {"slept_seconds": sleep, "file": path.name}


def scan_test_items(queue: str) -> dict[str, bool]:
    """The items of the task `test` whose files exist."""
    return {unquote(path.stem): True for path in sorted(test_folder(queue).glob("[!.]*.json"))}


def test_folder(queue: str) -> Path:
    """The directory of the files that the task `test` writes for a queue."""
    return settings.load_settings().work_dir / "queues" / queue
