"""Recovery: a run of the DRP that was killed is completed by the next one.

All programs that run the DRP hold the lock `reprocess` on the data root. The processes of the DRP
hold a lock `drp...` as long as one of them runs, and a marker `in-work...` names the products that
may be partial (`kpfnb.kpf.reprocess.new_products`).

With `delete`, old products are in a backup until the new ones are present and good. New ones that
are complete, but of another version than asked for or without a velocity, replace the old ones if
those are not better. A product is moved by a rename on its own file system, so it is always in one
of two places:

- its own, `<root>/<level>/<night>/<name>`, or
- the backup, `<root>/<level>/.kpfnb-holding/<run>/<name>`.

The journal `<root>/.kpfnb/holding/<run>.json` is written before the first move and removed after
the last file has left the backup. If a later run finds one, the earlier run was killed: each
product in its backup is restored or removed.
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
from kpfnb.core.text import format_count
from kpfnb.kpf.files import drp
from kpfnb.kpf.files.obsid import KPF, STATE_DIR, ObsID
from kpfnb.kpf.progress import header_facts
from kpfnb.kpf.progress.completeness import INFERIOR, IncompleteReason
from kpfnb.kpf.progress.evaluation import CompletenessRules, ObservationCheck, ObservationStatus
from kpfnb.kpf.progress.header_index import HeaderIndex
from kpfnb.kpf.reprocess import new_products

STASH_DIR = ".kpfnb-holding"

STOPPING_SECONDS = 30.0
"""The processes of a killed run are gone after this time at most."""


def drp_lock(state: Path, owner: str = "") -> Path:
    """Path of the lock that the processes of a DRP hold."""
    return locks.lock_path(f"drp-{owner}" if owner else "drp", state)


def marker_path(state: Path, owner: str = "") -> Path:
    """Path of the marker file, which names the products that are being written."""
    return state / (f"in-work-{owner}.json" if owner else "in-work.json")


def quarantine_partial_products(state: Path) -> int:
    """Wait until the DRPs of killed runs are gone; set aside the products that may be partial.

    Returns the number of products. A DRP that does not end is an `AlreadyRunningError`. The caller
    holds the lock `reprocess`.
    """
    quarantined = []
    for file in sorted(state.glob("drp*.lock")):
        with locks.acquire_lock(file.stem, folder=state, wait_seconds=STOPPING_SECONDS):
            pass
    for file in sorted(state.glob("in-work*.json")):
        quarantined += new_products.quarantine_suspects(file)
    return len(quarantined)


def recover_killed_runs(rules: CompletenessRules, index: HeaderIndex) -> list[str]:
    """Set aside partial products of killed runs, and restore or remove their backups.

    Returns notes for a person. The caller holds the lock `reprocess`.
    """
    count = quarantine_partial_products(rules.root / STATE_DIR)
    notes = []
    if count:
        products = format_count(count, "product")
        notes.append(f"set aside {products} that a killed run may not have finished")
    return [*notes, *resolve_stale_backups(rules, index)]


@dataclass(frozen=True)
class ProductBackup:
    """The backup of the old products of one run.

    Attributes
    ----------
    levels : of the products in it, which have to be made again
    version : the lowest DRP version that the new products may have; '' for any
    """

    root: Path
    run: str
    levels: tuple[str, ...]
    version: str = ""

    @property
    def journal(self) -> Path:
        """The file that says that a backup exists, and what is required of the new products."""
        return _journal_dir(self.root) / f"{self.run}.json"

    def stash(self, obsids: Iterable[ObsID]) -> None:
        """Move the products of these observations into the backup.

        If one can't be moved, all are restored and it is an `InvalidInputError`.
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
                "make the product directories writable, free space on the disk,"
                " or run without delete",
            ) from error

    def restore(self, obsid: ObsID) -> bool:
        """Move the old products back, over the new ones; False if there are none."""
        moved = [
            _move_if_present(self._stash_path(obsid, level), obsid.path(self.root, level))
            for level in self.levels
        ]
        return any(moved)

    def is_better_than(self, check: ObservationCheck) -> bool:
        """Whether the old products are to be restored over new ones that have defects.

        They are, if the new ones are incomplete, of an earlier version than the old ones, or lack a
        velocity that the old ones have. A tag that is no version is not an earlier one.
        """
        if not check.reasons or not INFERIOR.issuperset(check.reasons.values()):
            return True
        return any(
            _is_better(
                self._stash_path(check.obsid, level), check.obsid.path(self.root, level), reason
            )
            for level, reason in check.reasons.items()
        )

    def discard(self, obsid: ObsID) -> None:
        """Remove the old products: the new ones are good, or not worse."""
        for level in self.levels:
            with suppress(FileNotFoundError):
                self._stash_path(obsid, level).unlink()

    def has_stashed(self, obsid: ObsID) -> bool:
        """Whether an old product of the observation is in the backup."""
        return any(self._stash_path(obsid, level).exists() for level in self.levels)

    def stashed_observations(self) -> list[ObsID]:
        """The observations with a product in the backup."""
        names = {
            path.name for level in self.levels for path in self._stash_dir(level).glob("*.fits")
        }
        return sorted({ObsID.parse(name) for name in names})

    def restore_all(self) -> None:
        """Move all old products back, and close."""
        for obsid in self.stashed_observations():
            self.restore(obsid)
        self.close()

    def close(self) -> None:
        """Remove the empty directories and the journal; they stay if the backup is not empty."""
        if self.stashed_observations():
            return
        for level in self.levels:
            # It does not exist, or the backup of another run is beside it
            with suppress(OSError):
                self._stash_dir(level).rmdir()
                self._stash_dir(level).parent.rmdir()
        self.journal.unlink(missing_ok=True)

    def _stash_path(self, obsid: ObsID, level: str) -> Path:
        return self._stash_dir(level) / obsid.path(self.root, level).name

    def _stash_dir(self, level: str) -> Path:
        return self.root / level / STASH_DIR / self.run


