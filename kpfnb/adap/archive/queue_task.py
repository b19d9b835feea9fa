"""The task `archive`: a dataset from the remote to the archive, with its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpfnb.adap.archive import index_files, locations
from kpfnb.adap.archive.delivery import DeliveryCallbacks, deliver_datasets
from kpfnb.adap.archive.locations import DeliveryConfig
from kpfnb.adap.archive.result import DeliveryResult, UnitResult, UnitStatus
from kpfnb.adap.archive.unit import find_units
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
    """Deliver one dataset; `kpfnb queue show archive` reports its progress.

    source, destination : remotes of the settings, or folders
    rules : YAML file; KOA's if empty
    quota_gb : GB a day (UTC); 0 for no limit
    wait : wait for the next day when the quota is used up
    read_back, prune : see `kpfnb.adap.archive.locations.DeliveryConfig`
    """
    config = DeliveryConfig(
        source=source,
        destination=destination,
        rules_file=rules,
        quota_gb=quota_gb,
        wait=wait,
        read_back=read_back,
        prune=prune,
    )
    callbacks = DeliveryCallbacks(lease.note, lease.confirm)
    try:
        return deliver_datasets([item], config, progress=False, callbacks=callbacks)
    except InvalidInputError as error:
        # Another attempt would fail, too
        failed = UnitResult(item, UnitStatus.FAILED, reason=error.what)
        return DeliveryResult(source, destination, (failed,), is_final=True)


def scan_items(queue: str) -> dict[str, bool]:
    """The datasets of the remote `data`, and whether they are delivered to the remote `koa`."""
    place = locations.delivery_location(DEFAULT_DESTINATION)
    manifests = index_files.load_manifests(place, locations.local_state_dir(place))
    delivered = {name for name, manifest in manifests.items() if manifest.delivered}
    units = find_units(locations.source_location(remote_datasets.DATA_REMOTE))
    return {unit.name: unit.name in delivered for unit in units if not unit.is_joint}
