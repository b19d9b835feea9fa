"""The files at the top of a delivery, made from its manifests: tables, README, report, checksums.

They and the manifests are small text files, read and written whole, and transferred to a remote.
"""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from kpfnb import storage
from kpfnb.adap.archive.ipac_tables import format_table
from kpfnb.adap.archive.manifest import Manifest, read_manifest
from kpfnb.adap.archive.table_rows import coadded_columns, reduced_columns
from kpfnb.adap.archive.unit import MANIFEST_FOLDER, ArchiveRules
from kpfnb.core import atomic, locks
from kpfnb.core.errors import ServiceUnavailableError
from kpfnb.storage import Location

REDUCED_TABLE, COADDED_TABLE = "reduced_files_meta.dat", "coadded_files_meta.dat"
README, REPORT, CHECKSUMS = "README", "report.txt", "SHA256SUMS"

LOCK_WAIT_SECONDS = 600
MAX_ROUNDS = 20


def publish_index_files(
    place: Location, state_dir: Path, rules: ArchiveRules
) -> dict[str, Manifest]:
    """Make the files at the top agree with the manifests; returns these by unit.

    Other machines may deliver to the same place at the same time: the manifests are read again
    afterwards, so the last one to write has seen all manifests.

    Parameters
    ----------
    place : the delivery
    state_dir : the local folder for the state of this delivery
    """
    with locks.acquire_lock(
        "top level", wait_seconds=LOCK_WAIT_SECONDS, folder=state_dir / "locks"
    ):
        manifests = _fetch_manifests(place, state_dir)
        for _ in range(MAX_ROUNDS):
            write_text_files(place, render_index_files(manifests, rules))
            previous, manifests = manifests, _fetch_manifests(place, state_dir)
            if manifests == previous:
                return manifests
    raise ServiceUnavailableError(
        f"the manifests of {place} keep changing", "is something delivering in a loop?"
    )


def load_manifests(place: Location, state_dir: Path) -> dict[str, Manifest]:
    """The manifests of a delivery by unit; parameters as for `publish_index_files`."""
    with locks.acquire_lock(
        "top level", wait_seconds=LOCK_WAIT_SECONDS, folder=state_dir / "locks"
    ):
        return _fetch_manifests(place, state_dir)


def render_index_files(manifests: Mapping[str, Manifest], rules: ArchiveRules) -> dict[str, str]:
    """The content of the files at the top, by name."""
    delivered = [manifest for manifest in manifests.values() if manifest.delivered]
    reduced = (row for manifest in delivered for row in manifest.reduced)
    coadded = (row for manifest in delivered for row in manifest.coadded)
    checksums = (
        f"{digest.sha256}  {manifest.unit}/{path}"
        for manifest in delivered
        for path, digest in manifest.files.items()
    )
    return {
        README: render_readme(rules),
        REDUCED_TABLE: format_table(reduced, reduced_columns(rules), rules.digits),
        COADDED_TABLE: format_table(coadded, coadded_columns(rules), rules.digits),
        CHECKSUMS: _join_lines(checksums),
        REPORT: render_report(manifests.values()),
    }


def render_report(manifests: Iterable[Manifest]) -> str:
    """What is unrecognised, left out and missing, for people."""
    ordered = sorted(manifests, key=lambda manifest: manifest.unit)
    sections = {
        "Not delivered yet": (m.unit for m in ordered if not m.delivered),
        "Left out": (f"{m.unit}/{p}: {why}" for m in ordered for p, why in m.problems.items()),
        "Missing": (f"{m.unit}/{text}" for m in ordered for text in m.missing),
        "Unrecognised": (f"{m.unit}/{path}" for m in ordered for path in m.unrecognised),
        "Of an earlier delivery": (f"{m.unit}/{path}" for m in ordered for path in m.leftover),
    }
    texts = [
        f"{title}\n{'-' * len(title)}\n{_join_lines(map(_printable_text, lines)) or 'none'}"
        for title, lines in sections.items()
    ]
    return "\n\n".join(text.rstrip() for text in texts) + "\n"


def render_readme(rules: ArchiveRules) -> str:
    """What a reader of the delivery needs to know."""
    template = Path(__file__).with_name("readme.txt").read_text(encoding="utf-8")
    return template.format(
        reduced=_describe_columns(rules.reduced, 16, "in the header of the spec1d"),
        spectrum=_describe_columns(rules.coadded_spectrum, 18, "of the spectrum"),
        header=_describe_columns(rules.coadded_header, 18, "in the header of the spec1d"),
    )


def read_text_file(place: Location) -> str | None:
    """The text of one file; None if there is no such file."""
    if place.is_local:
        path = Path(place.argument)
        return path.read_text(encoding="utf-8") if path.is_file() else None
    return place.read_text() if place.kind() == "file" else None


def write_text_files(place: Location, texts: Mapping[str, str]) -> None:
    """Write texts to their paths below a place; unchanged files are left alone."""
    if place.is_local:
        for name, text in texts.items():
            if read_text_file(place / name) != text:
                atomic.write_text(Path(place.argument) / name, text)
        return
    with tempfile.TemporaryDirectory(prefix="kpfnb-") as folder:
        for name, text in texts.items():
            atomic.write_text(Path(folder) / name, text)
        storage.transfer_files(folder, place, progress=False).require_complete()


def _fetch_manifests(place: Location, state_dir: Path) -> dict[str, Manifest]:
    """The manifests, downloaded if needed; only new or changed ones are transferred."""
    folder = _fetch_folder(place / MANIFEST_FOLDER, state_dir / MANIFEST_FOLDER)
    manifests = map(read_manifest, sorted(folder.rglob("[!.]*.json")))
    return dict(sorted((manifest.unit, manifest) for manifest in manifests))


def _fetch_folder(place: Location, folder: Path) -> Path:
    """The local path of a folder of the delivery, downloaded to `folder` from a remote.

    Only new or changed files are transferred, so `folder` is kept.
    """
    if place.is_local:
        return Path(place.argument)
    if place.kind() != "folder":
        return folder / "none"
    storage.transfer_files(place, folder, mirror=True, progress=False).require_complete()
    return folder


def _describe_columns(keywords: Mapping[str, str], width: int, where: str) -> str:
    lines = (f"{column:<{width - 1}} {key} {where}" for column, key in keywords.items())
    return textwrap.indent("\n".join(lines), "  ")


def _join_lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _printable_text(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
