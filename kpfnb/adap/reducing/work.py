"""A dataset that is reduced: what was ordered, where it is, and what was made of it so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kpfnb import settings, storage
from kpfnb.adap import dataset, holdings
from kpfnb.adap.dataset import COMPLETE
from kpfnb.adap.profile import Profile
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.adap.scoring.scorecard import Scorecard
from kpfnb.errors import BadInput
from kpfnb.storage import Location
from kpfnb.workqueue.lease import Lease


@dataclass(frozen=True)
class Order:
    """How datasets are to be reduced; the same for all of a queue.

    Attributes
    ----------
    profile : of the spectrograph
    source, backup : where datasets are, and where their results are kept once more (`REMOTE:` or
        a folder); no backup if empty
    custom : folder of datasets' own parameter and reduction files; '' for none
    exclude : file that names frames not to be used; '' for none
    sheet : write scorecards into the sheet
    keep : leave the local copy
    """

    profile: Profile
    source: str = holdings.DATA
    backup: str = holdings.BACKUP
    custom: str = ""
    exclude: str = ""
    sheet: bool = True
    keep: bool = False
    silence_minutes: float = 30
    timeout_minutes: float = 0
    force: bool = False

    @property
    def has_backup(self) -> bool:
        """False where none is wanted, or the settings name no such remote."""
        label, colon, _ = self.backup.partition(":")
        return bool(self.backup) and (not colon or label in settings.load().remotes)

    def check_places(self, name: str) -> None:
        """`BadInput` where a dataset would be reduced in the folder that is its remote, too.

        The local copy goes at the end: it must not be the data themselves.
        """
        here = local_folder(name).resolve()
        for place in (self.source, *([self.backup] if self.has_backup else [])):
            found = storage.at(place) / name
            there = Path(found.argument).resolve()
            if found.is_local and (there.is_relative_to(here) or here.is_relative_to(there)):
                raise BadInput(
                    f"{place} is the folder in which {name} is reduced ({here})",
                    "name another folder or remote, or another work directory",
                )


@dataclass
class Work:
    """A dataset on its way.

    Attributes
    ----------
    lease : the right to publish it
    tell : called with what is being done
    plans : the folders of its reduction files, by the folder of results that each is for
    reductions : what was made
    """

    name: str
    order: Order
    lease: Lease
    tell: Callable[[str], None]
    progress: bool = True
    plans: dict[str, Path] = field(default_factory=dict)
    reductions: list[Reduction] = field(default_factory=list)
    scorecards: list[Scorecard] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Its local place."""
        return local_folder(self.name)

    @property
    def complete(self) -> Path:
        """The local folder of its raw frames and reductions."""
        return self.folder / COMPLETE

    @property
    def remote(self) -> Location:
        """Where its raw frames and reductions are on the remote."""
        return storage.at(self.order.source) / self.name / COMPLETE

    @property
    def logs(self) -> list[Path]:
        """PypeIt's own log of each reduction file that was run."""
        plans = (path for one in self.reductions for path in one.output.glob("*/*.pypeit"))
        return sorted(path.with_suffix(".log") for path in plans)


def local_folder(name: str) -> Path:
    """The local place of a dataset, `<work_dir>/datasets/mask/config/date`."""
    return settings.load().work_dir / dataset.FOLDER / name
