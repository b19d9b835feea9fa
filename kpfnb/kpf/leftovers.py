"""What a DRP that was cut off left in the tree, whoever had started it: brought to its end.

Everybody who runs the DRP holds the lock `reprocess`; the DRP's own processes hold a lock `drp...`
for as long as one of them lives, and a mark `in-work...` says which products may be unfinished.
"""

from __future__ import annotations

from pathlib import Path

from kpfnb import locks
from kpfnb.kpf import safekeeping, unfinished
from kpfnb.kpf.index import Index
from kpfnb.kpf.safekeeping import STATE_DIR
from kpfnb.kpf.standing import Rules

STOPPING_SECONDS = 30.0
"""The DRP of a run that was killed is gone after this time at most."""


def lock(state: Path, who: str = "") -> Path:
    """The lock that the processes of a DRP hold."""
    return locks.path(f"drp-{who}" if who else "drp", state)


def mark(state: Path, who: str = "") -> Path:
    """The mark of the products in work."""
    return state / (f"in-work-{who}.json" if who else "in-work.json")


def finish(state: Path) -> int:
    """Wait until every DRP of a killed run is gone; set aside what it may not have finished.

    Returns how many products. `Busy` where one does not go. The caller holds the lock `reprocess`.
    """
    aside = []
    for file in sorted(state.glob("drp*.lock")):
        with locks.hold(file.stem, folder=state, wait_seconds=STOPPING_SECONDS):
            pass
    for file in sorted(state.glob("in-work*.json")):
        aside += unfinished.distrust(file)
    return len(aside)


def settle(rules: Rules, index: Index) -> list[str]:
    """`finish`, and what a killed run had in safekeeping; says what was done."""
    aside = finish(rules.root / STATE_DIR)
    notes = [f"{aside} products that a killed run may not have finished are set aside"]
    return [*(notes if aside else []), *safekeeping.finish_killed(rules, index)]
