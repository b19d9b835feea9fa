"""Deliver datasets to the archive: from here or from a remote, to a folder here or to a remote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb.adap.archive import (
    index_files,
    locations,
)
from kpfnb.adap.archive import (
    unit as rules,
)
from kpfnb.adap.archive import unit as units
from kpfnb.adap.archive.result import DeliveryResult, UnitResult, UnitStatus
from kpfnb.adap.archive.unit import ArchiveUnit
from kpfnb.adap.archive.unit_delivery import UnitDelivery
from kpfnb.core import locks
from kpfnb.core import progress as live
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, KpfnbError
from kpfnb.queue.lease import LeaseLost
from kpfnb.storage import Location

PlaceName = str | Path | Location


@dataclass(frozen=True)
class DeliveryCallbacks:
    """How whoever asks for a delivery is told of it.

    Attributes
    ----------
    note : called with how far a dataset is: DOWNLOADING, DOWNLOADED, IN_PROGRESS, COMPLETE
    confirm : called before a dataset is marked as delivered; what it raises stops that
    """

    notify: Callable[[str], None] = lambda text: None
    confirm: Callable[[], None] = lambda: None


def deliver_datasets(
    names: Iterable[str] = (),
    *,
    source: PlaceName = "",
    destination: PlaceName = "",
    rules_file: str | Path = "",
    quota_gb: float = 0,
    wait: bool = False,
    read_back: bool = False,
    prune: bool = False,
    move: bool = False,
    dry_run: bool = False,
    progress: bool = True,
    callbacks: DeliveryCallbacks = DeliveryCallbacks(),
) -> DeliveryResult:
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
    InvalidInputError, InvalidParameterError : a name, place or file can't be used; before any work
    StorageError : a place can't be read
    """
    wanted = rules.load_rules(rules_file)
    origin = locations.source_location(source)
    place = locations.delivery_location(destination, origin)
    if move and not origin.is_local:
        raise InvalidParameterError("move needs a source on this machine", "leave move off")
    asked = _select_units(names, origin)
    desk = locations.local_state_dir(place)
    quota = locations.upload_quota(place, quota_gb)
    shipping = UnitDelivery(
        root=Path(origin.argument),
        place=place,
        state_dir=desk,
        rules=wanted,
        quota=quota,
        read_back=read_back,
        prune=prune,
        move=move,
        confirm=callbacks.confirm,
    )
    way = _Route(origin, shipping, callbacks, wait=wait, dry_run=dry_run)
    parcels = _deliver_units(way, asked, progress=progress)
    there = (
        index_files.load_manifests(place, desk)
        if dry_run
        else index_files.publish_index_files(place, desk, wanted)
    )
    done = [one for one in there.values() if one.delivered]
    return DeliveryResult(
        str(origin),
        str(place),
        tuple(parcels),
        days=quota.days(),
        quota=quota.daily,
        total=(len(done), sum(one.size for one in done)),
        dry_run=dry_run,
    )


def _select_units(names: Iterable[str], origin: Location) -> list[ArchiveUnit]:
    """The units to deliver, each there; joint coadds after the datasets that they are made of."""
    given = [units.parse_unit(name) for name in names]
    if not given:
        found = units.find_units(origin)
        if not found:
            raise InvalidInputError(
                f"no datasets in {origin}", "datasets are folders mask/config/date"
            )
        return sorted(found, key=lambda unit: (unit.is_joint, unit))
    for unit in given:
        if (origin / unit.name).kind() != "folder":
            raise InvalidInputError(f"no dataset {unit.name} in {origin}", "check its name")
    configs = dict.fromkeys(unit.config for unit in given)
    joint = [ArchiveUnit(name) for name in configs if units.has_joint_coadds(origin / name)]
    asked = dict.fromkeys([*(unit for unit in given if not unit.is_joint), *joint])
    if lone := [unit for unit in given if unit not in asked]:
        raise InvalidInputError(
            f"{lone[0].name} has no joint coadds", "name a dataset as mask/config/date"
        )
    return list(asked)


@dataclass(frozen=True)
class _Route:
    """From where and how units are delivered."""

    origin: Location
    unit_delivery: UnitDelivery
    callbacks: DeliveryCallbacks
    wait: bool
    dry_run: bool

    def deliver(self, unit: ArchiveUnit) -> UnitResult:
        """Deliver one unit; what goes wrong is in the parcel, but for a lost lease."""
        try:
            with locks.acquire_lock(
                f"deliver {unit.name}", folder=self.unit_delivery.state_dir / "locks"
            ):
                return self._plan(unit) if self.dry_run else self._send(unit)
        except LeaseLost:
            raise
        except (KpfnbError, OSError) as error:
            what = error.what if isinstance(error, KpfnbError) else str(error)
            return UnitResult(unit.name, UnitStatus.FAILED, reason=what)

    def _plan(self, unit: ArchiveUnit) -> UnitResult:
        if self.origin.is_local:
            return self.unit_delivery.plan_unit(unit)
        # Without bringing them here nobody knows whether they are what was delivered
        sizes = locations.deliverable_files(self.origin, unit, self.unit_delivery.rules)
        return UnitResult(
            unit.name, UnitStatus.WOULD_DELIVER, files=len(sizes), size=sum(sizes.values())
        )

    def _send(self, unit: ArchiveUnit) -> UnitResult:
        with self._local_copy(unit) as shipping:
            self.callbacks.notify("IN_PROGRESS")
            sent = shipping.send_unit(unit)
            while self.wait and sent.state is UnitStatus.WAITING:
                self.callbacks.notify(f"IN_PROGRESS: {sent.reason}")
                time.sleep(shipping.quota.seconds_to_reset())
                before, sent = sent, shipping.send_unit(unit)
                sent = replace(sent, uploaded=before.uploaded + sent.uploaded)
        self.callbacks.notify("COMPLETE" if sent.state.is_good else f"{sent.state}: {sent.reason}")
        return sent

    @contextmanager
    def _local_copy(self, unit: ArchiveUnit) -> Iterator[UnitDelivery]:
        """The unit on this machine; what was brought is gone after the block if that went well."""
        if self.origin.is_local:
            yield self.unit_delivery
            return
        root = self.unit_delivery.state_dir / "incoming" / unit.name.replace("/", "+")
        self.callbacks.notify("DOWNLOADING")
        locations.download_unit(self.origin, unit, root, self.unit_delivery.rules)
        self.callbacks.notify("DOWNLOADED")
        yield replace(self.unit_delivery, root=root)
        locations.remove_download(root)


def _deliver_units(
    way: _Route, asked: Sequence[ArchiveUnit], *, progress: bool
) -> list[UnitResult]:
    """What became of each unit; where a person stops it, the rest is not reached."""
    parcels: list[UnitResult] = []
    title = f"delivering to {way.unit_delivery.place}"
    with live.show_progress(len(asked), title, shown=progress) as bar:
        for unit in asked:
            bar.update(done=len(parcels), note=unit.name)
            try:
                parcels.append(way.deliver(unit))
            except KeyboardInterrupt:
                left = asked[len(parcels) :]
                parcels += [
                    UnitResult(one.name, UnitStatus.NOT_REACHED, reason="stopped before")
                    for one in left
                ]
                break
            if parcels[-1].state is UnitStatus.FAILED:
                bar.report_failure(unit.name, parcels[-1].reason)
        bar.update(done=len(parcels), note="")
    return parcels
