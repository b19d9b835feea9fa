"""The files of one night on disk: size, time and header keywords.

A product counts as complete if its size is a multiple of the FITS block of 2880 bytes and more than
one block, it begins with `SIMPLE  =`, and what is read of it (`kpfnb.kpf.progress.header_facts`) is
there. What was read is stored in the index; failures are not.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core.fits import headers
from kpfnb.kpf.files.exposure import RawFile
from kpfnb.kpf.files.obsid import KPF, file_name, level_dir
from kpfnb.kpf.progress.completeness import NightOddities, ProductFile
from kpfnb.kpf.progress.header_facts import (
    FactReader,
    check_fits_magic,
    parse_product_facts,
    parse_raw_facts,
    read_drp_tag,
    read_l2,
    read_raw_keywords,
)
from kpfnb.kpf.progress.header_index import HeaderIndex, IndexedFile

FITS_BLOCK = 2880


class ListedFile(NamedTuple):
    """A directory entry; `problem` says why it can't be a FITS file."""

    size: int = 0
    modified_ns: int = 0
    problem: str = ""


@dataclass(frozen=True)
class NightInventory:
    """The files of one night.

    Attributes
    ----------
    raws : ObsID to L0
    products : level to ObsID to file; only of observations that have an L0
    newest_ns : the latest modification time of any file, ns since 1970; 0 without files
    notes : what could not be listed
    oddities : what is not counted, or counted in spite of something
    """

    raws: dict[str, RawFile]
    products: dict[str, dict[str, ProductFile]]
    newest_ns: int
    notes: tuple[str, ...]
    oddities: NightOddities


def level_dirs(root: Path, night: str, levels: Sequence[str]) -> dict[str, Path]:
    """The directory of each level, raw first."""
    return {level: level_dir(root, level, night) for level in (KPF.raw, *levels)}


def directory_mtimes(directories: Mapping[str, Path]) -> dict[str, int]:
    """The modification time of each directory, ns; 0 if it does not exist.

    It changes when a file is created, removed or renamed, but not when one is written in place.
    """
    return {level: _directory_mtime(path) for level, path in directories.items()}


