"""The task `coadd2d`: the coadded images of a configuration or a dataset on the remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpfnb.adap.coadding.coaddtask import Kind
from kpfnb.adap.coadding.remotecoadd import RemoteCoadd

if TYPE_CHECKING:
    from kpfnb.adap.coadding.coadded import Coadded
    from kpfnb.workqueue.lease import Lease


def run(
    item: str,
    lease: Lease,
    *,
    source: str = "data:",
    config: str = "",
    custom: str = "",
    silence_minutes: float = 30.0,
    timeout_minutes: float = 0.0,
) -> Coadded:
    """Bring the reductions here, coadd, and put the coadds on the remote, verified.

    source : the remote with the datasets
    config : a file of PypeIt's parameters, over those of the profile
    custom : folder of files named as the item, `<mask>_<config>[_<date>].coadd2d`
    silence_minutes, timeout_minutes : limits of each command; 0 for none
    """
    return RemoteCoadd(
        item,
        Kind.IMAGES,
        lease,
        source=source,
        config=config,
        custom=custom,
        silence_minutes=silence_minutes,
        timeout_minutes=timeout_minutes,
    ).do()
