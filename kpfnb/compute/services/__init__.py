"""Servers for one machine. They come with Python packages: no installation by hand.

Each service in `SERVICE_NAMES` is a module with `start_server`, `stop_server` and `server_status`.
Its data are in the work directory. It continues when the process that started it ends, and other
processes find it.
"""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from kpfnb.core.errors import InvalidParameterError

SERVICE_NAMES = ("valkey",)
"""The services; each is the module of that name in this package."""


@dataclass(frozen=True)
class ServiceStatus:
    """The state of one service.

    Attributes
    ----------
    folder : directory of its data and log
    address : its URL without secrets; '' if it does not run
    note : for people: how much data it has, or why it does not run
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
    """The interface of a service's module."""

    def start_server(self) -> ServiceStatus:
        """Start it if it does not run."""

    def stop_server(self) -> ServiceStatus:
        """Stop it if it runs; its data stay on disk."""

    def server_status(self) -> ServiceStatus:
        """Its state; nothing is started."""


def get_service(name: str) -> ServiceModule:
    """The module of a service."""
    if name not in SERVICE_NAMES:
        raise InvalidParameterError(f"no service {name!r}", f"known: {', '.join(SERVICE_NAMES)}")
    return cast(ServiceModule, importlib.import_module(f"kpfnb.compute.services.{name}"))
