"""Placement of one raw frame: a verified copy, a move or a link; no frame is ever lost."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError

CHUNK_BYTES = 1 << 20


class PlaceMode(StrEnum):
    """How frames get to their places."""

    COPY = "copy"
    MOVE = "move"
    SYMLINK = "symlink"


@dataclass(frozen=True)
class PlacementJob:
    """A frame and its place.

    Attributes
    ----------
    source : the new file; None for a frame that is already below the root
    target : its place
    placed : its present path below the root; None if it is not there
    """

    source: Path | None
    target: Path
    mode: PlaceMode
    placed: Path | None = None


def is_needed(job: PlacementJob) -> bool:
    """Whether there is anything to do.

    Raises
    ------
    InvalidInputError : another file has this name and place; neither file is touched
    """
    present = job.placed or job.target
    if job.source and os.path.lexists(present) and not is_same_file(job.source, present):
        raise InvalidInputError(f"another file has this name: {present}", "rename one of them")
    if job.placed and job.placed != job.target:
        if os.path.lexists(job.target):
            raise InvalidInputError(
                f"{job.placed} belongs to {job.target}, which exists", "compare them"
            )
        return True
    if not job.source:
        return False
    if job.mode is PlaceMode.SYMLINK:
        return not os.path.lexists(job.target)
    is_link = job.target.is_symlink()
    return is_link or not job.target.exists() or (job.mode is PlaceMode.MOVE)


def place_frame(job: PlacementJob) -> bool:
    """Put a frame into its place; False if there was nothing to do.

    Raises
    ------
    InvalidInputError, OSError : it was not done; the source is unchanged
    """
    if not is_needed(job):
        return False
    job.target.parent.mkdir(parents=True, exist_ok=True)
    if job.placed and job.placed != job.target:
        job.placed.rename(job.target)
        _remove_empty_folders(job.placed.parent)
    if job.source is None:
        return True
    is_present = os.path.lexists(job.target) and not job.target.is_symlink()
    if job.mode is PlaceMode.SYMLINK:
        if not os.path.lexists(job.target):
            job.target.symlink_to(job.source.resolve())
        return True
    if job.mode is PlaceMode.COPY:
        if not is_present:
            copy_verified(job.source, job.target)
        return True
    _move_verified(job.source, job.target, is_present=is_present)
    return True


def copy_verified(source: Path, target: Path) -> None:
    """Copy a file with its time: written to a temporary file, read back, compared, renamed."""
    before = source.stat()
    digest = hashlib.sha256()
    with atomic.replace_atomically(target) as temporary:
        with source.open("rb") as origin, temporary.open("wb") as copy:
            while chunk := origin.read(CHUNK_BYTES):
                digest.update(chunk)
                copy.write(chunk)
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise OSError(f"{source} changed while it was copied")
        if file_sha256(temporary) != digest.hexdigest():
            raise OSError(f"the copy of {source} differs from it")
        os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))


def _move_verified(source: Path, target: Path, *, is_present: bool) -> None:
    """Delete the source only after the same bytes are in place."""
    if not is_present and not source.is_symlink() and not target.is_symlink():
        try:
            # The same file has two names for a moment: nothing to verify
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            pass  # another file system, or one without hard links
        else:
            source.unlink()
            return
    if not is_present:
        copy_verified(source, target)
    if not source.samefile(target) and file_sha256(source) != file_sha256(target):
        raise OSError(f"{target} differs from {source}, which is kept")
    source.unlink()


def is_same_file(source: Path, target: Path) -> bool:
    """Whether two files are the same: by size and time, or by content."""
    try:
        status, other = source.stat(), target.stat()
    except FileNotFoundError:
        return False
    if os.path.samestat(status, other):
        return True
    if status.st_size != other.st_size:
        return False
    return status.st_mtime_ns == other.st_mtime_ns or file_sha256(source) == file_sha256(target)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _remove_empty_folders(folder: Path) -> None:
    """Remove a raw directory that has become empty, and the dataset around it."""
    for path in (folder, folder.parent, folder.parent.parent):
        try:
            path.rmdir()
        except OSError:
            return


def remove_partial_files(folder: Path) -> None:
    """Remove the temporary files of a killed run."""
    for path in folder.glob(f"{atomic.TEMPORARY_PREFIX}*"):
        path.unlink()
