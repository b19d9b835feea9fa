"""The task `backup`: a dataset's reductions from the remote to the backup remote, verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpfnb.adap import holdings

if TYPE_CHECKING:
    from kpfnb.storage import Carried
    from kpfnb.workqueue.lease import Lease


def run(item: str, lease: Lease, *, read_back: bool = False) -> Carried:
    """Make the backup of one dataset the same as its reductions.

    read_back : compare every byte, not only hashes
    """
    return holdings.sync_backups([item], read_back=read_back, progress=False)
