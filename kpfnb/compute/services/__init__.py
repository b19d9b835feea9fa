"""Services of one machine, from wheels: nothing has to be installed by hand.

Each is a module here with `start()`, `stop()` and `status()`. Its data are in the work directory;
it goes on when the process that started it ends, and the next process finds it again.
"""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from kpfnb.errors import BadParameter

MODULES = ("valkey",)
"""The services there are, each a module of that name in this package."""


@dataclass(frozen=True)
class Service:
    """How one service stands.

    Attributes
    ----------
    address : where it answers, as a URL without secrets; empty where it does not run
    folder : where its data and its log are
    note : what a person should know: how much it holds, or why it does not run
    """

    name: str
    running: bool
    folder: Path
    address: str = ""
    pid: int | None = None
    note: str = ""

    def __str__(self) -> str:
        if not self.running:
            return f"{self.name}: not running" + (f" ({self.note})" if self.note else "")
        return f"{self.name}: running, pid {self.pid}, {self.address}, {self.note}".rstrip(", ")

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "folder": str(self.folder)}


class Manager(Protocol):
    """What the module of each service offers."""

    def start(self) -> Service:
        """Start it, if it does not run."""

    def stop(self) -> Service:
        """Stop it, if it runs; what it holds stays on disk."""

    def status(self) -> Service:
        """Look; start nothing."""


def manager(name: str) -> Manager:
    """The module of a service."""
    if name not in MODULES:
        raise BadParameter(f"no service {name!r}", f"there are: {', '.join(MODULES)}")
    return cast(Manager, importlib.import_module(f"kpfnb.services.{name}"))
