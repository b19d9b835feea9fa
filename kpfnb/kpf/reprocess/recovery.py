"""Old products are kept safe, in a holding area, until the new ones are there and judged good.

A product is moved by one rename on its own file system, so it is always in one of two places:

- its own, `<root>/<level>/<night>/<name>`, or
- held, `<root>/<level>/.kpfnb-holding/<run>/<name>`.

The journal `<root>/.kpfnb/holding/<run>.json` is written before the first move and removed after
the last file has left. One that is found later is that of a killed run; whoever finds it (under the
lock on the data root) brings it to its end: each held product is put back or removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kpfnb import files, fitsheader
from kpfnb.errors import BadInput
from kpfnb.kpf.index import Index
from kpfnb.kpf.obsid import KPF, ObsID
from kpfnb.kpf.standing import Rules, Standing, State

STATE_DIR = ".kpfnb"
"""Below the data root: what concerns everybody who works on it."""

HOLDING_DIR = ".kpfnb-holding"


@dataclass(frozen=True)
class Safekeeping:
    """The holding area of one run.

    Attributes
    ----------
    levels : the products that are held, and that have to be made anew
    version : the DRP version that the new products must have; '' for any
    """

    root: Path
    run: str
    levels: tuple[str, ...]
    version: str = ""

    @property
    def journal(self) -> Path:
        """Says that there may be held files, and what is expected of the new ones."""
        return _journals(self.root) / f"{self.run}.json"

    def take(self, obsids: Iterable[ObsID]) -> None:
        """Move the products of these observations into the holding area.

        Where one can't be moved, all are put back and it is a `BadInput`.
        """
        moving = self.root
        try:
            files.write_json(self.journal, asdict(self) | {"root": str(self.root)})
            for obsid in obsids:
                for level in self.levels:
                    moving = obsid.path(self.root, level)
                    _move(moving, self._held(obsid, level))
        except OSError as error:
            self.put_all_back()
            raise BadInput(
                f"can't move the old products away: {moving}: {error.strerror}",
                "make the product directories writable, with room on the disk,"
                " or run without delete",
            ) from error

    def put_back(self, obsid: ObsID) -> bool:
        """Move the old products back, over whatever is in their places; False if there are none."""
        moved = [
            _move(self._held(obsid, level), obsid.path(self.root, level)) for level in self.levels
        ]
        return any(moved)

    def remove(self, obsid: ObsID) -> None:
        """Remove the old products for good: the caller has judged the new ones."""
        for level in self.levels:
            with suppress(FileNotFoundError):
                self._held(obsid, level).unlink()

    def observations(self) -> list[ObsID]:
        """Those of which a product is held at this moment."""
        names = {path.name for level in self.levels for path in self._dir(level).glob("*.fits")}
        return sorted({ObsID.parse(name) for name in names})

    def put_all_back(self) -> None:
        """Put back whatever is held, and close."""
        for obsid in self.observations():
            self.put_back(obsid)
        self.close()

    def close(self) -> None:
        """Remove the emptied directories and the journal; where something is held they stay."""
        if self.observations():
            return
        for level in self.levels:
            # Not there, or another run's holding is beside it
            with suppress(OSError):
                self._dir(level).rmdir()
                self._dir(level).parent.rmdir()
        self.journal.unlink(missing_ok=True)

    def _held(self, obsid: ObsID, level: str) -> Path:
        return self._dir(level) / obsid.path(self.root, level).name

    def _dir(self, level: str) -> Path:
        return self.root / level / HOLDING_DIR / self.run


def left_over(root: Path) -> list[Safekeeping]:
    """The holding areas of runs that were killed, oldest first."""
    found = []
    for journal in sorted(_journals(root).glob("*.json")):
        record = files.read_json(journal)
        try:
            levels, version = tuple(record["levels"]), str(record["version"])
        except (KeyError, TypeError):
            levels, version = (), ""
        if not levels or not set(levels) <= set(KPF.products):
            raise BadInput(
                f"{journal} is not a journal of a holding area",
                f"put what is in */{HOLDING_DIR} back by hand, then remove it",
            )
        found.append(Safekeeping(root, journal.stem, levels, version))
    return found


def finish_killed(rules: Rules, index: Index) -> list[str]:
    """Bring to its end what killed runs left in safekeeping; says what was done."""
    notes = []
    for old in left_over(rules.root):
        asked = Rules(rules.root, old.levels, old.version, rules.junk)
        standings = asked.look(old.observations(), index)
        good = [obsid for obsid, one in standings.items() if _is_good(one, rules.root)]
        for obsid in good:
            old.remove(obsid)
        old.put_all_back()
        notes.append(
            f"run {old.run} was killed: the old products of {len(standings) - len(good)}"
            f" observations were put back, those of {len(good)} removed as the new ones are good"
        )
    return notes


def _is_good(standing: Standing, root: Path) -> bool:
    paths = [standing.obsid.path(root, level) for level in standing.expected]
    return standing.state is State.DONE and not any(map(fitsheader.defect, paths))


def _journals(root: Path) -> Path:
    return root / STATE_DIR / "holding"


def _move(source: Path, target: Path) -> bool:
    """False where there is nothing to move; no directory is made for it then."""
    if not os.path.lexists(source):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return True
