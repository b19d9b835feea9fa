"""The whole log of an item's last failed attempt, as a file of the machine that made it.

The queue's server keeps only the end of the log: its memory is for queues.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from urllib.parse import quote

from kpfnb.core import atomic, logs, settings
from kpfnb.queue.records import QueueItem

MAX_BYTES = 1_000_000
"""Of a longer log the end is kept."""
MAX_NAME_LENGTH = 120
COMPARED_CHARACTERS = 500

_log = logging.getLogger(__name__)


def log_path(queue: str, item: str) -> Path:
    """The file with the log of an item; it need not exist."""
    name = quote(item, safe="")
    if len(name) > MAX_NAME_LENGTH:
        name = f"{name[:MAX_NAME_LENGTH]}-{hashlib.sha256(item.encode()).hexdigest()[:12]}"
    return settings.load_settings().work_dir / "queues" / queue / "logs" / f"{name}.log"


def store_log(queue: str, item: str, text: str) -> None:
    """Write the log of a failed attempt; a failure to do so is only logged."""
    try:
        atomic.write_text(log_path(queue, item), logs.redact_secrets(text))
    except OSError as error:
        _log.warning("%s: its log is not kept: %s", item, error)


def find_log(queue: str, item: QueueItem) -> Path | None:
    """The file with the log of the attempt that the item's error is of; None if it is not here.

    The attempt may have been made on another machine, after an earlier one on this.
    """
    path = log_path(queue, item.name)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    end = logs.redact_secrets(item.log)[-COMPARED_CHARACTERS:]
    return path if text.endswith(end) else None
