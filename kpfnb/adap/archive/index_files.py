"""The files at the top of a delivery, made of its manifests alone: tables, README, report, sums."""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from kpfnb import storage
from kpfnb.adap.archive import (
    ipac_tables,
    manifest,
    table_rows,
)
from kpfnb.adap.archive.manifest import Manifest
from kpfnb.adap.archive.unit import MANIFEST_FOLDER, ArchiveRules
from kpfnb.core import atomic, locks
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.storage import Location

# The small text files of a delivery, read and written whole; carried where it is a remote.


def fetch_folder(place: Location, folder: Path) -> Path:
    """All files of a folder of the delivery: where they are here, brought where they are not.

    Only those that are new or changed are carried; `folder` is kept for them.
    """
    if place.is_local:
        return Path(place.argument)
    if place.kind() != "folder":
        return folder / "none"
    _transfer(place, folder, mirror=True)
    return folder


def read_text_file(place: Location) -> str | None:
    """The text of one file; None where it is not there."""
    if place.is_local:
        path = Path(place.argument)
        return path.read_text(encoding="utf-8") if path.is_file() else None
    return place.read_text() if place.kind() == "file" else None


def write_text_files(place: Location, texts: Mapping[str, str]) -> None:
    """Write texts to their paths below a place; those that are there already are left alone."""
    if place.is_local:
        for name, text in texts.items():
            if read_text_file(place / name) != text:
                atomic.write_text(Path(place.argument) / name, text)
        return
    with tempfile.TemporaryDirectory(prefix="kpfnb-") as folder:
        for name, text in texts.items():
            atomic.write_text(Path(folder) / name, text)
        _transfer(storage.resolve_location(folder), place)


def _transfer(source: Location, destination: Location | Path, *, mirror: bool = False) -> None:
    carried = storage.transfer_files(source, destination, mirror=mirror, progress=False)
    if carried.failed:
        raise ServiceUnavailableError(f"{source} to {destination}: {carried.reason}")


REDUCED_TABLE, COADDED_TABLE = "reduced_files_meta.dat", "coadded_files_meta.dat"
README, REPORT, CHECKSUMS = "README", "report.txt", "SHA256SUMS"

LOCK_WAIT_SECONDS = 600
MAX_ROUNDS = 20


def publish_index_files(place: Location, desk: Path, rules: ArchiveRules) -> dict[str, Manifest]:
    """Make the files at the top agree with the manifests; gives these by unit.

    Others may deliver to the same place at the same time, from other machines: whoever comes last
    has seen the manifests of all, since they are looked at once more afterwards.

    Parameters
    ----------
    place : the delivery
    desk : a folder here that is kept for this delivery
    """
    with locks.acquire_lock("top level", wait_seconds=LOCK_WAIT_SECONDS, folder=desk / "locks"):
        found = _fetch_manifests(place, desk)
        for _ in range(MAX_ROUNDS):
            write_text_files(place, render_index_files(found, rules))
            before, found = found, _fetch_manifests(place, desk)
            if found == before:
                return found
    raise ServiceUnavailableError(
        f"{place} does not come to rest", "is somebody delivering in a loop?"
    )


def load_manifests(place: Location, desk: Path) -> dict[str, Manifest]:
    """The manifests of a delivery by unit; parameters as for `publish`."""
    with locks.acquire_lock("top level", wait_seconds=LOCK_WAIT_SECONDS, folder=desk / "locks"):
        return _fetch_manifests(place, desk)


def render_index_files(found: Mapping[str, Manifest], rules: ArchiveRules) -> dict[str, str]:
    """The files at the top by name, with what is in them."""
    done = [one for one in found.values() if one.delivered]
    reduced = (row for one in done for row in one.reduced)
    coadded = (row for one in done for row in one.coadded)
    return {
        README: render_readme(rules),
        REDUCED_TABLE: ipac_tables.format_table(
            reduced, table_rows.reduced_columns(rules), rules.digits
        ),
        COADDED_TABLE: ipac_tables.format_table(
            coadded, table_rows.coadded_columns(rules), rules.digits
        ),
        CHECKSUMS: _join_lines(
            f"{d.sha256}  {one.unit}/{p}" for one in done for p, d in one.files.items()
        ),
        REPORT: render_report(found.values()),
    }


def render_report(found: Iterable[Manifest]) -> str:
    """What is unrecognised, left out and missing, for people."""
    units = sorted(found, key=lambda one: one.unit)
    parts = {
        "Not delivered yet": (one.unit for one in units if not one.delivered),
        "Left out": (f"{m.unit}/{p}: {why}" for m in units for p, why in m.problems.items()),
        "Missing": (f"{one.unit}/{text}" for one in units for text in one.missing),
        "Unrecognised": (f"{one.unit}/{path}" for one in units for path in one.unrecognised),
        "Of an earlier delivery": (f"{one.unit}/{path}" for one in units for path in one.leftover),
    }
    told = [
        f"{title}\n{'-' * len(title)}\n{_join_lines(map(_printable, p)) or 'none'}"
        for title, p in parts.items()
    ]
    return "\n\n".join(part.rstrip() for part in told) + "\n"


def render_readme(rules: ArchiveRules) -> str:
    """What a reader of the delivery needs to know."""
    template = Path(__file__).with_name("readme.txt").read_text(encoding="utf-8")
    return template.format(
        reduced=_describe_columns(rules.reduced, 16, "in the header of the spec1d"),
        spectrum=_describe_columns(rules.coadded_spectrum, 18, "of the spectrum"),
        header=_describe_columns(rules.coadded_header, 18, "in the header of the spec1d"),
    )


def _describe_columns(keys: Mapping[str, str], width: int, where: str) -> str:
    lines = (f"{column:<{width - 1}} {key} {where}" for column, key in keys.items())
    return textwrap.indent("\n".join(lines), "  ")


def _fetch_manifests(place: Location, desk: Path) -> dict[str, Manifest]:
    """The manifests, brought here; only those that are new or changed are carried."""
    folder = fetch_folder(place / MANIFEST_FOLDER, desk / MANIFEST_FOLDER)
    found = {
        one.unit: one for one in map(manifest.read_manifest, sorted(folder.rglob("[!.]*.json")))
    }
    return dict(sorted(found.items()))


def _join_lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
