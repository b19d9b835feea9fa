"""The task `archive`: a dataset from the remote to the archive, with its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpfnb.adap.archive import delivery, index_files, locations
from kpfnb.adap.archive import unit as units
from kpfnb.adap.archive.result import DeliveryResult, UnitResult, UnitStatus
from kpfnb.adap.products import remote_datasets
from kpfnb.core.errors import InvalidInputError

if TYPE_CHECKING:
    from kpfnb.queue.lease import Lease

DEFAULT_DESTINATION = "koa:"


def deliver_item(
    item: str,
    lease: Lease,
    *,
    source: str = remote_datasets.DATA_REMOTE,
    destination: str = DEFAULT_DESTINATION,
    rules: str = "",
    quota_gb: float = 0,
    wait: bool = True,
    read_back: bool = False,
    prune: bool = False,
) -> DeliveryResult:
    """Deliver one dataset; how far it is, `kpfnb queue show archive` tells.

    source, destination : remotes of the settings, or folders
    rules : YAML file; KOA's if empty
    quota_gb : GB a day (UTC); 0 for no limit
    wait : for the next day, where the quota is used up
    read_back, prune : as `kpfnb.adap.archive.delivery.deliver_datasets` tells
    """
    try:
        return delivery.deliver_datasets(
            [item],
            source=source,
            destination=destination,
            rules_file=rules,
            quota_gb=quota_gb,
            wait=wait,
            read_back=read_back,
            prune=prune,
            progress=False,
            callbacks=delivery.DeliveryCallbacks(lease.note, lease.confirm),
        )
    except InvalidInputError as error:
        # Not a matter of trying again
        failed = UnitResult(item, UnitStatus.FAILED, reason=error.what)
        return DeliveryResult(source, destination, (failed,), is_final=True)


def scan_items(queue: str) -> dict[str, bool]:
    """The datasets of the remote `data`, and whether they are delivered to the remote `koa`."""
    place = locations.delivery_location(DEFAULT_DESTINATION)
    there = index_files.load_manifests(place, locations.local_state_dir(place))
    found = units.find_units(locations.source_location(remote_datasets.DATA_REMOTE))
    return {
        unit.name: bool(unit.name in there and there[unit.name].delivered)
        for unit in found
        if not unit.is_joint
    }
