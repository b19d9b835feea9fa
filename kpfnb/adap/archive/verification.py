"""Verification of a delivery: every file of its manifests is there, and every byte is right."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.archive import index_files, locations
from kpfnb.adap.archive.locations import PlaceName
from kpfnb.adap.archive.manifest import Manifest, digest_bytes, find_mismatches
from kpfnb.adap.archive.unit import MANIFEST_FOLDER, load_rules, parse_unit
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.progress import show_progress
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import format_size, frame_html
from kpfnb.storage import Location

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 20


@dataclass(frozen=True, repr=False)
class VerificationResult(OneLineRepr):
    """The findings of a verification; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    files : the number of verified files of each unit
    size : their bytes
    wrong : what is wrong with files, by their place in the delivery
    unlisted : files of units that are in no manifest
    undelivered : units that are not delivered yet; their files were not verified
    """

    destination: str
    files: Mapping[str, int]
    size: int
    wrong: Mapping[str, str]
    unlisted: tuple[str, ...] = ()
    undelivered: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Failed if a file is wrong, partial if a unit is not delivered yet.

        An unlisted file is only reported.
        """
        if self.wrong or (self.undelivered and not self.files):
            return Outcome.FAILED
        return Outcome.PARTIAL if self.undelivered else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """How much was verified, the first wrong file, and the first unit not delivered yet."""
        total = sum(self.files.values())
        text = f"{total} files ({format_size(self.size)}) of {len(self.files)} units verified"
        if self.wrong:
            path, reason = next(iter(self.wrong.items()))
            text += f": {len(self.wrong)} wrong: {path}: {reason}; deliver it again"
        elif not self.undelivered:
            text += ": all unchanged since their delivery"
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
        """A row for each finding."""
        import pandas as pd

        rows = [*self.wrong.items(), *((path, "in no manifest") for path in self.unlisted)]
        rows += [(name, "not delivered yet") for name in self.undelivered]
        return pd.DataFrame(rows, columns=["where", "what"])

    def __str__(self) -> str:
        table = self.to_frame()
        shown = table.head(MAX_SHOWN).itertuples(index=False)
        lines = [f"{place}: {finding}" for place, finding in shown]
        if (more := len(table) - MAX_SHOWN) > 0:
            lines.append(f"and {more} more")
        return "\n".join([*lines, f"{self.outcome}: {self.reason}"])

    def _repr_html_(self) -> str:
        """The table; all text escaped."""
        table = self.to_frame()
        head = f"<p>{self.outcome}: {html.escape(self.reason)}</p>"
        return head + (frame_html(table) if len(table) else "")


def verify_delivery(
    names: Iterable[str] = (),
    *,
    destination: PlaceName = "",
    rules_file: str | Path = "",
    quick: bool = False,
    progress: bool = True,
) -> VerificationResult:
    """Read every file of a delivery, and compare it with its SHA-256.

    Parameters
    ----------
    names : units to verify; by default all, and the files at the top
    destination, rules_file : see `kpfnb.adap.archive.locations.DeliveryConfig`
    quick : trust the hashes of the storage, if it has any

    Raises
    ------
    InvalidInputError : nothing was delivered there, or a named unit was not
    StorageError : the place can't be read
    """
    rules = load_rules(rules_file)
    place = locations.delivery_location(destination)
    manifests = index_files.load_manifests(place, locations.local_state_dir(place))
    if not manifests:
        raise InvalidInputError(f"nothing was delivered to {place}", "name the folder or remote")
    units = [parse_unit(name).name for name in names] or list(manifests)
    if unknown := [unit for unit in units if unit not in manifests]:
        raise InvalidInputError(
            f"{unknown[0]} was not delivered to {place}", "see kpfnb archive status"
        )
    delivered = [manifests[unit] for unit in units if manifests[unit].delivered]
    wrong: dict[str, str] = {}
    with show_progress(len(delivered), f"verifying {place}", shown=progress) as bar:
        for count, manifest in enumerate(delivered):
            unit = manifest.unit
            bar.update(done=count, failed=len(wrong), note=unit)
            mismatches = find_mismatches(place / unit, manifest.files, read_back=not quick)
            wrong |= {f"{unit}/{path}": reason for path, reason in mismatches.items()}
        bar.update(done=len(delivered), failed=len(wrong), note="")
    if not names:
        texts = index_files.render_index_files(manifests, rules)
        digests = {name: digest_bytes(text.encode()) for name, text in texts.items()}
        wrong |= find_mismatches(place, digests, read_back=not quick)
    return VerificationResult(
        str(place),
        {manifest.unit: len(manifest.files) for manifest in delivered},
        sum(manifest.size for manifest in delivered),
        wrong,
        unlisted=_find_unlisted(place, manifests) if not names else (),
        undelivered=tuple(unit for unit in units if not manifests[unit].delivered),
    )


def _find_unlisted(place: Location, manifests: Mapping[str, Manifest]) -> tuple[str, ...]:
    listed = {f"{m.unit}/{path}" for m in manifests.values() for path in m.files}
    paths = (entry.path for entry in place.list(recursive=True) if not entry.is_folder)
    return tuple(
        path
        for path in paths
        if "/" in path and not path.startswith(f"{MANIFEST_FOLDER}/") and path not in listed
    )
