"""Deliver datasets to the archive: from here or from a remote, to a folder here or to a remote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb import live, locks
from kpfnb.adap.archive import fetching, places, rules, toplevel
from kpfnb.adap.archive import unit as units
from kpfnb.adap.archive.delivered import Delivered, Parcel, State
from kpfnb.adap.archive.shipping import Shipping
from kpfnb.adap.archive.unit import Unit
from kpfnb.errors import BadInput, BadParameter, KpfnbError
from kpfnb.storage import Location
from kpfnb.workqueue.lease import LeaseLost

Place = str | Path | Location


@dataclass(frozen=True)
class Calls:
    """How whoever asks for a delivery is told of it.

    Attributes
    ----------
    note : called with how far a dataset is: DOWNLOADING, DOWNLOADED, IN_PROGRESS, COMPLETE
    confirm : called before a dataset is marked as delivered; what it raises stops that
    """

    note: Callable[[str], None] = lambda text: None
    confirm: Callable[[], None] = lambda: None


def deliver(
    names: Iterable[str] = (),
    *,
    source: Place = "",
    destination: Place = "",
    rules_file: str | Path = "",
    quota_gb: float = 0,
    wait: bool = False,
    read_back: bool = False,
    prune: bool = False,
    move: bool = False,
    dry_run: bool = False,
    progress: bool = True,
    calls: Calls = Calls(),
) -> Delivered:
    """Deliver datasets, and with them the joint coadds of their configurations.

    What is delivered already and is the same is verified, and not copied again. What goes wrong
    with a dataset is in the result, and does not stop the others. Killed anywhere, the next call
    goes on.

    Parameters
    ----------
    names : datasets (mask/config/date), or mask/config for its joint coadds alone; all by default
    source : folder or remote of the datasets; '' for those in the work directory
    destination : folder or remote of the delivery; '' for one in the work directory
    rules_file : YAML file of what is delivered, and of the tables' columns; '' for KOA's
    quota_gb : GB a day (UTC) that may be uploaded, by all workers together where the settings name
        a queue server, else from this work directory; 0 for no limit
    wait : wait for the next day where the quota is used up; otherwise a later call goes on
    read_back : verify by reading every byte at the destination, whatever hashes it tells
    prune : delete at the destination what a dataset had when it was delivered before, and has not
        any more
    move : delete the files of a dataset at the (local) source once it is delivered
    dry_run : say what would be done

    Raises
    ------
    BadInput, BadParameter : a name, place or file can't be used; before any work
    StorageError : a place can't be read
    """
    wanted = rules.load(rules_file)
    origin = places.source(source)
    place = places.destination(destination, origin)
    if move and not origin.is_local:
        raise BadParameter("move needs a source on this machine", "leave move off")
    asked = _asked(names, origin)
    desk = places.desk(place)
    quota = places.quota(place, quota_gb)
    shipping = Shipping(
        root=Path(origin.argument),
        place=place,
        desk=desk,
        rules=wanted,
        quota=quota,
        read_back=read_back,
        prune=prune,
        move=move,
        confirm=calls.confirm,
    )
    way = _Way(origin, shipping, calls, wait=wait, dry_run=dry_run)
    parcels = _deliver_all(way, asked, progress=progress)
    there = toplevel.manifests(place, desk) if dry_run else toplevel.publish(place, desk, wanted)
    done = [one for one in there.values() if one.delivered]
    return Delivered(
        str(origin),
        str(place),
        tuple(parcels),
        days=quota.days(),
        quota=quota.daily,
        total=(len(done), sum(one.size for one in done)),
        dry_run=dry_run,
    )


def _asked(names: Iterable[str], origin: Location) -> list[Unit]:
    """The units to deliver, each there; joint coadds after the datasets that they are made of."""
    given = [units.parse(name) for name in names]
    if not given:
        found = units.find(origin)
        if not found:
            raise BadInput(f"no datasets in {origin}", "datasets are folders mask/config/date")
        return sorted(found, key=lambda unit: (unit.is_joint, unit))
    for unit in given:
        if (origin / unit.name).kind() != "folder":
            raise BadInput(f"no dataset {unit.name} in {origin}", "check its name")
    configs = dict.fromkeys(unit.config for unit in given)
    joint = [Unit(name) for name in configs if units.has_joint(origin / name)]
    asked = dict.fromkeys([*(unit for unit in given if not unit.is_joint), *joint])
    if lone := [unit for unit in given if unit not in asked]:
        raise BadInput(f"{lone[0].name} has no joint coadds", "name a dataset as mask/config/date")
    return list(asked)


@dataclass(frozen=True)
class _Way:
    """From where and how units are delivered."""

    origin: Location
    shipping: Shipping
    calls: Calls
    wait: bool
    dry_run: bool

    def deliver(self, unit: Unit) -> Parcel:
        """Deliver one unit; what goes wrong is in the parcel, but for a lost lease."""
        try:
            with locks.hold(f"deliver {unit.name}", folder=self.shipping.desk / "locks"):
                return self._plan(unit) if self.dry_run else self._send(unit)
        except LeaseLost:
            raise
        except (KpfnbError, OSError) as error:
            what = error.what if isinstance(error, KpfnbError) else str(error)
            return Parcel(unit.name, State.FAILED, reason=what)

    def _plan(self, unit: Unit) -> Parcel:
        if self.origin.is_local:
            return self.shipping.plan(unit)
        # Without bringing them here nobody knows whether they are what was delivered
        sizes = fetching.deliverable(self.origin, unit, self.shipping.rules)
        return Parcel(unit.name, State.WOULD, files=len(sizes), size=sum(sizes.values()))

    def _send(self, unit: Unit) -> Parcel:
        with self._here(unit) as shipping:
            self.calls.note("IN_PROGRESS")
            sent = shipping.send(unit)
            while self.wait and sent.state is State.WAITING:
                self.calls.note(f"IN_PROGRESS: {sent.reason}")
                time.sleep(shipping.quota.seconds_to_reset())
                before, sent = sent, shipping.send(unit)
                sent = replace(sent, uploaded=before.uploaded + sent.uploaded)
        self.calls.note("COMPLETE" if sent.state.is_good else f"{sent.state}: {sent.reason}")
        return sent

    @contextmanager
    def _here(self, unit: Unit) -> Iterator[Shipping]:
        """The unit on this machine; what was brought is gone after the block if that went well."""
        if self.origin.is_local:
            yield self.shipping
            return
        root = self.shipping.desk / "incoming" / unit.name.replace("/", "+")
        self.calls.note("DOWNLOADING")
        fetching.bring(self.origin, unit, root, self.shipping.rules)
        self.calls.note("DOWNLOADED")
        yield replace(self.shipping, root=root)
        fetching.drop(root)


def _deliver_all(way: _Way, asked: Sequence[Unit], *, progress: bool) -> list[Parcel]:
    """What became of each unit; where a person stops it, the rest is not reached."""
    parcels: list[Parcel] = []
    title = f"delivering to {way.shipping.place}"
    with live.progress(len(asked), title, shown=progress) as bar:
        for unit in asked:
            bar.update(done=len(parcels), note=unit.name)
            try:
                parcels.append(way.deliver(unit))
            except KeyboardInterrupt:
                left = asked[len(parcels) :]
                parcels += [Parcel(one.name, State.LEFT, reason="stopped before") for one in left]
                break
            if parcels[-1].state is State.FAILED:
                bar.failure(unit.name, parcels[-1].reason)
        bar.update(done=len(parcels), note="")
    return parcels
