"""Files that are whole or not there: temporary name, sync, rename.

A writer that is killed leaves its temporary file. The next one in that directory removes it, where
it is certain that nobody writes it any more: its name tells the machine and the process.
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
"""On another machine nobody sees a process: what nobody has changed for so long is a dead one's."""

# The only portable way to read the umask is to set it; done once, before there are threads
UMASK = os.umask(0o022)
os.umask(UMASK)

_TEMPORARY = re.compile(
    rf"{re.escape(TEMPORARY_PREFIX)}(?P<machine>[0-9a-f]{{8}})-(?P<pid>\d{{1,7}})-\w{{8}}(\..*)?"
)
_cleaned_folders: set[Path] = set()
"""The directories in which this process has looked for leftovers."""


@contextmanager
def replace_atomically(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on success it is synced and renamed to `path`.

    After an exception the temporary file is removed and an older `path` is untouched.
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
        _sync(temporary)
        # mkstemp makes files private; products are to be read by the group as any other file
        temporary.chmod(0o666 & ~UMASK)
        temporary.replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync(target.parent)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text so that a reader sees the old or the new content, never a part."""
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_text_if_changed(path: Path | str, text: str) -> None:
    """As `write_text`, where the content differs: a page that is as it was keeps its time."""
    try:
        is_same = Path(path).read_text(encoding="utf-8") == text
    except (FileNotFoundError, UnicodeDecodeError):
        is_same = False
    if not is_same:
        write_text(path, text)


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON so that a reader sees the old or the new content, never a part."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON; a damaged file is a `InvalidInputError` that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInputError(f"{path} is not valid JSON: {error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale_files(folder: Path) -> None:
    """Remove what dead writers have left in a directory, when this process first writes there."""
    if folder in _cleaned_folders:
        return
    _cleaned_folders.add(folder)
    # Untidiness is no reason not to write
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            # Another process may be at it too
            with suppress(FileNotFoundError):
                if match and _is_stale(entry, match["machine"], int(match["pid"])):
                    os.unlink(entry)  # noqa: PTH108


def _is_stale(entry: os.DirEntry[str], machine: str, pid: int) -> bool:
    if machine != _machine_id():
        return time.time() - entry.stat(follow_symlinks=False).st_ctime > STALE_SECONDS
    try:
        os.kill(pid, 0)
    except OSError as error:
        # Another user's process is there, too
        return isinstance(error, ProcessLookupError)
    return False


@cache
def _machine_id() -> str:
    """Names what numbers its processes by itself: a machine, or a container on one."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]
