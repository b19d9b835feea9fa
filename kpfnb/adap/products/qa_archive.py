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

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError

QA_FOLDER = "QA"
QA_ARCHIVE = "QA.tar.gz"
LEAVING_FOLDER = f"{atomic.TEMPORARY_PREFIX}{QA_FOLDER}"
"""The folder once its archive is verified; all that is left of it is to be removed."""
COMPRESSION_LEVEL = 0
"""Pictures are compressed already: ten times the CPU would make them 9 % smaller."""

CHUNK_BYTES = 1 << 20
MAX_FILE_BYTES = 50_000_000
"""No picture of PypeIt's is so large (bytes)."""


def pack_qa(setup_folder: Path) -> Path | None:
    """Put `QA` of a setup's folder into `QA.tar.gz`, verify that, then remove the folder.

    The same files give the same archive, byte by byte. Stopped anywhere, it can be called again.

    Returns
    -------
    the archive; None where there is neither a file of QA nor an archive

    Raises
    ------
    InvalidInputError : the archive does not hold what the folder does; the folder is left
    """
    folder, archive = setup_folder / QA_FOLDER, setup_folder / QA_ARCHIVE
    leaving = setup_folder / LEAVING_FOLDER
    if leaving.exists():
        shutil.rmtree(leaving)
    found = _list_files(folder)
    if found:
        with atomic.replace_atomically(archive) as temporary:
            _write_archive(temporary, folder, found)
            _verify_archive(temporary, folder, found)
    if folder.is_dir():
        # Renamed first: a half removed one is never taken for all of the QA
        folder.rename(leaving)
        shutil.rmtree(leaving)
    return archive if archive.is_file() else None


def read_archive(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive, as `QA/PNGs/name.png` and content, in its order.

    `InvalidInputError` where it can't be read.
    """
    with _open_archive(archive) as tar:
        for member in _regular_members(tar):
            if content := tar.extractfile(member):
                yield member.name, content.read()


def read_selected(archive: Path, selected_names: Collection[str]) -> dict[str, bytes]:
    """Those files of an archive, by the names that `names` gives; nothing is written to disk.

    What is there no more, or is too large for a picture, is left out. `InvalidInputError` where it can't
    be read.
    """
    found = {}
    with _open_archive(archive) as tar:
        for member in _regular_members(tar):
            if member.name in selected_names and member.size <= MAX_FILE_BYTES:
                content = tar.extractfile(member)
                found[member.name] = content.read() if content else b""
    return found


def list_archive(archive: Path) -> list[str]:
    """The files of an archive, as `read` names them; `InvalidInputError` where it can't be read."""
    with _open_archive(archive) as tar:
        return [member.name for member in _regular_members(tar)]


def _regular_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Files only: where a link in an archive leads is nobody's promise."""
    return (member for member in tar if member.isreg())


@contextmanager
def _open_archive(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            yield tar
            # To its end, where the checksum is: tar would stop before it
            while stream.read(CHUNK_BYTES):
                pass
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InvalidInputError(
            f"{archive} can't be read: {error}", "download or make it again"
        ) from error


def _list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _write_archive(path: Path, folder: Path, found: list[Path]) -> None:
    with _open_gzip(path) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for one in found:
            content = one.read_bytes()
            member = tarfile.TarInfo(_member_name(one, folder))
            member.size, member.mtime = len(content), int(one.stat().st_mtime)
            tar.addfile(member, io.BytesIO(content))


@contextmanager
def _open_gzip(path: Path) -> Iterator[gzip.GzipFile]:
    # Without a name and a time: they would make each archive another one
    with (
        path.open("wb") as plain,
        gzip.GzipFile("", "wb", compresslevel=COMPRESSION_LEVEL, fileobj=plain, mtime=0) as stream,
    ):
        yield stream


def _verify_archive(archive: Path, folder: Path, found: list[Path]) -> None:
    there = {name: _digest(content) for name, content in read_archive(archive)}
    if there != {_member_name(one, folder): _digest(one.read_bytes()) for one in found}:
        raise InvalidInputError(f"{archive} does not hold what {folder} does", "is its disk full?")


def _member_name(path: Path, folder: Path) -> str:
    return f"{QA_FOLDER}/{path.relative_to(folder).as_posix()}"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
