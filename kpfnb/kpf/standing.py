"""How observations stand: is there something to process, and what is lacking?

The rules are those of `kpfnb.kpf.judgement`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from kpfnb.errors import ServiceUnavailable
from kpfnb.kpf import inventory
from kpfnb.kpf.index import Index
from kpfnb.kpf.inventory import Inventory
from kpfnb.kpf.judgement import Reason, judge
from kpfnb.kpf.obsid import ObsID


class State(StrEnum):
    """What can be said of an observation before or after processing."""

    DONE = "done"
    LACKING = "lacking"
    """A product is expected and not done."""
    JUNK = "junk"
    NO_L0 = "no L0 file"
    BAD_L0 = "L0 unreadable"
    """No processing can help it: it has to be transferred again."""


@dataclass(frozen=True)
class Standing:
    """One observation.

    Attributes
    ----------
    expected : the levels that it should have, of those asked for
    flaws : level to what is wrong with it, in words; the others are done
    """

    obsid: ObsID
    state: State
    expected: tuple[str, ...] = ()
    flaws: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """What is wrong, in one line; '' where nothing is."""
        flaws = "; ".join(f"{level} {flaw}" for level, flaw in self.flaws.items())
        return flaws or ("" if self.state is State.DONE else str(self.state))


@dataclass(frozen=True)
class Rules:
    """What is asked of the products.

    Attributes
    ----------
    version : the DRP version that a product must have at least; '' for any
    junk : ObsIDs of which nothing is expected
    """

    root: Path
    levels: Sequence[str]
    version: str = ""
    junk: Collection[str] = ()

    def look(self, obsids: Iterable[ObsID], index: Index) -> dict[ObsID, Standing]:
        """Each observation judged by what is on disk now; one look at each night.

        `ServiceUnavailable` where a directory can't be listed: what can't be seen is not missing.
        """
        by_night = groupby(sorted(obsids), key=lambda obsid: obsid.night)
        return {
            standing.obsid: standing
            for night, group in by_night
            for standing in self._night(night, list(group), index)
        }

    def _night(self, night: str, obsids: list[ObsID], index: Index) -> Iterator[Standing]:
        places = inventory.folders(self.root, night, self.levels)
        found = inventory.look(places, night, index=index, tags=bool(self.version))
        if found.notes:
            raise ServiceUnavailable(found.notes[0], "make it readable, or mount its disk again")
        for obsid in obsids:
            yield self._judge(obsid, found)

    def _judge(self, obsid: ObsID, found: Inventory) -> Standing:
        raw = found.raws.get(obsid.text)
        if raw is None:
            return Standing(obsid, State.NO_L0)
        if obsid.text in self.junk:
            return Standing(obsid, State.JUNK)
        products = {level: found.products[level].get(obsid.text) for level in self.levels}
        judged = judge(raw, products, version=self.version)
        flaws = {level: _words(*flaw) for level, flaw in judged.items() if flaw}
        if raw.problem:
            return Standing(obsid, State.BAD_L0, (), {"L0": raw.problem})
        return Standing(obsid, State.LACKING if flaws else State.DONE, tuple(judged), flaws)


def _words(reason: Reason, detail: str) -> str:
    return f"{reason} ({detail})" if detail else str(reason)
