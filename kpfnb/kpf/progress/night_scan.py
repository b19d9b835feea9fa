"""What is on disk of one night: its files with size and time, and what their headers tell.

A product is whole where its size is a multiple of the FITS block of 2880 bytes and more than one
block, it begins with `SIMPLE  =`, and, where a version is asked for and its header is read, END
is in it. What is read is remembered in the index; what could not be read never is.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb.core.fits import headers
from kpfnb.kpf.files.obsid import KPF, file_name, level_dir
from kpfnb.kpf.progress.completeness import ProductFile, RawFile
from kpfnb.kpf.progress.header_index import HeaderIndex, IndexedFile

FITS_BLOCK = 2880

CAMERAS = ("GREEN", "RED", "CA_HK")
RAW_KEYWORDS = (*CAMERAS, "IMTYPE", "OBJECT", "TARGNAME", "SCI-OBJ", "OCTAGON", "FFFB")
TAG_KEYWORD = "DRPTAG"

FactReader = Callable[[str], str]
"""Gives the facts that a file tells; raises OSError, `fitsheader.InvalidHeaderError` or ValueError."""


class ListedFile(NamedTuple):
    """One file as the directory shows it; `problem` where it can't be a FITS file."""

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
    newest_ns : the latest modification time of any file, ns since 1970; 0 where there is none
    notes : what could not be listed
    """

    raws: dict[str, RawFile]
    products: dict[str, dict[str, ProductFile]]
    newest_ns: int
    notes: tuple[str, ...]


def level_dirs(root: Path, night: str, levels: Sequence[str]) -> dict[str, Path]:
    """The directory of each level, raw first."""
    return {level: level_dir(root, level, night) for level in (KPF.raw, *levels)}


def directory_mtimes(places: Mapping[str, Path]) -> dict[str, int]:
    """The modification time of each directory, ns; 0 where there is none.

    It changes when a file is made, removed or renamed there, not when one is written in place.
    """
    return {level: _directory_mtime(folder) for level, folder in places.items()}


def sum_mtimes(folder: Path) -> int:
    """The modification times of all that is in a directory, added up, ns: a touch changes it."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                total += _entry_mtime(entry)
    except OSError:
        return 0
    return total


def scan_night(
    places: Mapping[str, Path], night: str, *, index: HeaderIndex, tags: bool = False
) -> NightInventory:
    """Look at every file of a night; only what the index does not know is opened.

    Parameters
    ----------
    places : from `folders`
    tags : read the DRPTAG of the products too
    """
    notes: list[str] = []
    found = {level: _list_level(folder, night, level, notes) for level, folder in places.items()}
    raw_files = found.pop(KPF.raw)
    for level, files in found.items():
        found[level] = {obsid: file for obsid, file in files.items() if obsid in raw_files}
    raw_facts = _read_facts(places[KPF.raw], KPF.raw, raw_files, index, read_raw_keywords)
    read = read_drp_tag if tags else check_fits_magic
    return NightInventory(
        raws={obsid: _make_raw_file(file, *raw_facts[obsid]) for obsid, file in raw_files.items()},
        products={
            level: _make_product_files(files, _read_facts(places[level], level, files, index, read))
            for level, files in found.items()
        },
        newest_ns=max(
            (file.modified_ns for files in (raw_files, *found.values()) for file in files.values()),
            default=0,
        ),
        notes=tuple(notes),
    )


def read_raw_headers(folder: Path, night: str, index: HeaderIndex) -> dict[str, dict[str, Any]]:
    """ObsID to the `RAW_KEYWORDS` of each L0 in a night's directory; {} where it can't be read."""
    files = _list_level(folder, night, KPF.raw, [])
    facts = _read_facts(folder, KPF.raw, files, index, read_raw_keywords)
    return {obsid: json.loads(told) if told else {} for obsid, (told, _) in facts.items()}


def read_raw_keywords(path: str) -> str:
    """The keywords of an L0 that say what it is of and what is expected of it, as JSON."""
    return json.dumps(headers.read_header(path, RAW_KEYWORDS))


def read_drp_tag(path: str) -> str:
    """The DRPTAG of a product as JSON."""
    return json.dumps(headers.read_header(path, (TAG_KEYWORD,)))


def check_fits_magic(path: str) -> str:
    """Check that it is FITS at all, without reading the header."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if os.pread(descriptor, 9, 0) == b"SIMPLE  =":
            return ""
    finally:
        os.close(descriptor)
    raise ValueError("not FITS")


def _list_level(folder: Path, night: str, level: str, notes: list[str]) -> dict[str, ListedFile]:
    """ObsID to file; whatever is not named as an observation of that night is passed over."""
    files = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = KPF.filename_pattern.fullmatch(entry.name)
                if match and match["night"] == night and match["suffix"] == KPF.levels[level]:
                    files[match["obsid"]] = _describe_entry(entry, whole=level != KPF.raw)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        notes.append(f"can't list {folder} ({error.strerror}): what is in it is not counted")
    return files


def _describe_entry(entry: os.DirEntry[str], *, whole: bool) -> ListedFile:
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
    elif whole and (size % FITS_BLOCK or size == FITS_BLOCK):
        problem = f"cut short at {size} bytes"
    return ListedFile(size, status.st_mtime_ns, problem)


def _read_facts(
    folder: Path, level: str, files: Mapping[str, ListedFile], index: HeaderIndex, read: FactReader
) -> dict[str, tuple[str, str]]:
    """ObsID to the facts that its file tells and its problem; one of them is ''."""
    known = index.known_files(folder)
    learned: dict[str, IndexedFile] = {}
    facts = {}
    for obsid, file in files.items():
        name = file_name(obsid, level)
        old = known.pop(name, None)
        if file.problem:
            facts[obsid] = "", file.problem
        elif old and old[:2] == file[:2] and (old.facts or read is check_fits_magic):
            facts[obsid] = old.facts, ""
        else:
            facts[obsid] = _try_read(read, f"{folder}/{name}")
            if not facts[obsid][1]:
                learned[name] = IndexedFile(file.size, file.modified_ns, facts[obsid][0])
    index.update_files(folder, learned, gone=known)
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
    camera, imtype = _parse_raw_facts(facts)
    return RawFile(file.modified_ns, camera, imtype)


def _make_product_files(
    files: Mapping[str, ListedFile], facts: Mapping[str, tuple[str, str]]
) -> dict[str, ProductFile]:
    return {
        obsid: ProductFile(file.modified_ns, _parse_tag(facts[obsid][0]), facts[obsid][1])
        for obsid, file in files.items()
    }


@lru_cache(maxsize=1024)
def _parse_raw_facts(facts: str) -> tuple[bool, str]:
    """Whether a camera was used, and IMTYPE."""
    keywords = json.loads(facts)
    used = any(str(keywords.get(camera, "")).strip() == "YES" for camera in CAMERAS)
    return used, str(keywords.get("IMTYPE", "")).strip()


@lru_cache(maxsize=1024)
def _parse_tag(facts: str) -> str:
    return str(json.loads(facts).get(TAG_KEYWORD) or "") if facts else ""


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
