"""Files of local directories: listed, hashed and copied without another program.

A listing by rclone costs as much CPU as hashing 40 MB, and one dataset needs dozens of them. To
start a supervised rclone costs as much CPU as copying 300 MB. Links are followed, as with rclone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from kpfnb.core import atomic

HASHES = ("md5", "sha1", "sha256")
"""The kinds that this module can compute."""
FAST_HASH = "sha1"
"""Two to three times as fast as the others, since CPUs have instructions for it."""
TICK_SECONDS = 0.05
"""A file may change within one tick of the file system's clock without a new time stamp."""


class LocalFile(NamedTuple):
    """A file below a directory, or the reason why a path can't be read.

    Attributes
    ----------
    path : below the directory; bytes that are not UTF-8 are replaced
    size : bytes
    hash : as hexadecimal digits; '' if none was requested, or the file can't be read
    problem : '' for a file
    """

    path: str
    size: int = 0
    hash: str = ""
    problem: str = ""


def list_files(
    top: str, *, hash_type: str = "", only: Iterable[str] | None = None
) -> Iterator[LocalFile]:
    """List all files below the directory `top`, or the ones named in `only`.

    If `top` is a file, the list holds that file; if nothing exists, it is empty. What is
    neither file nor directory, such as a pipe, is skipped.

    Raises
    ------
    OSError : `top` itself can't be read
    """
    try:
        status = os.stat(top)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(status.st_mode):
        yield from _describe_file(top, os.path.basename(top), status, hash_type)  # noqa: PTH119
        return
    os.scandir(top).close()
    files = (
        _list_named(top, only)
        if only is not None
        else _walk_files(top, "", ((status.st_dev, status.st_ino),))
    )
    for path, status_or_problem in files:
        if isinstance(status_or_problem, str):
            yield LocalFile(_printable_path(path), problem=status_or_problem)
        else:
            yield from _describe_file(f"{top}/{path}", path, status_or_problem, hash_type)


def list_entries(top: str, *, depth: int = 0) -> Iterator[tuple[str, int, bool]]:
    """List path, size (-1 for a directory) and whether it is a directory, for all below `top`.

    If `top` is a file, the list holds that file.

    depth : number of levels; 0 for all

    Raises
    ------
    OSError : `top` does not exist, or something in it can't be read
    """
    status = os.stat(top)  # noqa: PTH116
    if stat.S_ISREG(status.st_mode):
        yield os.path.basename(top), status.st_size, False  # noqa: PTH119
        return
    yield from _walk_entries(top, "", ((status.st_dev, status.st_ino),), depth)


def _walk_entries(
    top: str, folder: str, within: tuple[tuple[int, int], ...], depth: int
) -> Iterator[tuple[str, int, bool]]:
    for name in os.listdir(f"{top}/{folder}"):
        path = f"{folder}/{name}" if folder else name
        try:
            status = os.stat(f"{top}/{path}")  # noqa: PTH116
        except FileNotFoundError:
            # A temporary file was removed since the listing; a broken link still exists
            if os.path.lexists(f"{top}/{path}"):
                raise
            continue
        if stat.S_ISREG(status.st_mode):
            yield _printable_path(path), status.st_size, False
        if not stat.S_ISDIR(status.st_mode):
            continue
        yield _printable_path(path), -1, True
        identity = (status.st_dev, status.st_ino)
        if identity in within:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), f"{top}/{path}")
        if depth != 1:
            yield from _walk_entries(top, path, (*within, identity), depth - 1)


def _describe_file(
    full_path: str, path: str, status: os.stat_result, hash_type: str
) -> Iterator[LocalFile]:
    if stat.S_ISREG(status.st_mode):
        digest = _file_hash(full_path, status, hash_type) if hash_type else ""
        yield LocalFile(_printable_path(path), status.st_size, digest)


def _list_named(top: str, only: Iterable[str]) -> Iterator[tuple[str, os.stat_result | str]]:
    for path in only:
        full_path = f"{top}/{path}"
        try:
            yield path, os.stat(full_path)  # noqa: PTH116
        except OSError as error:
            # A missing file is left out; a broken link exists
            if os.path.lexists(full_path) or isinstance(error, PermissionError):
                yield path, _error_reason(error)


def _walk_files(
    top: str, folder: str, within: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, os.stat_result | str]]:
    """Files below a directory; `within` are the device and inode of it and all above it."""
    try:
        names = sorted(os.listdir(f"{top}/{folder}"))
    except OSError as error:
        yield folder, _error_reason(error)
        return
    for name in names:
        path = f"{folder}/{name}" if folder else name
        try:
            status = os.stat(f"{top}/{path}")  # noqa: PTH116
        except OSError as error:
            # A file that was removed since the listing is left out
            if os.path.lexists(f"{top}/{path}") or not isinstance(error, FileNotFoundError):
                yield path, _error_reason(error)
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield path, status
        elif (status.st_dev, status.st_ino) in within:
            yield path, "too many levels of symbolic links: it leads to a directory above it"
        else:
            yield from _walk_files(top, path, (*within, (status.st_dev, status.st_ino)))


def _error_reason(error: OSError) -> str:
    return str(error.strerror or error).lower()


def _printable_path(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")


def _file_hash(path: str, status: os.stat_result, kind: str) -> str:
    """The file's hash; read again only if its size, inode or times have changed."""
    signature = (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    is_settled = time.time() - max(status.st_mtime, status.st_ctime) > TICK_SECONDS
    try:
        return (
            hash_content(path, kind, signature)
            if is_settled
            else hash_content.__wrapped__(path, kind, signature)
        )
    except OSError:
        # The copy of the file reports the reason
        return ""


@lru_cache(maxsize=20_000)
def hash_content(path: str, kind: str, signature: tuple[int, ...]) -> str:
    """Hash the file that has this signature."""
    with Path(path).open("rb") as content:
        return hashlib.file_digest(
            content, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def copy_files(
    source: str, destination: str, paths: Iterable[str], report: Callable[[int, int], None]
) -> dict[str, str]:
    """Copy files below the directory `source`, or (path '') the file itself.

    Each is written to a temporary file beside its target and renamed. It keeps its time of change.

    Parameters
    ----------
    report : called before each file with the number of files and of bytes copied so far

    Returns
    -------
    why a file could not be copied, by its path
    """
    failures: dict[str, str] = {}
    done = size = 0
    for path in paths:
        report(done, size)
        origin, target = (os.path.join(top, path) if path else top for top in (source, destination))  # noqa: PTH118
        try:
            size += _copy_file(Path(origin), Path(target))
            done += 1
        except (OSError, shutil.SpecialFileError) as error:
            failures[path] = str(getattr(error, "strerror", None) or error).lower()
    return failures


def _copy_file(origin: Path, target: Path) -> int:
    """Copy one file; returns its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # The same name at each attempt: it overwrites what a killed attempt left
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    temporary = target.with_name(f"{atomic.TEMPORARY_PREFIX}{digest}")
    try:
        shutil.copyfile(origin, temporary)
        status = origin.stat()
        os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
        temporary.replace(target)
    except BaseException:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()
        raise
    return status.st_size
