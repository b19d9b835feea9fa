"""Header fixes: values from a list, with the original files kept and each change recorded.

A list is a YAML file:

    folder: raw/2003
    files:
      DE.20030401.36154.fits: {RA: 189.142, DEC: 62.277, TARGNAME: goods1new}
"""

from __future__ import annotations

import gzip
import html
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from kpfnb.adap.prepare import placement
from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic, clock, strict_yaml
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import headers
from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.strict_yaml import StrictModel
from kpfnb.core.text import format_count, frame_html

if TYPE_CHECKING:
    import pandas as pd

ORIGINALS = "originals"
"""The directory of the originals, beside each file."""

FORBIDDEN_KEYWORDS = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "END", "COMMENT", "HISTORY", "")
"""Keywords that describe the file's structure, or may occur more than once."""

MAX_TEXT_LENGTH = 60
CARD_PRECISION = 1e-11
"""A card has 20 characters for a number, including its sign and exponent."""


@dataclass(frozen=True)
class FileFixResult:
    """The result for one file; `changes` are texts such as "RA: 1.5 (was missing)"."""

    path: Path
    changes: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, repr=False)
class HeaderFixResult(OneLineRepr):
    """The results for all files of a list; a `kpfnb.core.result.Result`."""

    file_results: tuple[FileFixResult, ...]
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Succeeded if every header has the values of the list."""
        return merge_outcomes(
            Outcome.FAILED if file.error else Outcome.SUCCEEDED for file in self.file_results
        )

    @property
    def reason(self) -> str:
        """One line."""
        changed = sum(bool(file.changes) for file in self.file_results)
        errors = [f"{file.path.name}: {file.error}" for file in self.file_results if file.error]
        verb = "would be fixed" if self.dry_run else "fixed"
        text = f"{changed} of {format_count(len(self.file_results), 'header')} {verb}"
        if not changed and not errors:
            count = format_count(len(self.file_results), "header")
            text = f"nothing to do: {count} already correct"
        return "; ".join([text, *errors])

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the list of runs."""
        return {
            "files": len(self.file_results),
            "fixed": sum(bool(file.changes) for file in self.file_results),
            "failed": sum(bool(file.error) for file in self.file_results),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "files": [asdict(file) | {"path": str(file.path)} for file in self.file_results],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row for each file."""
        import pandas as pd

        rows = [(file.path.name, "; ".join(file.changes), file.error) for file in self.file_results]
        return pd.DataFrame(rows, columns=["file", "changes", "error"])

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}\n\n{self.to_frame().to_string(index=False)}"

    def _repr_html_(self) -> str:
        """The files; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        return head + frame_html(self.to_frame())


def _check_keyword(name: str) -> str:
    keyword = name.strip().upper()
    if keyword in FORBIDDEN_KEYWORDS or keyword.startswith("NAXIS"):
        raise ValueError(f"{name!r} can't be set")
    if len(keyword) > 8 or not keyword.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name!r} is not a FITS keyword")
    return keyword


def _check_value(value: object) -> object:
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError("must be a number, a text, or true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    text = str(value)
    if len(text) > MAX_TEXT_LENGTH or not text.isascii() or not text.isprintable():
        raise ValueError(f"must be up to {MAX_TEXT_LENGTH} printable ASCII characters")
    return value


FitsKeyword = Annotated[str, AfterValidator(_check_keyword)]
FitsValue = Annotated[Any, AfterValidator(_check_value)]


class HeaderFixList(StrictModel):
    """A list of fixes; paths are relative to `folder`, which is relative to the list."""

    folder: str = "."
    files: dict[str, Annotated[dict[FitsKeyword, FitsValue], Field(min_length=1)]] = Field(
        min_length=1
    )


@dataclass(frozen=True)
class HeaderFix:
    """One file and its new values."""

    path: Path
    values: Mapping[str, Any]


def fix_headers(
    fixes: str | Path, *, folder: str | Path = "", dry_run: bool = False, progress: bool = True
) -> HeaderFixResult:
    """Set the values of a list in the headers of its files; correct headers are not touched.

    Before a file changes, the original is copied to `originals/` beside it. An existing original
    is never replaced.

    Parameters
    ----------
    fixes : the list, a YAML file
    folder : directory of the files, instead of the one in the list
    dry_run : show what would be done; change nothing

    Raises
    ------
    InvalidInputError : the list is not valid; the message names the line. Before any work
    """
    wanted = read_fix_list(Path(fixes).expanduser(), folder)
    outcomes = map_items(
        partial(_fix_file, dry_run=dry_run),
        wanted,
        key=lambda fix: str(fix.path),
        title="fixing headers",
        progress=progress,
    )
    results = [
        item.value or FileFixResult(item.item.path, (), item.error.splitlines()[0] or "not reached")
        for item in outcomes
    ]
    return HeaderFixResult(tuple(results), dry_run)


def read_fix_list(path: Path, folder: str | Path = "") -> list[HeaderFix]:
    """The fixes of a list; `InvalidInputError` if it is not valid."""
    document = strict_yaml.read_yaml(path, hint="correct the list; no header was changed")
    fixes = document.parse(HeaderFixList, document.require_mapping("a list of fixes"))
    root = Path(folder).expanduser() if str(folder) else path.parent / fixes.folder
    return [HeaderFix((root / name).absolute(), values) for name, values in fixes.files.items()]


def _fix_file(fix: HeaderFix, *, dry_run: bool) -> FileFixResult:
    try:
        header = headers.read_header(fix.path, list(fix.values))
    except InvalidHeaderError as error:
        return FileFixResult(fix.path, (), error.what.removeprefix(f"{fix.path}: "))
    changes = tuple(
        f"{name}: {value} (was {header.get(name, 'missing')})"
        for name, value in fix.values.items()
        if name not in header or not _is_equal(header[name], value)
    )
    if changes and not dry_run:
        _keep_original(fix.path)
        _write_header(fix)
    return FileFixResult(fix.path, changes)


def _is_equal(value: object, wanted: object) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, float) and isinstance(wanted, (int, float)):
        return math.isclose(value, wanted, rel_tol=CARD_PRECISION)
    return value == (wanted.rstrip() if isinstance(wanted, str) else wanted)


def _keep_original(path: Path) -> None:
    """Copy the file to `originals/`; if it is a link, its target is copied and not changed."""
    original = path.parent / ORIGINALS / path.name
    if not original.exists():
        placement.copy_verified(path, original)


def _write_header(fix: HeaderFix) -> None:
    """Write the file with its new header; the bytes of the data are unchanged."""
    from astropy.io import fits

    with fix.path.open("rb") as content:
        is_gzipped = content.read(2) == b"\x1f\x8b"
    open_file: Any = gzip.open if is_gzipped else open
    with open_file(fix.path, "rb") as origin:
        header = fits.Header.fromfile(origin)
        before = ", ".join(f"{name} was {header.get(name, 'missing')}" for name in fix.values)
        for name, value in fix.values.items():
            header[name] = value
        today = clock.utc_now().date().isoformat()
        header.add_comment(f"Edited {today} by kpfnb: {before}")
        with atomic.replace_atomically(fix.path) as temporary:
            with open_file(temporary, "wb") as copy:
                copy.write(header.tostring().encode("ascii"))
                shutil.copyfileobj(origin, copy)
            if defect := headers.find_defect(temporary):
                raise InvalidInputError(
                    f"{fix.path}: the fixed file is {defect}", "the file was not changed"
                )