def find_stale_backups(root: Path) -> list[ProductBackup]:
    """The backups of runs that were killed, oldest first."""
    backups = []
    for journal in sorted(_journal_dir(root).glob("*.json")):
        record = atomic.read_json(journal)
        try:
            levels, version = tuple(record["levels"]), str(record["version"])
        except (KeyError, TypeError):
            levels, version = (), ""
        if not levels or not set(levels) <= set(KPF.products):
            raise InvalidInputError(
                f"{journal} is not the journal of a backup",
                f"move the files in */{STASH_DIR} back by hand, then remove it",
            )
        backups.append(ProductBackup(root, journal.stem, levels, version))
    return backups


def resolve_stale_backups(rules: CompletenessRules, index: HeaderIndex) -> list[str]:
    """Restore or remove the old products of killed runs; returns notes for a person."""
    notes = []
    for backup in find_stale_backups(rules.root):
        required = CompletenessRules(rules.root, backup.levels, backup.version, rules.junk)
        checks = required.check_observations(backup.stashed_observations(), index)
        kept = [
            obsid
            for obsid, check in checks.items()
            if _is_complete(check, rules.root)
            and (check.status is ObservationStatus.DONE or not backup.is_better_than(check))
        ]
        for obsid in kept:
            backup.discard(obsid)
        backup.restore_all()
        notes.append(
            f"run {backup.run} was killed: the old products of {len(checks) - len(kept)}"
            f" observations were restored; those of {len(kept)} were removed, as the new ones are"
            " not worse"
        )
    return notes


def _is_complete(check: ObservationCheck, root: Path) -> bool:
    paths = [check.obsid.path(root, level) for level in check.expected]
    return bool(paths) and not any(map(headers.find_defect, paths))


def _is_better(old: Path, new: Path, reason: IncompleteReason) -> bool:
    """Whether an old product is better than a new one that is not done for this reason."""
    try:
        old_facts, new_facts = (header_facts.read_product(path) for path in (old, new))
    except (OSError, headers.InvalidHeaderError):
        return False
    if reason is IncompleteReason.NO_VELOCITY and not old_facts.velocity_problem:
        return True
    return drp.is_earlier_version(new_facts.tag, old_facts.tag)


def _journal_dir(root: Path) -> Path:
    return root / STATE_DIR / "holding"


def _move_if_present(source: Path, target: Path) -> bool:
    """False if there is nothing to move; then no directory is created."""
    if not os.path.lexists(source):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return True
