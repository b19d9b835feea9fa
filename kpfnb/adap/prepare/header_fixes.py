"""Fix headers from a list: the originals are kept, and each fixed header says what was done.

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
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from kpfnb.adap.prepare import placement
from kpfnb.compute.item_map import map_items
from kpfnb.core import atomic, strict_yaml
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import headers
from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.strict_yaml import StrictModel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure


# What became of the headers that a list was to fix.


@dataclass(frozen=True)
class FileFixResult:
    """What became of one file; `changes` are texts as "RA: 1.5 (was missing)"."""

    path: Path
    changes: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, repr=False)
class HeaderFixResult(OneLineRepr):
    """What became of each file of a list."""

    file_results: tuple[FileFixResult, ...]
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Every file must be as the list says."""
        return merge_outcomes(
            Outcome.FAILED if one.error else Outcome.SUCCEEDED for one in self.file_results
        )

    @property
    def reason(self) -> str:
        """One line."""
        changed = sum(bool(one.changes) for one in self.file_results)
        wrong = [f"{one.path.name}: {one.error}" for one in self.file_results if one.error]
        verb = "would be fixed" if self.dry_run else "fixed"
        text = f"{changed} of {len(self.file_results)} headers {verb}"
        if not changed and not wrong:
            text = f"nothing to do: {len(self.file_results)} headers are as they should be"
        return "; ".join([text, *wrong])

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        return {
            "files": len(self.file_results),
            "fixed": sum(bool(one.changes) for one in self.file_results),
            "failed": sum(bool(one.error) for one in self.file_results),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "files": [asdict(one) | {"path": str(one.path)} for one in self.file_results],
            "dry_run": self.dry_run,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a file."""
        import pandas as pd

        rows = [(one.path.name, "; ".join(one.changes), one.error) for one in self.file_results]
        return pd.DataFrame(rows, columns=["file", "changes", "error"])

    def plot(self) -> Figure:
        """How many there are of each state."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and which files are at the mouse."""
        from kpfnb.adap.prepare import plots
        from kpfnb.adap.prepare.plots import FrameLabel

        return plots.hover_frame_counts(
            FrameLabel(("failed" if one.error else "fixed",), one.path.name, one.error)
            for one in self.file_results
        )

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}\n\n{self.to_frame().to_string(index=False)}"

    def _repr_html_(self) -> str:
        """The files; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        return head + self.to_frame().to_html(index=False, escape=True, border=0, justify="left")


ORIGINALS = "originals"
"""The folder of the originals, beside each file."""

FORBIDDEN_KEYWORDS = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "END", "COMMENT", "HISTORY", "")
"""Keywords that tell of the file's structure, or may be there many times."""


MAX_TEXT_LENGTH = 60
CARD_PRECISION = 1e-11
"""A card holds 20 characters of a number, sign and exponent among them."""


def _check_keyword(name: str) -> str:
    upper = name.strip().upper()
    if upper in FORBIDDEN_KEYWORDS or upper.startswith("NAXIS"):
        raise ValueError(f"{name!r} can't be set")
    if len(upper) > 8 or not upper.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name!r} is no FITS keyword")
    return upper


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
    """A list of fixes; a path of a file is below `folder`, which is beside the list."""

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
    """Set the values of a list in the headers of its files; those that are right are left alone.

    The original goes to `originals/` beside the file, before the file changes; one that is there
    is never replaced.

    Parameters
    ----------
    fixes : the list, a YAML file
    folder : where the files are, instead of where the list says

    Raises
    ------
    InvalidInputError : the list is wrong; names the place in it. Before any work
    """
    wanted = read_fix_list(Path(fixes).expanduser(), folder)
    outcomes = map_items(
        partial(_fix_file, dry_run=dry_run),
        wanted,
        key=lambda one: str(one.path),
        title="fixing headers",
        progress=progress,
    )
    done = [
        one.value or FileFixResult(one.item.path, (), one.error.splitlines()[0] or "not reached")
        for one in outcomes
    ]
    return HeaderFixResult(tuple(done), dry_run)


def read_fix_list(path: Path, folder: str | Path = "") -> list[HeaderFix]:
    """The fixes of a list; `InvalidInputError` where it is wrong."""
    document = strict_yaml.read_yaml(path, hint="mend the list; no header was changed")
    fixes = document.parse(HeaderFixList, document.require_mapping("a list of fixes"))
    top = Path(folder).expanduser() if str(folder) else path.parent / fixes.folder
    return [HeaderFix((top / name).absolute(), values) for name, values in fixes.files.items()]


def _fix_file(one: HeaderFix, *, dry_run: bool) -> FileFixResult:
    try:
        now = headers.read_header(one.path, list(one.values))
    except InvalidHeaderError as error:
        return FileFixResult(one.path, (), error.what.removeprefix(f"{one.path}: "))
    changes = tuple(
        f"{name}: {value} (was {now.get(name, 'missing')})"
        for name, value in one.values.items()
        if name not in now or not _is_equal(now[name], value)
    )
    if changes and not dry_run:
        _keep_original(one.path)
        _write_header(one)
    return FileFixResult(one.path, changes)


def _is_equal(there: object, wanted: object) -> bool:
    if isinstance(there, bool) or isinstance(wanted, bool):
        return there is wanted
    if isinstance(there, float) and isinstance(wanted, (int, float)):
        return math.isclose(there, wanted, rel_tol=CARD_PRECISION)
    return there == (wanted.rstrip() if isinstance(wanted, str) else wanted)


def _keep_original(path: Path) -> None:
    """The original beside it, whole; through a link the file it leads to is read, not changed."""
    original = path.parent / ORIGINALS / path.name
    if not original.exists():
        placement.copy_verified(path, original)


def _write_header(one: HeaderFix) -> None:
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
        with atomic.replace_atomically(one.path) as temporary:
            with opened(temporary, "wb") as made:
                made.write(header.tostring().encode("ascii"))
                shutil.copyfileobj(origin, made)
            if wrong := headers.find_defect(temporary):
                raise InvalidInputError(
                    f"{one.path}: the fixed file is {wrong}", "it was left as it is"
                )
