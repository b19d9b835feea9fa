"""Fix headers from a list: the originals are kept, and each fixed header says what was done.

folder: raw/2003
files:
  DE.20030401.36154.fits: {RA: 189.142, DEC: 62.277, TARGNAME: goods1new}
"""

from __future__ import annotations

import gzip
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from kpfnb import compute, files, fitsheader, yamlfile
from kpfnb.adap.preparing import placing
from kpfnb.adap.preparing.fixedheaders import Fixed, FixedHeaders
from kpfnb.errors import BadInput
from kpfnb.fitsheader import BadHeader
from kpfnb.yamlfile import Strict

ORIGINALS = "originals"
"""The folder of the originals, beside each file."""

FORBIDDEN = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "END", "COMMENT", "HISTORY", "")
"""Keywords that tell of the file's structure, or may be there many times."""


LONGEST_TEXT = 60
CARD_PRECISION = 1e-11
"""A card holds 20 characters of a number, sign and exponent among them."""


def _keyword(name: str) -> str:
    upper = name.strip().upper()
    if upper in FORBIDDEN or upper.startswith("NAXIS"):
        raise ValueError(f"{name!r} can't be set")
    if len(upper) > 8 or not upper.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name!r} is no FITS keyword")
    return upper


def _value(value: object) -> object:
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError("must be a number, a text, or true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    text = str(value)
    if len(text) > LONGEST_TEXT or not text.isascii() or not text.isprintable():
        raise ValueError(f"must be up to {LONGEST_TEXT} printable ASCII characters")
    return value


Keyword = Annotated[str, AfterValidator(_keyword)]
Value = Annotated[Any, AfterValidator(_value)]


class Fixes(Strict):
    """A list of fixes; a path of a file is below `folder`, which is beside the list."""

    folder: str = "."
    files: dict[str, Annotated[dict[Keyword, Value], Field(min_length=1)]] = Field(min_length=1)


@dataclass(frozen=True)
class Fix:
    """One file and its new values."""

    path: Path
    values: Mapping[str, Any]


def fix(
    fixes: str | Path, *, folder: str | Path = "", dry_run: bool = False, progress: bool = True
) -> FixedHeaders:
    """Set the values of a list in the headers of its files; those that are right are left alone.

    The original goes to `originals/` beside the file, before the file changes; one that is there
    is never replaced.

    Parameters
    ----------
    fixes : the list, a YAML file
    folder : where the files are, instead of where the list says

    Raises
    ------
    BadInput : the list is wrong; names the place in it. Before any work
    """
    wanted = read(Path(fixes).expanduser(), folder)
    outcomes = compute.run(
        partial(_apply, dry_run=dry_run),
        wanted,
        key=lambda one: str(one.path),
        title="fixing headers",
        progress=progress,
    )
    done = [
        one.value or Fixed(one.item.path, (), one.error.splitlines()[0] or "not reached")
        for one in outcomes
    ]
    return FixedHeaders(tuple(done), dry_run)


def read(path: Path, folder: str | Path = "") -> list[Fix]:
    """The fixes of a list; `BadInput` where it is wrong."""
    document = yamlfile.read(path, hint="mend the list; no header was changed")
    fixes = document.parse(Fixes, document.mapping("a list of fixes"))
    top = Path(folder).expanduser() if str(folder) else path.parent / fixes.folder
    return [Fix((top / name).absolute(), values) for name, values in fixes.files.items()]


def _apply(one: Fix, *, dry_run: bool) -> Fixed:
    try:
        now = fitsheader.read(one.path, list(one.values))
    except BadHeader as error:
        return Fixed(one.path, (), error.what.removeprefix(f"{one.path}: "))
    changes = tuple(
        f"{name}: {value} (was {now.get(name, 'missing')})"
        for name, value in one.values.items()
        if name not in now or not _equal(now[name], value)
    )
    if changes and not dry_run:
        _keep(one.path)
        _write(one)
    return Fixed(one.path, changes)


def _equal(there: object, wanted: object) -> bool:
    if isinstance(there, bool) or isinstance(wanted, bool):
        return there is wanted
    if isinstance(there, float) and isinstance(wanted, (int, float)):
        return math.isclose(there, wanted, rel_tol=CARD_PRECISION)
    return there == (wanted.rstrip() if isinstance(wanted, str) else wanted)


def _keep(path: Path) -> None:
    """The original beside it, whole; through a link the file it leads to is read, not changed."""
    original = path.parent / ORIGINALS / path.name
    if not original.exists():
        placing.copy(path, original)


def _write(one: Fix) -> None:
    """The file with its new header, the data's bytes as they were."""
    from astropy.io import fits

    with one.path.open("rb") as content:
        zipped = content.read(2) == b"\x1f\x8b"
    opened: Any = gzip.open if zipped else open
    with opened(one.path, "rb") as origin:
        header = fits.Header.fromfile(origin)
        before = ", ".join(f"{name} was {header.get(name, 'missing')}" for name in one.values)
        for name, value in one.values.items():
            header[name] = value
        today = datetime.now(UTC).date().isoformat()
        header.add_comment(f"Edited {today} by kpfnb: {before}")
        with files.replacing(one.path) as temporary:
            with opened(temporary, "wb") as made:
                made.write(header.tostring().encode("ascii"))
                shutil.copyfileobj(origin, made)
            if wrong := fitsheader.defect(temporary):
                raise BadInput(f"{one.path}: the fixed file is {wrong}", "it was left as it is")
