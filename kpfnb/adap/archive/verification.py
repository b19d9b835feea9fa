"""Check a delivery against its manifests: every file is there, and every bit of it is right."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.adap.archive import (
    index_files,
    locations,
    manifest,
    unit,
)
from kpfnb.adap.archive.delivery import PlaceName
from kpfnb.adap.archive.manifest import FileDigest, Manifest
from kpfnb.core import progress as live
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.storage import Location
from kpfnb.storage.transfer_result import format_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

MAX_SHOWN = 20


@dataclass(frozen=True, repr=False)
class VerificationResult(OneLineRepr):
    """What a check of a delivery has found; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    files : how many files were checked of each unit
    size : bytes of them all
    wrong : what is wrong with files, by their place in the delivery
    unlisted : files of units that no manifest has
    undelivered : units that are not delivered yet; their files were not checked
    """

    destination: str
    files: Mapping[str, int]
    size: int
    wrong: Mapping[str, str]
    unlisted: tuple[str, ...] = ()
    undelivered: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Failed where a file is wrong, partial where a unit is on its way; else all is well.

        A file that is unlisted is told only.
        """
        if self.wrong or (self.undelivered and not self.files):
            return Outcome.FAILED
        return Outcome.PARTIAL if self.undelivered else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """How much was checked, the first that is wrong, and the first that is not there yet."""
        total = sum(self.files.values())
        text = f"{total} files ({format_bytes(self.size)}) of {len(self.files)} units checked"
        if self.wrong:
            path, why = next(iter(self.wrong.items()))
            text += f": {len(self.wrong)} wrong: {path}: {why}; deliver it again"
        elif not self.undelivered:
            text += ": all are as they were delivered"
        if self.undelivered:
            text += f"; {len(self.undelivered)} not delivered yet: {self.undelivered[0]}"
        return text

    def key_figures(self) -> dict[str, int | float | str]:
        """Counts."""
        return {
            "units": len(self.files),
            "files": sum(self.files.values()),
            "wrong": len(self.wrong),
            "unlisted": len(self.unlisted),
            "not delivered yet": len(self.undelivered),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "destination": self.destination,
            "figures": self.key_figures(),
            "wrong": dict(self.wrong),
            "unlisted": list(self.unlisted),
            "undelivered": list(self.undelivered),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row for each thing that was found."""
        import pandas as pd

        rows = [*self.wrong.items(), *((path, "in no manifest") for path in self.unlisted)]
        rows += [(name, "not delivered yet") for name in self.undelivered]
        return pd.DataFrame(rows, columns=["where", "what"])

    def plot(self) -> Figure:
        """How many files of each unit are right and wrong."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and which files are wrong."""
        from kpfnb.adap.archive import plots

        return plots.plot_verification(self.files, self.wrong, self.destination)

    def __str__(self) -> str:
        table = self.to_frame().head(MAX_SHOWN)
        lines = [f"{where}: {what}" for where, what in table.itertuples(index=False)]
        if (more := len(self.to_frame()) - MAX_SHOWN) > 0:
            lines.append(f"and {more} more")
        return "\n".join([*lines, f"{self.outcome}: {self.reason}"])

    def _repr_html_(self) -> str:
        """The table; all text escaped."""
        table = self.to_frame()
        shown = table.to_html(index=False, escape=True, border=0) if len(table) else ""
        return f"<p>{self.outcome}: {html.escape(self.reason)}</p>{shown}"


def verify_delivery(
    names: Iterable[str] = (),
    *,
    destination: PlaceName = "",
    rules_file: str = "",
    quick: bool = False,
    progress: bool = True,
) -> VerificationResult:
    """Check a delivery: read every file there, and compare it with its SHA-256.

    Parameters
    ----------
    names : units to check; by default all, and the files at the top
    destination, rules_file : as for `kpfnb.adap.archive.delivery.deliver_datasets`
    quick : take the hashes that the storage tells, where it tells any

    Raises
    ------
    InvalidInputError : nothing was delivered there, or not a unit that is named
    StorageError : the place can't be read
    """
    wanted = unit.load_rules(rules_file)
    place = locations.delivery_location(destination)
    there = index_files.load_manifests(place, locations.local_state_dir(place))
    if not there:
        raise InvalidInputError(f"nothing was delivered to {place}", "name the folder or remote")
    asked = [unit.parse_unit(name).name for name in names] or list(there)
    if unknown := [name for name in asked if name not in there]:
        raise InvalidInputError(
            f"{unknown[0]} was not delivered to {place}", "see kpfnb archive status"
        )
    done = [there[name] for name in asked if there[name].delivered]
    wrong: dict[str, str] = {}
    with live.show_progress(len(done), f"checking {place}", shown=progress) as bar:
        for count, one in enumerate(done):
            bar.update(done=count, failed=len(wrong), note=one.unit)
            found = manifest.find_mismatches(place / one.unit, dict(one.files), read_back=not quick)
            wrong |= {f"{one.unit}/{path}": why for path, why in found.items()}
        bar.update(done=len(done), failed=len(wrong), note="")
    if not names:
        wrong |= _verify_index_files(
            place, index_files.render_index_files(there, wanted), quick=quick
        )
    return VerificationResult(
        str(place),
        {one.unit: len(one.files) for one in done},
        sum(one.size for one in done),
        wrong,
        unlisted=_find_unlisted(place, there) if not names else (),
        undelivered=tuple(name for name in asked if not there[name].delivered),
    )


def _verify_index_files(
    place: Location, texts: Mapping[str, str], *, quick: bool
) -> dict[str, str]:
    """What is wrong with the tables and their companions."""
    wanted: dict[str, FileDigest] = {
        name: manifest.digest_bytes(text.encode()) for name, text in texts.items()
    }
    return manifest.find_mismatches(place, wanted, read_back=not quick)


def _find_unlisted(place: Location, there: Mapping[str, Manifest]) -> tuple[str, ...]:
    listed = {f"{one.unit}/{path}" for one in there.values() for path in one.files}
    found = (one.path for one in place.list(recursive=True) if not one.is_folder)
    own = (
        path for path in found if "/" in path and not path.startswith(f"{unit.MANIFEST_FOLDER}/")
    )
    return tuple(path for path in own if path not in listed)
