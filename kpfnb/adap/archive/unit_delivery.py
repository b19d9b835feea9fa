"""One unit on its way: looked at, copied, verified, marked, and only then deleted at its source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from kpfnb import storage
from kpfnb.adap.archive import content, digests, manifest, papers, staging
from kpfnb.adap.archive.delivered import Parcel, State
from kpfnb.adap.archive.manifest import Manifest
from kpfnb.adap.archive.quota import Quota, Reservation
from kpfnb.adap.archive.rules import Rules
from kpfnb.adap.archive.unit import Unit
from kpfnb.errors import ServiceUnavailable
from kpfnb.storage import Carried, Item, Location, Trouble
from kpfnb.storage import State as Carriage

_log = logging.getLogger(__name__)


class Load(NamedTuple):
    """A unit, its manifest, and where its files are here, by their place in the delivery."""

    unit: Unit
    manifest: Manifest
    sources: dict[str, Path]


@dataclass(frozen=True)
class Shipping:
    """How units are delivered.

    Attributes
    ----------
    root : the folder here below which the units are
    place : the delivery
    desk : a folder here that is kept for this delivery
    read_back : verify by reading every byte at the destination
    prune : delete at the destination what an earlier delivery of a unit had and this one has not
    move : delete at the source what is delivered
    confirm : called before a unit is marked: raises where somebody else has it by now
    """

    root: Path
    place: Location
    desk: Path
    rules: Rules
    quota: Quota
    read_back: bool = False
    prune: bool = False
    move: bool = False
    confirm: Callable[[], None] = lambda: None

    def plan(self, unit: Unit) -> Parcel:
        """What would be delivered."""
        load = self._load(unit, self._old(unit))
        todo = self._to_do(load)
        state = State.WOULD if todo or not load.manifest.delivered else State.THERE
        return _parcel(load.manifest, state, uploaded=sum(todo.values()))

    def send(self, unit: Unit) -> Parcel:
        """Deliver a unit, or as much of it as today's quota allows."""
        old = self._old(unit)
        load = self._load(unit, old)
        made = load.manifest
        if not made.files:
            return _parcel(made, State.FAILED, reason="it has nothing to deliver")
        if made != old:
            self._write(unit, made)
        sent = self._upload(load)
        if sent.state is not State.DELIVERED:
            return sent
        if wrong := self._wrong(unit, made):
            self._write(unit, replace(made, delivered=""))
            path, why = next(iter(wrong.items()))
            reason = f"{len(wrong)} files are not well at the destination: {path}: {why}"
            return replace(sent, state=State.FAILED, reason=reason)
        there = bool(made.delivered) and not sent.uploaded
        marked = self._mark(unit, made)
        deleted = self._delete(load) if self.move else 0
        state = State.THERE if there else State.DELIVERED
        return replace(sent, state=state, leftover=marked.leftover, deleted=deleted)

    def _load(self, unit: Unit, old: Manifest | None) -> Load:
        found = content.look(self.root, unit, self.rules)
        made = manifest.make(self.root, unit, found, self.rules)
        sources = {place: self.root / unit.name / path for place, path in found.files.items()}
        return Load(unit, made.follows(old), sources)

    def _old(self, unit: Unit) -> Manifest | None:
        """The manifest at the destination, if there is one."""
        text = papers.read(self.place / unit.manifest)
        return manifest.parse(text, unit.manifest) if text is not None else None

    def _write(self, unit: Unit, made: Manifest) -> None:
        papers.write(self.place, {unit.manifest: made.text()})

    def _mark(self, unit: Unit, made: Manifest) -> Manifest:
        """Say in the manifest that the unit is delivered."""
        self.confirm()
        marked = made
        if self.prune:
            for path in made.leftover:
                (self.place / unit.name / path).delete()
            marked = replace(marked, leftover=())
        if not made.delivered:
            marked = replace(marked, delivered=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if self.move:
            marked = replace(marked, moved=True)
        if marked != made:
            self._write(unit, marked)
        return marked

    def _wrong(self, unit: Unit, made: Manifest) -> dict[str, str]:
        place = self.place / unit.name
        return digests.wrong(place, dict(made.files), read_back=self.read_back)

    def _to_do(self, load: Load) -> dict[str, int]:
        """The files that are not at the destination yet, with their sizes (bytes)."""
        if not load.sources:
            return {}
        planned = self._carry(load, load.sources, dry_run=True)
        todo = [item.path for item in planned.items if item.state is Carriage.WOULD_COPY]
        return {path: load.manifest.files[path].size for path in todo}

    def _upload(self, load: Load) -> Parcel:
        """Copy what is not there yet and fits into today's quota."""
        unit, made = load.unit, load.manifest
        # Without a quota nothing has to be known beforehand
        todo = self._to_do(load) if self.quota.daily else None
        reserved = self.quota.reserve(unit.name, todo) if todo is not None else None
        chosen = reserved.names if reserved else tuple(load.sources)
        if not chosen:
            return _judged(made, [], 0, len(todo or ()))
        carried = self._carry(load, chosen)
        copied = [item for item in carried.items if item.state is Carriage.COPIED]
        uploaded = sum(item.size for item in copied)
        self._count(reserved or Reservation(unit.name, ""), uploaded, len(copied))
        if carried.interrupted:
            raise KeyboardInterrupt
        return _judged(made, carried.failed, uploaded, len(todo) - len(chosen) if todo else 0)

    def _count(self, reserved: Reservation, uploaded: int, count: int) -> None:
        try:
            self.quota.settle(reserved, uploaded, count)
        except ServiceUnavailable as error:
            # What is uploaded is well; uncorrected, the reservation counts in full
            _log.warning("%s: uploaded, but not counted: %s", reserved.unit, error.what)

    def _carry(self, load: Load, paths: Iterable[str], *, dry_run: bool = False) -> Carried:
        links = {path: load.sources[path] for path in paths}
        with staging.folder(self.desk, load.unit, links) as folder:
            return storage.carry(
                folder,
                self.place / load.unit.name,
                read_back=self.read_back,
                dry_run=dry_run,
                progress=False,
            )

    def _delete(self, load: Load) -> int:
        """Delete at the source what is delivered, if it is still what was delivered."""
        unchanged = [
            path
            for place, path in load.sources.items()
            if digests.of(path) == load.manifest.files[place]
        ]
        for path in unchanged:
            path.unlink()
        return len(unchanged)


def _judged(made: Manifest, failed: list[Item], uploaded: int, waiting: int) -> Parcel:
    late = [item for item in failed if item.trouble is Trouble.DAILY]
    broken = [item for item in failed if item.trouble is not Trouble.DAILY]
    waiting += len(late)
    sent = replace(_parcel(made, State.DELIVERED, uploaded=uploaded), waiting=waiting)
    if broken:
        reason = f"{len(broken)} files failed: {broken[0].path}: {broken[0].detail}"
        return replace(sent, state=State.FAILED, reason=reason)
    if waiting:
        reason = f"{waiting} of {len(made.files)} files wait for the quota of the next day"
        return replace(sent, state=State.WAITING, reason=reason)
    return sent


def _parcel(made: Manifest, state: State, *, uploaded: int = 0, reason: str = "") -> Parcel:
    return Parcel(
        made.unit,
        state,
        files=len(made.files),
        size=made.size,
        uploaded=uploaded,
        reason=reason,
        problems=made.problems,
        missing=made.missing,
        unrecognised=made.unrecognised,
        leftover=made.leftover,
    )
