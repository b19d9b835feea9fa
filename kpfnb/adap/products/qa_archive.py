"""PypeIt's QA, thousands of small files, as one: `QA.tar.gz` in place of the folder `QA`.

The folder goes only when its copy was read back and compared. A folder without files leaves an
earlier archive as it is.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from kpfnb import files
from kpfnb.errors import BadInput

FOLDER = "QA"
ARCHIVE = "QA.tar.gz"
LEAVING = f"{files.TEMPORARY_PREFIX}{FOLDER}"
"""The folder once its archive is verified; all that is left of it is to be removed."""
LEVEL = 0
"""Pictures are compressed already: ten times the CPU would make them 9 % smaller."""

CHUNK = 1 << 20
LARGEST_PICKED = 50_000_000
"""No picture of PypeIt's is so large (bytes)."""


def pack(setup_folder: Path) -> Path | None:
    """Put `QA` of a setup's folder into `QA.tar.gz`, verify that, then remove the folder.

    The same files give the same archive, byte by byte. Stopped anywhere, it can be called again.

    Returns
    -------
    the archive; None where there is neither a file of QA nor an archive

    Raises
    ------
    BadInput : the archive does not hold what the folder does; the folder is left
    """
    folder, archive = setup_folder / FOLDER, setup_folder / ARCHIVE
    leaving = setup_folder / LEAVING
    if leaving.exists():
        shutil.rmtree(leaving)
    found = _files(folder)
    if found:
        with files.replacing(archive) as temporary:
            _write(temporary, folder, found)
            _verify(temporary, folder, found)
    if folder.is_dir():
        # Renamed first: a half removed one is never taken for all of the QA
        folder.rename(leaving)
        shutil.rmtree(leaving)
    return archive if archive.is_file() else None


def read(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive, as `QA/PNGs/name.png` and content, in its order.

    `BadInput` where it can't be read.
    """
    with _opened(archive) as tar:
        for member in _plain(tar):
            if content := tar.extractfile(member):
                yield member.name, content.read()


def pick(archive: Path, wanted: Collection[str]) -> dict[str, bytes]:
    """Those files of an archive, by the names that `names` gives; nothing is written to disk.

    What is there no more, or is too large for a picture, is left out. `BadInput` where it can't
    be read.
    """
    found = {}
    with _opened(archive) as tar:
        for member in _plain(tar):
            if member.name in wanted and member.size <= LARGEST_PICKED:
                content = tar.extractfile(member)
                found[member.name] = content.read() if content else b""
    return found


def names(archive: Path) -> list[str]:
    """The files of an archive, as `read` names them; `BadInput` where it can't be read."""
    with _opened(archive) as tar:
        return [member.name for member in _plain(tar)]


def _plain(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Files only: where a link in an archive leads is nobody's promise."""
    return (member for member in tar if member.isreg())


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            yield tar
            # To its end, where the checksum is: tar would stop before it
            while stream.read(CHUNK):
                pass
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise BadInput(f"{archive} can't be read: {error}", "download or make it again") from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _write(path: Path, folder: Path, found: list[Path]) -> None:
    with _packed(path) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for one in found:
            content = one.read_bytes()
            member = tarfile.TarInfo(_name(one, folder))
            member.size, member.mtime = len(content), int(one.stat().st_mtime)
            tar.addfile(member, io.BytesIO(content))


@contextmanager
def _packed(path: Path) -> Iterator[gzip.GzipFile]:
    # Without a name and a time: they would make each archive another one
    with (
        path.open("wb") as plain,
        gzip.GzipFile("", "wb", compresslevel=LEVEL, fileobj=plain, mtime=0) as stream,
    ):
        yield stream


def _verify(archive: Path, folder: Path, found: list[Path]) -> None:
    there = {name: _digest(content) for name, content in read(archive)}
    if there != {_name(one, folder): _digest(one.read_bytes()) for one in found}:
        raise BadInput(f"{archive} does not hold what {folder} does", "is its disk full?")


def _name(path: Path, folder: Path) -> str:
    return f"{FOLDER}/{path.relative_to(folder).as_posix()}"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
