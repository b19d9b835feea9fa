"""The archive of PypeIt's QA pictures: `QA.tar.gz` instead of the directory `QA`.

PypeIt writes thousands of small files. The directory is removed only after the archive was read
back and compared. If the directory has no files, an earlier archive stays unchanged.
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
"""The directory's name after its archive was verified; what is left of it can be removed."""
COMPRESSION_LEVEL = 0
"""The pictures are compressed already: ten times the CPU time would save 9 %."""

CHUNK_BYTES = 1 << 20
MAX_FILE_BYTES = 50_000_000
"""The size limit of a picture that is read (bytes); PypeIt's are smaller."""


def pack_qa(setup_folder: Path) -> Path | None:
    """Write `QA` of a setup's directory to `QA.tar.gz`, verify it, then remove the directory.

    The same files give the same archive, byte by byte. After an interruption it can be repeated.

    Returns
    -------
    the archive; None if there are neither QA files nor an archive

    Raises
    ------
    InvalidInputError : the archive differs from the directory, which is kept
    """
    folder, archive = setup_folder / QA_FOLDER, setup_folder / QA_ARCHIVE
    leaving = setup_folder / LEAVING_FOLDER
    if leaving.exists():
        shutil.rmtree(leaving)
    files = _list_files(folder)
    if files:
        with atomic.replace_atomically(archive) as temporary:
            _write_archive(temporary, folder, files)
            _verify_archive(temporary, folder, files)
    if folder.is_dir():
        # Renamed first, so that half of it is never taken for all QA pictures
        folder.rename(leaving)
        shutil.rmtree(leaving)
    return archive if archive.is_file() else None


def read_archive(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive in order: names such as `QA/PNGs/name.png`, and their content.

    `InvalidInputError` if it can't be read.
    """
    with _open_archive(archive) as tar:
        for member in _regular_members(tar):
            if content := tar.extractfile(member):
                yield member.name, content.read()


def read_selected(archive: Path, selected_names: Collection[str]) -> dict[str, bytes]:
    """Some files of an archive by name, read into memory.

    Missing files, and files too large for a picture, are skipped. `InvalidInputError` if the
    archive can't be read.

    selected_names : as `list_archive` gives them
    """
    contents = {}
    with _open_archive(archive) as tar:
        for member in _regular_members(tar):
            if member.name in selected_names and member.size <= MAX_FILE_BYTES:
                content = tar.extractfile(member)
                contents[member.name] = content.read() if content else b""
    return contents


def list_archive(archive: Path) -> list[str]:
    """The names of the files in an archive; `InvalidInputError` if it can't be read."""
    with _open_archive(archive) as tar:
        return [member.name for member in _regular_members(tar)]


def _regular_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Regular files only: the target of a link in an archive can't be trusted."""
    return (member for member in tar if member.isreg())


@contextmanager
def _open_archive(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            yield tar
            # Read to the end, where the checksum is: tar stops before it
            while stream.read(CHUNK_BYTES):
                pass
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InvalidInputError(
            f"{archive} can't be read: {error}", "download or create it again"
        ) from error


def _list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _write_archive(path: Path, folder: Path, files: list[Path]) -> None:
    with _open_gzip(path) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for file in files:
            content = file.read_bytes()
            member = tarfile.TarInfo(_member_name(file, folder))
            member.size, member.mtime = len(content), int(file.stat().st_mtime)
            tar.addfile(member, io.BytesIO(content))


@contextmanager
def _open_gzip(path: Path) -> Iterator[gzip.GzipFile]:
    # Without name and time, which would make each archive different
    with (
        path.open("wb") as plain,
        gzip.GzipFile("", "wb", compresslevel=COMPRESSION_LEVEL, fileobj=plain, mtime=0) as stream,
    ):
        yield stream


def _verify_archive(archive: Path, folder: Path, files: list[Path]) -> None:
    archived = {name: _content_digest(content) for name, content in read_archive(archive)}
    if archived != {
        _member_name(file, folder): _content_digest(file.read_bytes()) for file in files
    }:
        raise InvalidInputError(f"{archive} differs from {folder}", "is its disk full?")


def _member_name(path: Path, folder: Path) -> str:
    return f"{QA_FOLDER}/{path.relative_to(folder).as_posix()}"


def _content_digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
