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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from kpfnb.errors import BadParameter
from kpfnb.parameters import Parameter, parse_kind, validate

PLACES = {
    "archive": "kpfnb.adap.archive.task",
    "backup": "kpfnb.adap.backing",
    "coadd1d": "kpfnb.adap.coadding.coaddtasks:spectra",
    "coadd2d": "kpfnb.adap.coadding.coaddtasks:images",
    "scorecard": "kpfnb.adap.scoring.rescoring",
    "reduce": "kpfnb.adap.reducing.reducetask",
    "test": "kpfnb.workqueue.trial",
    "trim": "kpfnb.adap.preparing.trimtask",
}


@dataclass(frozen=True)
class Task:
    """What is to be done with each item of a queue."""

    name: str
    run: Callable[..., Any]

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given options in their proper types; `BadParameter` names a wrong one."""
        checked = validate(_declared(self.run), given)
        return {name: checked[name] for name in given}


def find(name: str) -> Task:
    """The task of that name."""
    module, function = _place(name)
    return Task(name, getattr(module, function))


def survey(name: str, queue: str) -> dict[str, bool]:
    """The items that a task finds on disk, and whether their products are there."""
    module, _ = _place(name)
    if not hasattr(module, "survey"):
        raise BadParameter(f"task {name} can't tell from the disk what is done", "name the items")
    found: dict[str, bool] = module.survey(queue)
    return found


def _place(name: str) -> tuple[ModuleType, str]:
    """The module of a task, and the name of its function there."""
    if name not in PLACES:
        raise BadParameter(f"no task {name!r}", f"there are: {', '.join(PLACES)}")
    module, _, function = PLACES[name].partition(":")
    return importlib.import_module(module), function or "run"


def _declared(run: Callable[..., Any]) -> list[Parameter]:
    """The keyword-only arguments; their annotations are the kinds of notebook parameters."""
    return [
        Parameter(one.name, parse_kind(str(one.annotation)), one.default)
        for one in inspect.signature(run).parameters.values()
        if one.kind is one.KEYWORD_ONLY
    ]
