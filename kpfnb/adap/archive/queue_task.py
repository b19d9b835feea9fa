"""The task `archive`: a dataset from the remote to the archive, with its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpfnb.adap import holdings
from kpfnb.adap.archive import delivery, places, toplevel
from kpfnb.adap.archive import unit as units
from kpfnb.adap.archive.delivered import Delivered, Parcel, State
from kpfnb.errors import BadInput

if TYPE_CHECKING:
    from kpfnb.workqueue.lease import Lease

DESTINATION = "koa:"


def run(
    item: str,
    lease: Lease,
    *,
    source: str = holdings.DATA,
    destination: str = DESTINATION,
    rules: str = "",
    quota_gb: float = 0,
    wait: bool = True,
    read_back: bool = False,
    prune: bool = False,
) -> Delivered:
    """Deliver one dataset; how far it is, `kpfnb queue show archive` tells.

    source, destination : remotes of the settings, or folders
    rules : YAML file; KOA's if empty
    quota_gb : GB a day (UTC); 0 for no limit
    wait : for the next day, where the quota is used up
    read_back, prune : as `kpfnb.adap.archive.delivery.deliver` tells
    """
    try:
        return delivery.deliver(
            [item],
            source=source,
            destination=destination,
            rules_file=rules,
            quota_gb=quota_gb,
            wait=wait,
            read_back=read_back,
            prune=prune,
            progress=False,
            calls=delivery.Calls(lease.note, lease.confirm),
        )
    except BadInput as error:
        # Not a matter of trying again
        failed = Parcel(item, State.FAILED, reason=error.what)
        return Delivered(source, destination, (failed,), is_final=True)


def survey(queue: str) -> dict[str, bool]:
    """The datasets of the remote `data`, and whether they are delivered to the remote `koa`."""
    place = places.destination(DESTINATION)
    there = toplevel.manifests(place, places.desk(place))
    found = units.find(places.source(holdings.DATA))
    return {
        unit.name: bool(unit.name in there and there[unit.name].delivered)
        for unit in found
        if not unit.is_joint
    }
