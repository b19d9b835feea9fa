"""Coadds of an item on the remote: its reductions come here, its coadds go there, verified.

New coadds are whole on the remote, beside the old ones, before anything takes their place. What is
here is removed only after that; a worker that was killed, or could not upload, is followed by one
that goes on with what is here.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kpfnb import locks, settings, storage
from kpfnb.adap import dataset, holdings
from kpfnb.adap.coadding import coadd
from kpfnb.adap.coadding.coadded import Coadded
from kpfnb.adap.coadding.coaddtask import Kind
from kpfnb.adap.reducing import publication, workplace
from kpfnb.adap.reducing.products import SCIENCE
from kpfnb.adap.scoring import badslits
from kpfnb.errors import BadInput
from kpfnb.storage import Location, State
from kpfnb.storage import names as allowed
from kpfnb.workqueue.lease import Lease

FOLDER = "coadding"
STAGED = ".new"
"""Ends the name of the folder beside the earlier coadds."""
BACKUP = holdings.BACKUP.rstrip(":")
DYING_SECONDS = 60
"""How long to wait for a worker that was killed to be gone."""


@dataclass(frozen=True)
class RemoteCoadd:
    """One item, and what is to be made of it.

    Attributes
    ----------
    item : mask/config, or mask/config/date
    source : the remote with the datasets
    """

    item: str
    kind: Kind
    lease: Lease
    source: str = holdings.DATA
    flux: str = "auto"
    config: str = ""
    custom: str = ""
    silence_minutes: float = 30
    timeout_minutes: float = 0

    def do(self) -> Coadded:
        """From the download to the clean-up. Errors of storage are raised: the item is retried."""
        name = check_item(self.item)
        origin = storage.at(self.source) / name
        local = settings.load().work_dir / FOLDER / str(self.kind) / name
        with locks.hold(f"coadding-{self.kind}-{name}", wait_seconds=DYING_SECONDS):
            self.lease.note("download")
            self._download(origin, local)
            self.lease.note("coadd")
            result = coadd.run(
                local,
                kind=self.kind,
                flux=self.flux,
                config=self.config,
                custom=self.custom,
                silence_minutes=self.silence_minutes,
                timeout_minutes=self.timeout_minutes,
                progress=False,
            )
            # Those that were put aside for earlier ones are not for the remote
            if result.output == Path(self._place(storage.at(local)).argument):
                result = self._publish(result, self._place(origin), name)
            shutil.rmtree(local)
        return result

    def _download(self, origin: Location, local: Path) -> None:
        """The reductions as they are on the remote now; coadds too, where none are here."""
        if origin.kind() != "folder":
            raise BadInput(f"no dataset {self.item} in {self.source}", "check its name")
        paths = [one.path for one in origin.list(recursive=True) if not one.is_folder]
        wanted = [path for path in paths if is_needed(path, dated=self.item.count("/") == 2)]
        if not wanted:
            raise BadInput(f"{self.item} has no reductions in {self.source}", "is it reduced yet?")
        for path in _reductions_here(local):
            if path.relative_to(local).as_posix() not in wanted:
                path.unlink()
        holdings.whole(storage.carry(origin, local, only=wanted, progress=False))
        here, there = Path(self._place(storage.at(local)).argument), self._place(origin)
        if _any_here(here):
            return
        # What has no record, here or there, is a part that a killed worker has left
        shutil.rmtree(here, ignore_errors=True)
        if (there / coadd.RECORD).exists():
            holdings.whole(storage.carry(there, here, progress=False))

    def _publish(self, result: Coadded, place: Location, name: str) -> Coadded:
        """The coadds to the remote, then to the backup, whose failure is a warning.

        Those that lack an exposure which the earlier ones there have are not published.
        """
        old = publication.record_on(place, name=coadd.RECORD)
        if old and old["outcome"] and workplace.loses(old, result.to_dict()):
            kept = f"the earlier coadds are kept in {place}"
            return replace(result, problems=(*result.problems, kept), note="")
        if _differs(result.output, place):
            self._upload(result.output, place)
        if BACKUP not in settings.load().remotes:
            return result
        self.lease.note("backup")
        backup = self._place(storage.at(holdings.BACKUP) / name)
        call = partial(storage.carry, result.output, backup, mirror=True, progress=False)
        if trouble := holdings.attempt("backup", lambda: holdings.whole(call())):
            return replace(result, problems=(*result.problems, *trouble), note="")
        return result

    def _upload(self, output: Path, place: Location) -> None:
        """All of it beside the earlier coadds first; the record goes first and comes last."""
        self.lease.confirm()
        self.lease.note("upload")
        beside = Location(place.base, f"{place.path}{STAGED}", place.label)
        sent = holdings.whole(storage.carry(output, beside, mirror=True, progress=False))
        there = (item.path for item in sent.items if item.state is not State.DELETED)
        products = [path for path in there if path != coadd.RECORD]
        self.lease.confirm()
        # Until the new one is there, nobody takes a mixture for coadds
        (place / coadd.RECORD).delete()
        holdings.whole(storage.carry(beside, place, only=products, progress=False))
        holdings.whole(storage.carry(beside, place, mirror=True, progress=False))
        beside.delete()

    def _place(self, root: Location) -> Location:
        """Where the coadds are below the place of the item."""
        folder = root / dataset.COMPLETE if self.item.count("/") == 2 else root
        return folder / self.kind.folder


def check_item(item: str) -> str:
    """The name of a configuration or of a dataset; `BadInput` where it is none."""
    name = allowed.check(item.strip().rstrip("/"))
    if name.count("/") == 1:
        return name
    return str(dataset.parse(name))


def is_needed(path: str, *, dated: bool) -> bool:
    """Whether a file below an item is needed to coadd: calibrations and pictures are not.

    dated : the item is a dataset, not a configuration
    """
    below = path if dated else path.partition("/")[2]
    if not dataset.is_result(below):
        return False
    parts = below.split("/")[2:]
    if len(parts) == 1:
        return parts[0] == workplace.RECORD or Path(parts[0]).match(badslits.PATTERN)
    if len(parts) == 2:
        return parts[1].endswith((".pypeit", ".log"))
    return len(parts) == 3 and parts[1] == SCIENCE and parts[2].endswith(".fits")


def _reductions_here(local: Path) -> list[Path]:
    """The files of reductions that an earlier worker has brought."""
    return [
        path
        for path in local.rglob("*")
        if path.is_file() and any(map(dataset.is_reduction, path.relative_to(local).parts))
    ]


def _any_here(output: Path) -> bool:
    """Whether coadds are here, made or brought, or put aside for new ones that were being made."""
    places = (output.with_name(output.name + end) for end in ("", ".previous"))
    return any((place / coadd.RECORD).is_file() for place in places)


def _differs(output: Path, place: Location) -> bool:
    if not place.exists():
        return True
    seen = storage.carry(output, place, mirror=True, dry_run=True, progress=False)
    return any(item.state is not State.THERE for item in seen.items)
