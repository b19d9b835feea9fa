"""One raw frame to its place: copied, moved or linked; never lost, never half there."""

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
    source : where it comes from; None for a frame that is below the root already
    placed : where it is below the root, if it is
    """

    source: Path | None
    target: Path
    mode: PlaceMode
    placed: Path | None = None


def is_needed(job: PlacementJob) -> bool:
    """Whether there is anything to do.

    Raises
    ------
    InvalidInputError : another file of that name is in the place; neither is touched
    """
    here = job.placed or job.target
    if job.source and os.path.lexists(here) and not is_same_file(job.source, here):
        raise InvalidInputError(f"another file of this name is there: {here}", "rename one of them")
    if job.placed and job.placed != job.target:
        if os.path.lexists(job.target):
            raise InvalidInputError(
                f"{job.placed} belongs to {job.target}, which is there", "compare them"
            )
        return True
    if not job.source:
        return False
    if job.mode is PlaceMode.SYMLINK:
        return not os.path.lexists(job.target)
    linked = job.target.is_symlink()
    return linked or not job.target.exists() or (job.mode is PlaceMode.MOVE)


def place_frame(job: PlacementJob) -> bool:
    """Do it; False where there was nothing to do.

    Raises
    ------
    InvalidInputError, OSError : it was not done; the source is as it was
    """
    if not is_needed(job):
        return False
    job.target.parent.mkdir(parents=True, exist_ok=True)
    if job.placed and job.placed != job.target:
        job.placed.rename(job.target)
        _remove_empty_folders(job.placed.parent)
    if job.source is None:
        return True
    there = os.path.lexists(job.target) and not job.target.is_symlink()
    if job.mode is PlaceMode.SYMLINK:
        if not os.path.lexists(job.target):
            job.target.symlink_to(job.source.resolve())
        return True
    if job.mode is PlaceMode.COPY:
        if not there:
            copy_verified(job.source, job.target)
        return True
    _move_verified(job.source, job.target, there=there)
    return True


def copy_verified(source: Path, target: Path) -> None:
    """A copy with the source's time, written beside, read back and compared, then renamed."""
    before = source.stat()
    digest = hashlib.sha256()
    with atomic.replace_atomically(target) as temporary:
        with source.open("rb") as origin, temporary.open("wb") as made:
            while chunk := origin.read(CHUNK_BYTES):
                digest.update(chunk)
                made.write(chunk)
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise OSError(f"{source} changed while it was copied")
        if file_sha256(temporary) != digest.hexdigest():
            raise OSError(f"the copy of {source} differs from it")
        os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))


def _move_verified(source: Path, target: Path, *, there: bool) -> None:
    """Delete the source only after the same bytes are in the place."""
    if not there and not source.is_symlink() and not target.is_symlink():
        try:
            # The same file under two names for a moment: nothing to verify
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            pass  # another file system, or one without hard links
        else:
            source.unlink()
            return
    if not there:
        copy_verified(source, target)
    if not source.samefile(target) and file_sha256(source) != file_sha256(target):
        raise OSError(f"{target} differs from {source}, which is kept")
    source.unlink()


def is_same_file(source: Path, there: Path) -> bool:
    """Whether a file in a place is this one: by size and time, or by content."""
    try:
        one, other = source.stat(), there.stat()
    except FileNotFoundError:
        return False
    if os.path.samestat(one, other):
        return True
    if one.st_size != other.st_size:
        return False
    return one.st_mtime_ns == other.st_mtime_ns or file_sha256(source) == file_sha256(there)


def file_sha256(path: Path) -> str:
    """The checksum of a file's bytes."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _remove_empty_folders(folder: Path) -> None:
    """Remove a raw folder that has become empty, and so its dataset."""
    for one in (folder, folder.parent, folder.parent.parent):
        try:
            one.rmdir()
        except OSError:
            return


def remove_partial_files(folder: Path) -> None:
    """Remove what a killed run left half written in a folder."""
    for path in folder.glob(f"{atomic.TEMPORARY_PREFIX}*"):
        path.unlink()
