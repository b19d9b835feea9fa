"""Atomic writes: a file is complete or does not exist (temporary name, sync, rename).

A writer that is killed leaves its temporary file. The next writer in that directory removes it if
no process writes it any more: its name contains the machine and the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from kpfnb.core.errors import InvalidInputError

TEMPORARY_PREFIX = ".kpfnb-"
STALE_SECONDS = 86400
"""Processes of another machine are not visible: a file of this age belongs to a dead process."""

# The only portable way to read the umask is to set it; done once, before threads exist
UMASK = os.umask(0o022)
os.umask(UMASK)

_TEMPORARY = re.compile(
    rf"{re.escape(TEMPORARY_PREFIX)}(?P<machine>[0-9a-f]{{8}})-(?P<pid>\d{{1,7}})-\w{{8}}(\..*)?"
)
_cleaned_folders: set[Path] = set()
"""The directories from which this process has removed stale files."""


@contextmanager
def replace_atomically(path: Path | str) -> Iterator[Path]:
    """Gives a temporary path beside `path`, which replaces `path` after the block.

    After an exception the temporary file is removed and an older `path` is unchanged.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale_files(target.parent)
    prefix = f"{TEMPORARY_PREFIX}{_machine_id()}-{os.getpid()}-"
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=target.suffix)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        _sync_to_disk(temporary)
        # mkstemp creates private files; the group must be able to read products
        temporary.chmod(0o666 & ~UMASK)
        temporary.replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync_to_disk(target.parent)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text; a reader sees the old or the new content, never a part."""
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_text_if_changed(path: Path | str, text: str) -> None:
    """Write text if the content differs; an unchanged file keeps its modification time."""
    try:
        is_same = Path(path).read_text(encoding="utf-8") == text
    except (FileNotFoundError, UnicodeDecodeError):
        is_same = False
    if not is_same:
        write_text(path, text)


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON; a reader sees the old or the new content, never a part."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON; `InvalidInputError` names a damaged file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInputError(f"{path} is not valid JSON: {error}") from error


def _sync_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale_files(folder: Path) -> None:
    """Remove the files of dead writers when this process first writes to a directory."""
    if folder in _cleaned_folders:
        return
    _cleaned_folders.add(folder)
    # A stale file that can't be removed does not prevent writing
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            # Another process may remove it at the same time
            with suppress(FileNotFoundError):
                if match and _is_stale(entry, match["machine"], int(match["pid"])):
                    os.unlink(entry)  # noqa: PTH108


def _is_stale(entry: os.DirEntry[str], machine: str, pid: int) -> bool:
    if machine != _machine_id():
        return time.time() - entry.stat(follow_symlinks=False).st_ctime > STALE_SECONDS
    try:
        os.kill(pid, 0)
    except OSError as error:
        # A process of another user exists as well
        return isinstance(error, ProcessLookupError)
    return False


@cache
def _machine_id() -> str:
    """Identifies what numbers its processes itself: a machine, or a container on one."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:8]
