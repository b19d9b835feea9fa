"""Logging: warnings on the console, everything in the log of a run; UTC times, no secrets."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from pydantic import SecretStr

from kpfnb.core import settings
from kpfnb.core.errors import InvalidSettingsError

FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
BACKUP_COUNT = 5
HIDDEN = "********"

_secrets: set[str] = set()
"""The secret settings that this process has read so far."""


class _Formatter(logging.Formatter):
    """UTC times, and secret settings hidden in every line."""

    def __init__(self) -> None:
        super().__init__(FORMAT, TIME_FORMAT)
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        return redact_secrets(super().format(record))


class _FileHandler(RotatingFileHandler):
    """A full disk is ignored: the record of the run reports it."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def log_to_console(level: int = logging.WARNING) -> None:
    """Show messages of that level and above on stderr; a second call changes only the level."""
    root = logging.getLogger()
    handler = next((present for present in root.handlers if present.name == "kpfnb"), None)
    if handler is None:
        handler = logging.StreamHandler()
        handler.name = "kpfnb"
        handler.setFormatter(_Formatter())
        root.addHandler(handler)
    handler.setLevel(level)


def add_file_handler(file: Path, *, max_bytes: int = 0) -> logging.Handler:
    """Write all messages of this process from INFO up to a file, until `remove_handler`.

    Parameters
    ----------
    max_bytes : a log that grows larger is renamed (`.1` to `.5`) and started again; 0 for never
    """
    handler = _FileHandler(
        file, maxBytes=max_bytes, backupCount=BACKUP_COUNT, encoding="utf-8", delay=True
    )
    handler.setFormatter(_Formatter())
    handler.setLevel(logging.INFO)
    root = logging.getLogger()
    root.setLevel(min(root.level, logging.INFO))
    root.addHandler(handler)
    return handler


def remove_handler(handler: logging.Handler) -> None:
    """Undo `add_file_handler`."""
    logging.getLogger().removeHandler(handler)
    # Closing writes what is buffered; see `_FileHandler`
    with suppress(OSError):
        handler.close()


@contextmanager
def thread_log(file: Path) -> Iterator[None]:
    """Write the messages of this thread to a file: parallel runs have separate logs."""
    thread = threading.get_ident()
    handler = add_file_handler(file)
    handler.addFilter(lambda record: record.thread == thread)
    try:
        yield
    finally:
        remove_handler(handler)


def redact_secrets(text: str) -> str:
    """The text with the values of secret settings replaced."""
    # While the settings file is edited it may be invalid; values read earlier are still secret
    with suppress(InvalidSettingsError):
        current = settings.load_settings()
        values = (getattr(current, name) for name in settings.Settings.model_fields)
        _secrets.update(
            value.get_secret_value() for value in values if isinstance(value, SecretStr)
        )
    # A secret may be part of a longer one
    for secret in sorted(filter(None, _secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
