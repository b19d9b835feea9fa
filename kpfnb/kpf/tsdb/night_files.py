"""The files of a night: on disk, in the database, new or changed, and in the wrong directory."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, select

from kpfnb.kpf.files.obsid import (
    KPF,
    check_placement,
    file_name,
    level_dir,
    list_misplaced_files,
    list_night_files,
)
from kpfnb.kpf.tsdb import schema
from kpfnb.kpf.tsdb.batch import RefusedFile
from kpfnb.kpf.tsdb.file_content import FileSignature
from kpfnb.kpf.tsdb.file_reader import read_signature


def scan_night(root: Path, night: str) -> dict[str, FileSignature]:
    """The files of a night on disk, of all levels: path to signature.

    A directory that can't be listed is an `InvalidInputError`.
    """
    return {
        f"{level_dir(root, level, night)}/{file_name(obsid, level)}": FileSignature(
            status.st_size, status.st_mtime_ns
        )
        for level in KPF.levels
        for obsid, status in list_night_files(root, level, night)
    }


def read_stored_files(connection: Connection, night: str) -> dict[tuple[str, str], FileSignature]:
    """The files of a night in the database: (ObsID, level) to signature."""
    columns = schema.file_table.c
    query = select(columns.obsid, columns.level, columns.size, columns.modified_ns).where(
        columns.night == night
    )
    return {(row[0], row[1]): FileSignature(row[2], row[3]) for row in connection.execute(query)}


def find_changed_files(
    on_disk: dict[str, FileSignature],
    stored: dict[tuple[str, str], FileSignature],
    refused: dict[str, FileSignature],
) -> list[str]:
    """The files on disk that are new or changed since they were ingested, in order of time."""
    changed = []
    for path, signature in on_disk.items():
        if stored.get(parse_file_key(path)) != signature and refused.get(path) != signature:
            changed.append(path)
    return sorted(changed, key=parse_file_key)


def parse_file_key(path: str) -> tuple[str, str]:
    """ObsID and level from the path of an observation's file."""
    name = path.rpartition("/")[2].removesuffix(".fits")
    obsid, _, level = name.partition("_")
    return obsid, level or KPF.raw


def find_misplaced_files(root: Path, night: str) -> list[RefusedFile]:
    """The files in the directories of a night that belong in others, by their names."""
    paths = (path for level in KPF.levels for path in list_misplaced_files(root, level, night))
    return [
        RefusedFile(str(path), try_read_signature(str(path)), check_placement(path))
        for path in paths
    ]


def try_read_signature(path: str) -> FileSignature | None:
    """Size and modification time of a file; None if there is no such file."""
    try:
        return read_signature(path)
    except OSError:
        return None
