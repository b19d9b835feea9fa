"""Fix headers from a list: the originals are kept, and each fixed header says what was done.

folder: raw/2003
files:
  DE.20030401.36154.fits: {RA: 189.142, DEC: 62.277, TARGNAME: goods1new}
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from kpfnb import compute, files, fitsheader
from kpfnb.adap import placing
from kpfnb.adap.fixedheaders import Fixed, FixedHeaders
from kpfnb.errors import BadInput
from kpfnb.fitsheader import BadHeader

ORIGINALS = "originals"
"""The folder of the originals, beside each file."""

FORBIDDEN = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "END", "COMMENT", "HISTORY", "")
"""Keywords that tell of the file's structure, or may be there many times."""


def _keyword(name: str) -> str:
    upper = name.strip().upper()
    if upper in FORBIDDEN or upper.startswith("NAXIS"):
        raise ValueError(f"{name!r} can't be set")
    if len(upper) > 8 or not upper.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name!r} is no FITS keyword")
    return upper


Keyword = Annotated[str, AfterValidator(_keyword)]
Value = StrictBool | StrictInt | StrictFloat | StrictStr


class Fixes(BaseModel):
    """A list of fixes; a path of a file is below `folder`, which is beside the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        fixes = Fixes.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the list"
        what = first["msg"].removeprefix("Value error, ")
        raise BadInput(f"{path}, {place}: {what}", "see kpfnb prepare headers --help") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadInput(f"{path}{line}: {error.problem}", "mend the list") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} can't be read: {error}", "name a list that is there") from None
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
    return there == wanted and isinstance(there, bool) == isinstance(wanted, bool)


def _keep(path: Path) -> None:
    """The original beside it, whole; through a link the file it leads to is read, not changed."""
    original = path.parent / ORIGINALS / path.name
    if not original.exists():
        placing.copy(path, original)


def _write(one: Fix) -> None:
    """The file with its new header, the data's bytes as they were."""
    import gzip

    from astropy.io import fits

    zipped = one.path.open("rb").read(2) == b"\x1f\x8b"
    opened: Any = gzip.open if zipped else open
    with opened(one.path, "rb") as origin:
        header = fits.Header.fromfile(origin)
        before = ", ".join(f"{name} was {header.get(name, 'missing')}" for name in one.values)
        for name, value in one.values.items():
            header[name] = value
        today = datetime.now(UTC).date().isoformat()
        header["COMMENT"] = f"Edited {today} by kpfnb: {before}".encode("ascii", "replace").decode()
        with files.replacing(one.path) as temporary:
            with opened(temporary, "wb") as made:
                made.write(header.tostring().encode("ascii"))
                shutil.copyfileobj(origin, made)
            if wrong := fitsheader.defect(temporary):
                raise BadInput(f"{one.path}: the fixed file is {wrong}", "it was left as it is")