def sum_mtimes(folder: Path) -> int:
    """The sum of the modification times of all files in a directory, ns: a touch changes it."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                total += _entry_mtime(entry)
    except OSError:
        return 0
    return total


def scan_night(
    directories: Mapping[str, Path], night: str, *, index: HeaderIndex, tags: bool = False
) -> NightInventory:
    """Scan every file of a night; only files that the index does not hold are opened.

    Parameters
    ----------
    directories : from `level_dirs`
    tags : read the DRPTAG of the products too
    """
    notes: list[str] = []
    misplaced: list[str] = []
    listed = {
        level: _list_level(path, night, level, notes, misplaced)
        for level, path in directories.items()
    }
    raw_files = listed.pop(KPF.raw)
    without_l0 = {level: sorted(files.keys() - raw_files) for level, files in listed.items()}
    for level, files in listed.items():
        listed[level] = {obsid: file for obsid, file in files.items() if obsid in raw_files}
    raw_facts = _read_facts(directories[KPF.raw], KPF.raw, raw_files, index, read_raw_keywords)
    read = read_drp_tag if tags else check_fits_magic
    readers = {level: read_l2 if level == "L2" else read for level in listed}
    return NightInventory(
        raws={obsid: _make_raw_file(file, *raw_facts[obsid]) for obsid, file in raw_files.items()},
        products={
            level: _make_product_files(
                files, _read_facts(directories[level], level, files, index, readers[level])
            )
            for level, files in listed.items()
        },
        oddities=NightOddities(
            tuple(sorted(misplaced)),
            tuple(file_name(o, level) for level, names in without_l0.items() for o in names),
            tuple(sorted(o for o, (facts, _) in raw_facts.items() if _is_by_extensions(facts))),
        ),
        newest_ns=max(
            (
                file.modified_ns
                for files in (raw_files, *listed.values())
                for file in files.values()
            ),
            default=0,
        ),
        notes=tuple(notes),
    )


def read_raw_headers(folder: Path, night: str, index: HeaderIndex) -> dict[str, dict[str, Any]]:
    """ObsID to the `RAW_KEYWORDS` of each L0 in a night's directory; {} if it can't be read."""
    files = _list_level(folder, night, KPF.raw, [], [])
    facts = _read_facts(folder, KPF.raw, files, index, read_raw_keywords)
    return {obsid: json.loads(text) if text else {} for obsid, (text, _) in facts.items()}


def _list_level(
    folder: Path, night: str, level: str, notes: list[str], misplaced: list[str]
) -> dict[str, ListedFile]:
    """ObsID to file; files that are not named as observations of that night are skipped."""
    files = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = KPF.filename_pattern.fullmatch(entry.name)
                if not match:
                    continue
                if match["night"] == night and match["suffix"] == KPF.levels[level]:
                    files[match["obsid"]] = _describe_entry(entry, complete=level != KPF.raw)
                else:
                    misplaced.append(f"{level}/{night}/{entry.name}")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        notes.append(f"can't list {folder} ({error.strerror}): its files are not counted")
    return files


def _describe_entry(entry: os.DirEntry[str], *, complete: bool) -> ListedFile:
    try:
        status = entry.stat()
    except OSError as error:
        return ListedFile(problem=f"{error.strerror}")
    size = status.st_size
    problem = ""
    if not stat.S_ISREG(status.st_mode):
        problem = "not a file"
    elif not size:
        problem = "empty"
    elif complete and (size % FITS_BLOCK or size == FITS_BLOCK):
        problem = f"cut short at {size} bytes"
    return ListedFile(size, status.st_mtime_ns, problem)


def _read_facts(
    folder: Path, level: str, files: Mapping[str, ListedFile], index: HeaderIndex, read: FactReader
) -> dict[str, tuple[str, str]]:
    """ObsID to the facts read from its file and its problem; one of them is ''."""
    indexed = index.known_files(folder)
    new_files: dict[str, IndexedFile] = {}
    facts = {}
    for obsid, file in files.items():
        name = file_name(obsid, level)
        old = indexed.pop(name, None)
        if file.problem:
            facts[obsid] = "", file.problem
        elif old and old[:2] == file[:2] and (old.facts or read is check_fits_magic):
            facts[obsid] = old.facts, ""
        else:
            facts[obsid] = _try_read(read, f"{folder}/{name}")
            if not facts[obsid][1]:
                new_files[name] = IndexedFile(file.size, file.modified_ns, facts[obsid][0])
    index.update_files(folder, new_files, gone=indexed)
    return facts


def _try_read(read: FactReader, path: str) -> tuple[str, str]:
    try:
        return read(path), ""
    except headers.InvalidHeaderError as error:
        return "", str(error.reason)
    except OSError as error:
        return "", f"{error.strerror}"
    except ValueError as error:
        return "", str(error)


def _make_raw_file(file: ListedFile, facts: str, problem: str) -> RawFile:
    if problem:
        return RawFile(file.modified_ns, problem=problem)
    raw = parse_raw_facts(facts)
    return RawFile(file.modified_ns, raw.cameras, raw.imtype, velocity=raw.velocity)


def _is_by_extensions(facts: str) -> bool:
    return bool(facts) and parse_raw_facts(facts).by_extensions


def _make_product_files(
    files: Mapping[str, ListedFile], facts: Mapping[str, tuple[str, str]]
) -> dict[str, ProductFile]:
    return {
        obsid: ProductFile(file.modified_ns, parse_product_facts(facts[obsid][0]), facts[obsid][1])
        for obsid, file in files.items()
    }


def _entry_mtime(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except OSError:
        return 0


def _directory_mtime(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
