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

from kpfnb.core import atomic, locks
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import headers
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import new_products

STATE_DIR = ".kpfnb"
"""Below the data root: what concerns everybody who works on it."""

STASH_DIR = ".kpfnb-holding"


@dataclass(frozen=True)
class ProductBackup:
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
        return _journal_dir(self.root) / f"{self.run}.json"

    def stash(self, obsids: Iterable[ObsID]) -> None:
        """Move the products of these observations into the holding area.

        Where one can't be moved, all are put back and it is a `InvalidInputError`.
        """
        moving = self.root
        try:
            atomic.write_json(self.journal, asdict(self) | {"root": str(self.root)})
            for obsid in obsids:
                for level in self.levels:
                    moving = obsid.path(self.root, level)
                    _move_if_present(moving, self._stash_path(obsid, level))
        except OSError as error:
            self.restore_all()
            raise InvalidInputError(
                f"can't move the old products away: {moving}: {error.strerror}",
                "make the product directories writable, with room on the disk,"
                " or run without delete",
            ) from error

    def restore(self, obsid: ObsID) -> bool:
        """Move the old products back, over whatever is in their places; False if there are none."""
        moved = [
            _move_if_present(self._stash_path(obsid, level), obsid.path(self.root, level))
            for level in self.levels
        ]
        return any(moved)

    def discard(self, obsid: ObsID) -> None:
        """Remove the old products for good: the caller has judged the new ones."""
        for level in self.levels:
            with suppress(FileNotFoundError):
                self._stash_path(obsid, level).unlink()

    def stashed_observations(self) -> list[ObsID]:
        """Those of which a product is held at this moment."""
        names = {
            path.name for level in self.levels for path in self._stash_dir(level).glob("*.fits")
        }
        return sorted({ObsID.parse(name) for name in names})

    def restore_all(self) -> None:
        """Put back whatever is held, and close."""
        for obsid in self.stashed_observations():
            self.restore(obsid)
        self.close()

    def close(self) -> None:
        """Remove the emptied directories and the journal; where something is held they stay."""
        if self.stashed_observations():
            return
        for level in self.levels:
            # Not there, or another run's holding is beside it
            with suppress(OSError):
                self._stash_dir(level).rmdir()
                self._stash_dir(level).parent.rmdir()
        self.journal.unlink(missing_ok=True)

    def _stash_path(self, obsid: ObsID, level: str) -> Path:
        return self._stash_dir(level) / obsid.path(self.root, level).name

    def _stash_dir(self, level: str) -> Path:
        return self.root / level / STASH_DIR / self.run


def find_stale_backups(root: Path) -> list[ProductBackup]:
    """The holding areas of runs that were killed, oldest first."""
    found = []
    for journal in sorted(_journal_dir(root).glob("*.json")):
        record = atomic.read_json(journal)
        try:
            levels, version = tuple(record["levels"]), str(record["version"])
        except (KeyError, TypeError):
            levels, version = (), ""
        if not levels or not set(levels) <= set(KPF.products):
            raise InvalidInputError(
                f"{journal} is not a journal of a holding area",
                f"put what is in */{STASH_DIR} back by hand, then remove it",
            )
        found.append(ProductBackup(root, journal.stem, levels, version))
    return found


def resolve_stale_backups(rules: CompletenessRules, index: HeaderIndex) -> list[str]:
    """Bring to its end what killed runs left in safekeeping; says what was done."""
    notes = []
    for old in find_stale_backups(rules.root):
        asked = CompletenessRules(rules.root, old.levels, old.version, rules.junk)
        standings = asked.check_observations(old.stashed_observations(), index)
        good = [obsid for obsid, one in standings.items() if _is_complete(one, rules.root)]
        for obsid in good:
            old.discard(obsid)
        old.restore_all()
        notes.append(
            f"run {old.run} was killed: the old products of {len(standings) - len(good)}"
            f" observations were put back, those of {len(good)} removed as the new ones are good"
        )
    return notes


def _is_complete(standing: ObservationCheck, root: Path) -> bool:
    paths = [standing.obsid.path(root, level) for level in standing.expected]
    return standing.status is ObservationStatus.DONE and not any(map(headers.find_defect, paths))


def _journal_dir(root: Path) -> Path:
    return root / STATE_DIR / "holding"


def _move_if_present(source: Path, target: Path) -> bool:
    """False where there is nothing to move; no directory is made for it then."""
    if not os.path.lexists(source):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return True


# What a DRP that was cut off left in the tree, whoever had started it: brought to its end.
#
# Everybody who runs the DRP holds the lock `reprocess`; the DRP's own processes hold a lock `drp...`
# for as long as one of them lives, and a mark `in-work...` says which products may be unfinished.

STOPPING_SECONDS = 30.0
"""The DRP of a run that was killed is gone after this time at most."""


def drp_lock(state: Path, who: str = "") -> Path:
    """The lock that the processes of a DRP hold."""
    return locks.lock_path(f"drp-{who}" if who else "drp", state)


def marker_path(state: Path, who: str = "") -> Path:
    """The mark of the products in work."""
    return state / (f"in-work-{who}.json" if who else "in-work.json")


def quarantine_partial_products(state: Path) -> int:
    """Wait until every DRP of a killed run is gone; set aside what it may not have finished.

    Returns how many products. `AlreadyRunningError` where one does not go. The caller holds the lock `reprocess`.
    """
    aside = []
    for file in sorted(state.glob("drp*.lock")):
        with locks.acquire_lock(file.stem, folder=state, wait_seconds=STOPPING_SECONDS):
            pass
    for file in sorted(state.glob("in-work*.json")):
        aside += new_products.quarantine_suspects(file)
    return len(aside)


def recover_killed_runs(rules: CompletenessRules, index: HeaderIndex) -> list[str]:
    """`finish`, and what a killed run had in safekeeping; says what was done."""
    aside = quarantine_partial_products(rules.root / STATE_DIR)
    notes = [f"{aside} products that a killed run may not have finished are set aside"]
    return [*(notes if aside else []), *resolve_stale_backups(rules, index)]
