"""Making quicklook products: of all files of a time range, or of files by name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kpfnb.compute.item_map import map_items
from kpfnb.compute.item_tracker import ItemOutcome
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError
from kpfnb.core.result import Outcome
from kpfnb.core.settings import Settings
from kpfnb.kpf.files.data_root import ANY_LEVEL
from kpfnb.kpf.files.obsid import list_nights
from kpfnb.kpf.quicklook import check_rules, record, site
from kpfnb.kpf.quicklook.file_products import QuicklookJob, make_file_products
from kpfnb.kpf.quicklook.record import QuicklookRecord
from kpfnb.kpf.quicklook.result import QuicklookItem, QuicklookOutcome, QuicklookResult
from kpfnb.kpf.quicklook.selection import FileAge, select_targets
from kpfnb.kpf.quicklook.targets import LEVELS, MASTER, QuicklookTarget


@dataclass(frozen=True)
class QuicklookOptions:
    """How quicklook products are made.

    Attributes
    ----------
    root : the KPF data root, below which the products go unless the settings say where; as in
        the settings if None
    workers : files processed at the same time; as in the settings if None
    max_load : start no file while the load is above this percentage of the cores; None: any load
    nice : niceness of the work, 0 to 19
    force : also process files whose products are up to date
    progress : show a progress bar
    """

    root: Path | str | None = None
    workers: int | None = None
    max_load: float | None = None
    nice: int = 0
    force: bool = False
    progress: bool = True


DEFAULT_OPTIONS = QuicklookOptions()


def process_range(
    start: str,
    end: str = "",
    *,
    levels: Sequence[str] = (),
    age: str = FileAge.ANY,
    options: QuicklookOptions = DEFAULT_OPTIONS,
) -> QuicklookResult:
    """Make the products of all files of a time range that are not up to date.

    Parameters and errors as for `select_targets` and `process_files`.
    """
    targets = select_targets(start, end, levels=levels, age=age, root=options.root)
    result = _process_targets(targets, [], options)
    if targets:
        return result
    return replace(result, no_files=_explain_no_files(start, end, levels, age, options))


def process_files(
    paths: Iterable[Path | str], options: QuicklookOptions = DEFAULT_OPTIONS
) -> QuicklookResult:
    """Make the products of some files where they are not up to date.

    It can be stopped or killed at any moment and called again; two calls at the same time do no
    harm. A file that is damaged, has vanished or does not have a name of KPF's is a failed item of
    the result.

    Raises
    ------
    InvalidSettingsError : the products' directory is not writable
    InvalidInputError : the thresholds are wrong
    InvalidParameterError : an option is not valid
    """
    targets: dict[QuicklookTarget, None] = {}
    unknown = []
    for path in map(Path, paths):
        try:
            targets[QuicklookTarget.from_path(path)] = None
        except InvalidInputError as error:
            item = QuicklookItem(path.name, "", "", QuicklookOutcome.FAILED, reason=error.what)
            unknown.append(item)
    return _process_targets(list(targets), unknown, options)


def _process_targets(
    targets: Sequence[QuicklookTarget], unknown: Sequence[QuicklookItem], options: QuicklookOptions
) -> QuicklookResult:
    site_settings = _load_settings(options)
    products, thresholds = site_settings.qlp_path, site_settings.qlp_thresholds
    _check_writable(products)
    digests = {level: check_rules.rules_digest(level, thresholds) for level in LEVELS}
    previous: dict[QuicklookTarget, QuicklookRecord] = {}
    if not options.force:
        for target in targets:
            if reusable := _load_reusable_record(products, target):
                previous[target] = reusable
    current = {
        target: old for target, old in previous.items() if old.judged_by == digests[target.level]
    }
    jobs = [
        QuicklookJob(target, products, thresholds, previous.get(target))
        for target in targets
        if target not in current
    ]
    outcomes = map_items(
        make_file_products,
        jobs,
        key=lambda job: job.key,
        workers=options.workers,
        nice=options.nice,
        max_load=options.max_load or None,
        title="quicklook",
        progress=options.progress and bool(jobs),
    )
    outdated = site.update_all_pages(products, {target.night for target in targets})
    processed = {part.item.target: _item_from_outcome(part) for part in outcomes}
    items = [
        processed[target]
        if target in processed
        else QuicklookItem.from_record(
            current[target], QuicklookOutcome.CURRENT, _page_path(target)
        )
        for target in targets
    ]
    return QuicklookResult(products, (*items, *unknown), tuple(outdated))


def _explain_no_files(
    start: str, end: str, levels: Sequence[str], age: str, options: QuicklookOptions
) -> str:
    """Which files were looked for in vain, and the nights that are there."""
    span = f"from {start} to {end}" if end and end != start else start
    kinds = " ".join([*([] if age == FileAge.ANY else [age]), ", ".join(levels), "files"]).strip()
    nights = list_nights(_load_settings(options).kpf_root, levels=ANY_LEVEL)
    present = f"{nights[0]} to {nights[-1]}" if len(nights) > 1 else "".join(nights) or "none"
    return f"No {kinds} of {span} (nights present: {present})"


def _load_reusable_record(products: Path, target: QuicklookTarget) -> QuicklookRecord | None:
    """The record of a file whose plots need not be drawn again."""
    product_dir = products / target.product_dir
    old = record.read_target_record(product_dir, target)
    return old if old and old.is_current(product_dir, target.path) else None


def _item_from_outcome(part: ItemOutcome) -> QuicklookItem:
    target: QuicklookTarget = part.item.target
    if part.value is not None:
        return QuicklookItem.from_record(part.value, QuicklookOutcome.MADE, _page_path(target))
    is_skipped = part.outcome is Outcome.SKIPPED
    outcome = QuicklookOutcome.NOT_REACHED if is_skipped else QuicklookOutcome.FAILED
    return QuicklookItem(target.key, target.level, target.night, outcome, reason=part.error)


def _page_path(target: QuicklookTarget) -> str:
    product_dir = Path(target.product_dir)
    page_dir = product_dir.parent if target.level == MASTER else product_dir
    return str(page_dir / site.PAGE)


def _load_settings(options: QuicklookOptions) -> Settings:
    return settings.load_settings(**({"data_root": options.root} if options.root else {}))


def _check_writable(products: Path) -> None:
    try:
        products.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=products).close()
    except OSError as error:
        raise InvalidSettingsError(
            f"can't write quicklook products in {products}: {error.strerror}",
            "make it writable, free some disk space, or set KPFNB_QLP_DIR",
        ) from error
