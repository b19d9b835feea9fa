"""Where a delivery is, where its datasets come from, and what is kept here for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kpfnb import settings, storage
from kpfnb.adap import dataset
from kpfnb.adap.archive.quota import Quota
from kpfnb.adap.archive.uploads import InFile, OnServer
from kpfnb.errors import BadInput
from kpfnb.storage import Location

DELIVERY = "delivery"
"""Below the work directory: where it goes where no destination is named."""
DESK = "archive"


def source(named: str | Path | Location) -> Location:
    """The place of the datasets. `BadInput` where it is not there."""
    found = storage.at(named or settings.load().work_dir / dataset.FOLDER)
    if found.kind() != "folder":
        raise BadInput(f"source: no datasets in {found}", "name the folder or remote that has them")
    return found


def destination(named: str | Path | Location, origin: Location | None = None) -> Location:
    """The delivery. `BadInput` where it and the source lie in one another."""
    found = storage.at(named or settings.load().work_dir / DELIVERY)
    if origin:
        ends = [f"{place.argument.rstrip('/')}/" for place in (origin, found)]
        if ends[0].startswith(ends[1]) or ends[1].startswith(ends[0]):
            raise BadInput(
                f"the source {origin} and the destination {found} lie in one another",
                "deliver to another place",
            )
    return found


def desk(place: Location) -> Path:
    """The folder in the work directory that is kept for a delivery."""
    digest = hashlib.sha256(place.argument.encode()).hexdigest()[:8]
    return settings.load().work_dir / DESK / f"{place.name[:50] or 'delivery'}-{digest}"


def quota(place: Location, gigabytes: float = 0) -> Quota:
    """The uploads to a delivery, by day.

    Where a queue's server is named there may be workers on other machines, which upload to the same
    account: then they are counted there. The embedded server is of this work directory alone, and
    so is the file.
    """
    daily = round(gigabytes * 1e9)
    if settings.load().redis_url and not place.is_local:
        return Quota(OnServer(place.base.partition(":")[0]), daily)
    return Quota(InFile(desk(place) / "uploads.json"), daily)
