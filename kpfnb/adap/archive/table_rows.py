"""Rows of reduced_files_meta.dat: one a spec1d, with the files that belong to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kpfnb import fitsheader
from kpfnb.adap.archive.content import Content
from kpfnb.adap.archive.rules import Rules
from kpfnb.adap.archive.unit import Unit

SCIENCE = "Science"
SPECTRA = "SpecObj"
FILES = ("koaid", "spec1d_file", "spec1d_info", "spec2d_file", "pypeit_file")

_KOAID = re.compile(r"[A-Z0-9]{2}\.\d{8}\.\d{5}")

Row = dict[str, Any]
"""Values by column; None where there is none."""


class Rows(NamedTuple):
    """Rows of a table, and what is missing for them."""

    rows: list[Row]
    missing: list[str]


def columns(rules: Rules) -> list[str]:
    """The columns of the table, in their order."""
    return [*FILES, *rules.reduced]


def make(root: Path, unit: Unit, content: Content, rules: Rules) -> Rows:
    """The rows of a dataset."""
    found = Rows([], [])
    for spec1d in content.of_model(SPECTRA, SCIENCE):
        related, missing = _related(spec1d, content)
        found.missing.extend(missing)
        header = fitsheader.read(
            root / unit.name / content.files[spec1d], [*rules.reduced.values(), "KOAID", "FILENAME"]
        )
        names = [f"{unit.name}/{name}" if name else None for name in (spec1d, *related)]
        values = {column: header.get(key) for column, key in rules.reduced.items()}
        found.rows.append(dict(zip(FILES, [koaid(header), *names], strict=True)) | values)
    return found


def koaid(header: Mapping[str, Any]) -> str | None:
    """The KOAID of a raw frame, from the header of what was made of it.

    Where there is no KOAID, the name of the raw file is one (it begins with it, as
    `DE.20110402.40001.fits`), or stands for one.
    """
    if given := str(header.get("KOAID") or "").strip():
        return given
    name = str(header.get("FILENAME") or "").strip()
    found = _KOAID.match(name)
    return f"{found[0]}.fits" if found else name or None


def _related(spec1d: str, content: Content) -> tuple[list[str | None], list[str]]:
    """The text file, spec2d and .pypeit of a spec1d, and words on those that are not there."""
    folder, _, name = spec1d.rpartition("/")
    setup = folder.rpartition("/")[0]
    wanted = {
        "text file": f"{folder}/{name.removesuffix('.fits')}.txt",
        "spec2d": f"{folder}/{name.replace('spec1d', 'spec2d', 1)}",
    }
    found = [path if path in content.files else None for path in wanted.values()]
    missing = [f"{spec1d}: no {kind}" for kind, path in wanted.items() if path not in content.files]
    plans = [p for p in content.files if p.endswith(".pypeit") and p.rpartition("/")[0] == setup]
    if len(plans) != 1:
        missing.append(f"{spec1d}: {'no' if not plans else len(plans)} .pypeit file in {setup}")
    return [*found, plans[0] if len(plans) == 1 else None], missing
