"""The files at the top of a delivery, made of its manifests alone: tables, README, report, sums."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from kpfnb import locks
from kpfnb.adap.archive import coaddedrows, manifest, papers, reducedrows, tables
from kpfnb.adap.archive.manifest import Manifest
from kpfnb.adap.archive.rules import Rules
from kpfnb.adap.archive.unit import MANIFESTS
from kpfnb.errors import ServiceUnavailable
from kpfnb.storage import Location

REDUCED, COADDED = "reduced_files_meta.dat", "coadded_files_meta.dat"
README, REPORT, SUMS = "README", "report.txt", "SHA256SUMS"

WAIT_SECONDS = 600
ROUNDS = 20


def publish(place: Location, desk: Path, rules: Rules) -> dict[str, Manifest]:
    """Make the files at the top agree with the manifests; gives these by unit.

    Others may deliver to the same place at the same time, from other machines: whoever comes last
    has seen the manifests of all, since they are looked at once more afterwards.

    Parameters
    ----------
    place : the delivery
    desk : a folder here that is kept for this delivery
    """
    with locks.hold("top level", wait_seconds=WAIT_SECONDS, folder=desk / "locks"):
        found = _brought(place, desk)
        for _ in range(ROUNDS):
            papers.write(place, texts(found, rules))
            before, found = found, _brought(place, desk)
            if found == before:
                return found
    raise ServiceUnavailable(f"{place} does not come to rest", "is somebody delivering in a loop?")


def manifests(place: Location, desk: Path) -> dict[str, Manifest]:
    """The manifests of a delivery by unit; parameters as for `publish`."""
    with locks.hold("top level", wait_seconds=WAIT_SECONDS, folder=desk / "locks"):
        return _brought(place, desk)


def texts(found: Mapping[str, Manifest], rules: Rules) -> dict[str, str]:
    """The files at the top by name, with what is in them."""
    done = [one for one in found.values() if one.delivered]
    reduced = (row for one in done for row in one.reduced)
    coadded = (row for one in done for row in one.coadded)
    return {
        README: readme(rules),
        REDUCED: tables.text(reduced, reducedrows.columns(rules), rules.digits),
        COADDED: tables.text(coadded, coaddedrows.columns(rules), rules.digits),
        SUMS: _lines(f"{d.sha256}  {one.unit}/{p}" for one in done for p, d in one.files.items()),
        REPORT: report(found.values()),
    }


def report(found: Iterable[Manifest]) -> str:
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
        f"{title}\n{'-' * len(title)}\n{_lines(map(_safe, p)) or 'none'}"
        for title, p in parts.items()
    ]
    return "\n\n".join(part.rstrip() for part in told) + "\n"


def readme(rules: Rules) -> str:
    """What a reader of the delivery needs to know."""
    template = Path(__file__).with_name("readme.txt").read_text(encoding="utf-8")
    return template.format(
        reduced=_columns(rules.reduced, 16, "in the header of the spec1d"),
        spectrum=_columns(rules.coadded_spectrum, 18, "of the spectrum"),
        header=_columns(rules.coadded_header, 18, "in the header of the spec1d"),
    )


def _columns(keys: Mapping[str, str], width: int, where: str) -> str:
    lines = (f"{column:<{width - 1}} {key} {where}" for column, key in keys.items())
    return textwrap.indent("\n".join(lines), "  ")


def _brought(place: Location, desk: Path) -> dict[str, Manifest]:
    """The manifests, brought here; only those that are new or changed are carried."""
    folder = papers.bring(place / MANIFESTS, desk / MANIFESTS)
    found = {one.unit: one for one in map(manifest.read, sorted(folder.rglob("[!.]*.json")))}
    return dict(sorted(found.items()))


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _safe(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
