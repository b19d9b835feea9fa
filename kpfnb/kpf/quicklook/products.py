"""Make the quicklook products of a range of files, or of files by name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from kpfnb import compute, settings
from kpfnb.errors import BadInput, BadSettings
from kpfnb.kpf.quicklook import pages, production, quality, record, targets
from kpfnb.kpf.quicklook.production import Job
from kpfnb.kpf.quicklook.result import Fate, Item, Quicklook
from kpfnb.kpf.quicklook.selection import Age, find
from kpfnb.kpf.quicklook.targets import Target
from kpfnb.outcomes import Outcome
from kpfnb.settings import Settings


def run(
    start: str,
    end: str = "",
    *,
    levels: Sequence[str] = (),
    age: str = Age.ANY,
    root: Path | str | None = None,
    workers: int | None = None,
    max_load: float | None = None,
    nice: int = 0,
    force: bool = False,
    progress: bool = True,
) -> Quicklook:
    """Make what is not up to date for all files of a range; parameters as for `find` and `make`."""
    here = _settings(root)
    found = find(start, end, levels=levels, age=age, root=root)
    return _make(
        here, found, [], workers=workers, max_load=max_load, nice=nice, force=force,
        progress=progress,
    )  # fmt: skip


def make(
    paths: Iterable[Path | str],
    *,
    root: Path | str | None = None,
    workers: int | None = None,
    max_load: float | None = None,
    nice: int = 0,
    force: bool = False,
    progress: bool = True,
) -> Quicklook:
    """Make the products of some files, as far as they are not up to date.

    It can be stopped or killed at any moment and called again; two calls at once do no harm. A file
    that is damaged, has vanished or has no name of KPF's is a failed item of the result.

    Parameters
    ----------
    root : the KPF data root, below which the products go unless the settings say where
    workers : work on so many files at once; as the settings say if None
    max_load : start no file while the load is above so many percent of the cores
    nice : niceness of the work, 0 to 19
    force : make what is up to date too
    progress : show how it goes

    Raises
    ------
    BadSettings : the products' directory is not writable
    BadInput : the thresholds are wrong
    BadParameter : a limit is impossible
    """
    known: dict[Target, None] = {}
    strange = []
    for path in map(Path, paths):
        try:
            known[targets.of(path)] = None
        except BadInput as error:
            strange.append(Item(path.name, "", "", Fate.FAILED, reason=error.what))
    return _make(
        _settings(root), list(known), strange, workers=workers, max_load=max_load, nice=nice,
        force=force, progress=progress,
    )  # fmt: skip


def _make(
    here: Settings,
    found: Sequence[Target],
    strange: Sequence[Item],
    *,
    workers: int | None,
    max_load: float | None,
    nice: int,
    force: bool,
    progress: bool,
) -> Quicklook:
    products = here.qlp_path
    _check_writable(products)
    thresholds = here.qlp_thresholds
    marks = {level: quality.mark(level, thresholds) for level in targets.LEVELS}
    kept = {} if force else {one: old for one in found if (old := _kept(products, one))}
    current = {one: old for one, old in kept.items() if old.judged_by == marks[one.level]}
    jobs = [Job(one, products, thresholds, kept.get(one)) for one in found if one not in current]
    outcomes = compute.run(
        production.make,
        jobs,
        key=lambda job: job.key,
        workers=workers,
        nice=nice,
        max_load=max_load or None,
        title="quicklook",
        progress=progress and bool(jobs),
    )
    behind = pages.finish(products, {one.night for one in found})
    done = {part.item.target: _item(part) for part in outcomes}
    items = [
        done[one] if one in done else Item.of(current[one], Fate.CURRENT, _page(one))
        for one in found
    ]
    return Quicklook(products, (*items, *strange), tuple(behind))


def _kept(products: Path, one: Target) -> record.Record | None:
    """The record of a file whose pictures need not be made anew."""
    folder = products / one.place
    found = record.of(folder, one)
    return found if found and found.is_current(folder, one.path) else None


def _item(part: compute.ItemOutcome) -> Item:
    target: Target = part.item.target
    if part.value is not None:
        return Item.of(part.value, Fate.MADE, _page(target))
    fate = Fate.UNREACHED if part.outcome is Outcome.SKIPPED else Fate.FAILED
    return Item(target.key, target.level, target.night, fate, reason=part.error)


def _page(one: Target) -> str:
    place = Path(one.place)
    folder = place.parent if one.level == targets.MASTER else place
    return str(folder / pages.PAGE)


def _settings(root: Path | str | None) -> Settings:
    return settings.load(**({"data_root": root} if root else {}))


def _check_writable(products: Path) -> None:
    try:
        products.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=products).close()
    except OSError as error:
        raise BadSettings(
            f"can't write quicklook products in {products}: {error.strerror}",
            "make it writable, with room on its disk, or set KPFNB_QLP_DIR",
        ) from error
