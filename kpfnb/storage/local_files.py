"""The files of a local folder, looked at without another program.

A listing by rclone costs as much CPU as hashing 40 MB, and a dataset's way takes dozens. Links are
followed, as rclone is told to.
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

# Files copied from one local folder to another, without another program.
#
# To start rclone under its guard costs as much CPU as copying 300 MB, and a dataset's way takes
# several copies. As rclone does, a file is written beside its place and renamed, keeps its time of
# change, and links are followed.


def copy_files(
    source: str, destination: str, paths: Iterable[str], tell: Callable[[int, int], None]
) -> dict[str, str]:
    """Copy files below the folder `source`, or (path '') the file itself.

    Parameters
    ----------
    tell : called before each file with the numbers of files and bytes that are copied

    Returns
    -------
    why a file could not be copied, by its path
    """
    failures: dict[str, str] = {}
    done = size = 0
    for path in paths:
        tell(done, size)
        origin, target = (os.path.join(top, path) if path else top for top in (source, destination))  # noqa: PTH118
        try:
            size += _copy_file(Path(origin), Path(target))
            done += 1
        except (OSError, shutil.SpecialFileError) as error:
            failures[path] = str(getattr(error, "strerror", None) or error).lower()
    return failures


def _copy_file(origin: Path, target: Path) -> int:
    """The size of the file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # The same at each attempt: what a killed one has left is written over
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


HASHES = ("md5", "sha1", "sha256")
"""Those that are known here."""
FAST_HASH = "sha1"
"""Two to three times as fast as the others of them, since CPUs have instructions for it."""
TICK_SECONDS = 0.05
"""A file may change within one tick of the file system's clock, and its times would not tell."""


class LocalFile(NamedTuple):
    """A file below a folder, or why what is there is none.

    Attributes
    ----------
    path : below the folder; bytes that are no UTF-8 are replaced
    size : bytes
    hash : as hexadecimal digits; '' where none was asked for, or the file can't be read
    problem : '' for a file
    """

    path: str
    size: int = 0
    hash: str = ""
    problem: str = ""


def list_files(
    top: str, *, hash_type: str = "", only: Iterable[str] | None = None
) -> Iterator[LocalFile]:
    """All files below the folder `top`, or those of them that are named; a file is the one itself.

    Nothing there is no file. What is neither file nor folder, as a pipe, is passed over.

    Raises
    ------
    OSError : the place itself can't be looked at
    """
    try:
        status = os.stat(top)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(status.st_mode):
        yield from _describe_file(top, os.path.basename(top), status, hash_type)  # noqa: PTH119
        return
    os.scandir(top).close()
    seen = (
        _list_named(top, only)
        if only is not None
        else _walk_files(top, "", ((status.st_dev, status.st_ino),))
    )
    for path, one in seen:
        if isinstance(one, str):
            yield LocalFile(_printable_path(path), problem=one)
        else:
            yield from _describe_file(f"{top}/{path}", path, one, hash_type)


def list_entries(top: str, *, depth: int = 0) -> Iterator[tuple[str, int, bool]]:
    """Path, size and whether it is a folder (-1 bytes) of all below a folder; a file is itself.

    depth : so many levels; 0 for all

    Raises
    ------
    OSError : the place is not there, or something in it can't be looked at
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
            # Somebody else's temporary file is gone by now; a broken link is there
            if os.path.lexists(f"{top}/{path}"):
                raise
            continue
        if stat.S_ISREG(status.st_mode):
            yield _printable_path(path), status.st_size, False
        if not stat.S_ISDIR(status.st_mode):
            continue
        yield _printable_path(path), -1, True
        here = (status.st_dev, status.st_ino)
        if here in within:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), f"{top}/{path}")
        if depth != 1:
            yield from _walk_entries(top, path, (*within, here), depth - 1)


def _describe_file(
    full: str, path: str, status: os.stat_result, hash_type: str
) -> Iterator[LocalFile]:
    if stat.S_ISREG(status.st_mode):
        digest = _file_hash(full, status, hash_type) if hash_type else ""
        yield LocalFile(_printable_path(path), status.st_size, digest)


def _list_named(top: str, only: Iterable[str]) -> Iterator[tuple[str, os.stat_result | str]]:
    for path in only:
        full = f"{top}/{path}"
        try:
            yield path, os.stat(full)  # noqa: PTH116
        except OSError as error:
            # What is not there is told by its absence; a broken link is there
            if os.path.lexists(full) or isinstance(error, PermissionError):
                yield path, _error_reason(error)


def _walk_files(
    top: str, folder: str, within: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, os.stat_result | str]]:
    """What is below a folder; `within` are the device and inode of it and all above it."""
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
            # What is gone by now is told by its absence, as where it was named
            if os.path.lexists(f"{top}/{path}") or not isinstance(error, FileNotFoundError):
                yield path, _error_reason(error)
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield path, status
        elif (status.st_dev, status.st_ino) in within:
            yield path, "too many levels of symbolic links: it leads to a folder that it is in"
        else:
            yield from _walk_files(top, path, (*within, (status.st_dev, status.st_ino)))


def _error_reason(error: OSError) -> str:
    return str(error.strerror or error).lower()


def _printable_path(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")


def _file_hash(path: str, status: os.stat_result, kind: str) -> str:
    """The file's hash; read again only if it may have changed since, by all that the disk tells."""
    stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    is_settled = time.time() - max(status.st_mtime, status.st_ctime) > TICK_SECONDS
    try:
        return (
            _hash_content(path, kind, stamp)
            if is_settled
            else _hash_content.__wrapped__(path, kind, stamp)
        )
    except OSError:
        # Who copies it is told why
        return ""


@lru_cache(maxsize=20_000)
def _hash_content(path: str, kind: str, stamp: tuple[int, ...]) -> str:
    """Read the file that has this stamp."""
    with Path(path).open("rb") as content:
        return hashlib.file_digest(
            content, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()
