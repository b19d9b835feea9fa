"""Deliver datasets to the archive, from this machine or a remote, to a folder or a remote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb.adap.archive import index_files, locations
from kpfnb.adap.archive.locations import DeliveryConfig
from kpfnb.adap.archive.result import DeliveryResult, UnitResult, UnitStatus
from kpfnb.adap.archive.unit import (
    ArchiveUnit,
    find_units,
    has_joint_coadds,
    load_rules,
    parse_unit,
)
from kpfnb.adap.archive.unit_delivery import UnitDelivery
from kpfnb.core import locks
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, KpfnbError
from kpfnb.core.progress import show_progress
from kpfnb.queue.lease import LeaseLostError
from kpfnb.storage import Location


@dataclass(frozen=True)
class DeliveryCallbacks:
    """How the caller follows a delivery.

    Attributes
    ----------
    notify : called with the progress of a dataset: DOWNLOADING, DOWNLOADED, IN_PROGRESS, COMPLETE
    confirm : called before a dataset is marked as delivered; an exception prevents that
    """

    notify: Callable[[str], None] = lambda text: None
    confirm: Callable[[], None] = lambda: None


def deliver_datasets(
    names: Iterable[str],
    config: DeliveryConfig,
    *,
    dry_run: bool = False,
    progress: bool = True,
    callbacks: DeliveryCallbacks = DeliveryCallbacks(),
) -> DeliveryResult:
    """Deliver datasets, and with them the joint coadds of their configurations.

    Files that are delivered already and unchanged are verified, and not copied again. What goes
    wrong with a dataset is in the result, and does not stop the others. After a kill, the next call
    continues.

    Parameters
    ----------
    names : datasets (mask/config/date), or mask/config for its joint coadds alone; if empty, all
    dry_run : report what would be done; change nothing

    Raises
    ------
    InvalidInputError, InvalidParameterError : a name, place or file is not usable; before any work
    StorageError : a place can't be read
    """
    rules = load_rules(config.rules_file)
    source = locations.source_location(config.source)
    place = locations.delivery_location(config.destination, source)
    if config.move and not source.is_local:
        raise InvalidParameterError("move needs a source on this machine", "leave move off")
    units = _select_units(names, source)
    state_dir = locations.local_state_dir(place)
    quota = locations.upload_quota(place, config.quota_gb)
    unit_delivery = UnitDelivery(
        root=Path(source.argument),
        place=place,
        state_dir=state_dir,
        rules=rules,
        quota=quota,
        config=config,
        confirm=callbacks.confirm,
    )
    route = _Route(source, unit_delivery, callbacks, dry_run=dry_run)
    results = _deliver_units(route, units, progress=progress)
    if dry_run:
        manifests = index_files.load_manifests(place, state_dir)
    else:
        manifests = index_files.publish_index_files(place, state_dir, rules)
    delivered = [manifest for manifest in manifests.values() if manifest.delivered]
    return DeliveryResult(
        str(source),
        str(place),
        tuple(results),
        days=quota.days(),
        quota=quota.daily,
        total=(len(delivered), sum(manifest.size for manifest in delivered)),
        dry_run=dry_run,
    )


def _select_units(names: Iterable[str], source: Location) -> list[ArchiveUnit]:
    """The units to deliver, which all exist; joint coadds after the datasets they are made of."""
    named = [parse_unit(name) for name in names]
    if not named:
        units = find_units(source)
        if not units:
            raise InvalidInputError(
                f"no datasets in {source}", "datasets are folders mask/config/date"
            )
        return sorted(units, key=lambda unit: (unit.is_joint, unit))
    for unit in named:
        if (source / unit.name).kind() != "folder":
            raise InvalidInputError(f"no dataset {unit.name} in {source}", "check its name")
    configs = dict.fromkeys(unit.config for unit in named)
    joint = [ArchiveUnit(name) for name in configs if has_joint_coadds(source / name)]
    selected = dict.fromkeys([*(unit for unit in named if not unit.is_joint), *joint])
    if absent := [unit for unit in named if unit not in selected]:
        raise InvalidInputError(
            f"{absent[0].name} has no joint coadds", "name a dataset as mask/config/date"
        )
    return list(selected)


@dataclass(frozen=True)
class _Route:
    """The way of the units from the source to the destination."""

    source: Location
    unit_delivery: UnitDelivery
    callbacks: DeliveryCallbacks
    dry_run: bool

    def deliver(self, unit: ArchiveUnit) -> UnitResult:
        """Deliver one unit; what goes wrong is in the result, except a lost lease."""
        locks_dir = self.unit_delivery.state_dir / "locks"
        try:
            with locks.acquire_lock(f"deliver {unit.name}", folder=locks_dir):
                return self._plan(unit) if self.dry_run else self._send(unit)
        except LeaseLostError:
            raise
        except (KpfnbError, OSError) as error:
            reason = error.what if isinstance(error, KpfnbError) else str(error)
            return UnitResult(unit.name, UnitStatus.FAILED, reason=reason)

    def _plan(self, unit: ArchiveUnit) -> UnitResult:
        if self.source.is_local:
            return self.unit_delivery.plan_unit(unit)
        # Without a download it is not known whether they are delivered already
        sizes = locations.deliverable_files(self.source, unit, self.unit_delivery.rules)
        total = sum(sizes.values())
        return UnitResult(unit.name, UnitStatus.WOULD_DELIVER, files=len(sizes), size=total)

    def _send(self, unit: ArchiveUnit) -> UnitResult:
        notify = self.callbacks.notify
        with self._local_copy(unit) as unit_delivery:
            notify("IN_PROGRESS")
            result = unit_delivery.send_unit(unit)
            while unit_delivery.config.wait and result.state is UnitStatus.WAITING:
                notify(f"IN_PROGRESS: {result.reason}")
                time.sleep(unit_delivery.quota.seconds_to_reset())
                uploaded = result.uploaded
                result = unit_delivery.send_unit(unit)
                result = replace(result, uploaded=uploaded + result.uploaded)
        notify("COMPLETE" if result.state.is_good else f"{result.state}: {result.reason}")
        return result

    @contextmanager
    def _local_copy(self, unit: ArchiveUnit) -> Iterator[UnitDelivery]:
        """The unit on this machine; a download is removed after the block if that succeeded."""
        if self.source.is_local:
            yield self.unit_delivery
            return
        root = self.unit_delivery.state_dir / "incoming" / unit.name.replace("/", "+")
        self.callbacks.notify("DOWNLOADING")
        locations.download_unit(self.source, unit, root, self.unit_delivery.rules)
        self.callbacks.notify("DOWNLOADED")
        yield replace(self.unit_delivery, root=root)
        locations.remove_download(root)


def _deliver_units(
    route: _Route, units: Sequence[ArchiveUnit], *, progress: bool
) -> list[UnitResult]:
    """The result of each unit; after Ctrl-C, the remaining ones are not reached."""
    results: list[UnitResult] = []
    title = f"delivering to {route.unit_delivery.place}"
    with show_progress(len(units), title, shown=progress) as bar:
        for unit in units:
            bar.update(done=len(results), note=unit.name)
            try:
                results.append(route.deliver(unit))
            except KeyboardInterrupt:
                results += [
                    UnitResult(remaining.name, UnitStatus.NOT_REACHED, reason="stopped before")
                    for remaining in units[len(results) :]
                ]
                break
            if results[-1].state is UnitStatus.FAILED:
                bar.report_failure(unit.name, results[-1].reason)
        bar.update(done=len(results), note="")
    return results
