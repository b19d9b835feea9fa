"""Services of one machine, from wheels: nothing has to be installed by hand.

Each is a module here with `start()`, `stop()` and `status()`. Its data are in the work directory;
it goes on when the process that started it ends, and the next process finds it again.
"""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from kpfnb.core.errors import InvalidParameterError

SERVICE_NAMES = ("valkey",)
"""The services there are, each a module of that name in this package."""


@dataclass(frozen=True)
class ServiceStatus:
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


class ServiceModule(Protocol):
    """What the module of each service offers."""

    def start_server(self) -> ServiceStatus:
        """Start it, if it does not run."""

    def stop_server(self) -> ServiceStatus:
        """Stop it, if it runs; what it holds stays on disk."""

    def server_status(self) -> ServiceStatus:
        """Look; start nothing."""


def get_service(name: str) -> ServiceModule:
    """The module of a service."""
    if name not in SERVICE_NAMES:
        raise InvalidParameterError(
            f"no service {name!r}", f"there are: {', '.join(SERVICE_NAMES)}"
        )
    return cast(ServiceModule, importlib.import_module(f"kpfnb.compute.services.{name}"))
