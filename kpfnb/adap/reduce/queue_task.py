"""The task `reduce`: a dataset of the queue, from its claim to the removal of its local copy."""

from __future__ import annotations

from collections.abc import Sequence

from kpfnb import storage
from kpfnb.adap.products import dataset, remote_datasets
from kpfnb.adap.reduce import dataset_pipeline, publication
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.adap.reduce.job import ReductionConfig
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.queue.lease import Lease
from kpfnb.storage import StorageEntry


def reduce_item(
    item: str,
    lease: Lease,
    *,
    spectrograph: str = "keck_deimos",
    source: str = remote_datasets.DATA_REMOTE,
    backup: str = remote_datasets.BACKUP_REMOTE,
    custom: str = "",
    exclude: str = "",
    sheet: bool = True,
    keep: bool = False,
    silence: int = 30,
    timeout: int = 0,
    force: bool = False,
) -> ReductionBatchResult:
    """Reduce one dataset and publish its results.

    spectrograph : name of a profile, or the path of a profile's file
    source, backup : remotes
    custom : folder of datasets' own parameter and reduction files
    exclude : file with the names of frames not to use
    sheet : write the scorecards into the sheet
    keep : keep the local copy
    silence, timeout : stop PypeIt after this many minutes without a line in its log, or in all;
        0: never
    force : reduce also if the remote has the results of the same frames and parameters; partial
        and failed ones are always repeated
    """
    config = ReductionConfig(
        spectrograph=spectrograph,
        source=source,
        backup=backup,
        custom=custom,
        exclude=exclude,
        sheet=sheet,
        keep=keep,
        silence_minutes=silence,
        timeout_minutes=timeout,
        force=force,
    )
    # What is wrong with the options is wrong for all items
    config.load_profile()
    try:
        return dataset_pipeline.process_dataset(item, config, lease=lease, progress=False)
    except InvalidInputError as error:
        # Another attempt would fail, too
        failed = DatasetResult(item, Outcome.FAILED, error.what)
        return ReductionBatchResult((failed,), is_final=True)


def scan_items(queue: str) -> dict[str, bool]:
    """The datasets on the remote that can be reduced, and whether their results are complete there.

    The manifest that ends each publication decides.
    """
    root = storage.resolve_location(remote_datasets.DATA_REMOTE)
    entries = root.list(recursive=True) if root.kind() == "folder" else []
    folders = sorted(entry.path for entry in entries if entry.is_folder)
    names = dataset.select_dataset_names(folders)
    reducible = [name for name in names if f"{name}/{dataset.COMPLETE}/{dataset.RAW}" in folders]
    return {name: _is_complete(root, entries, _reductions_of(name, folders)) for name in reducible}


def _reductions_of(name: str, folders: Sequence[str]) -> list[str]:
    """The folders of a dataset's reductions, `<name>/complete/reduce...`."""
    split = [(folder, *folder.rpartition("/")[::2]) for folder in folders]
    return [
        folder
        for folder, parent, last in split
        if parent == f"{name}/{dataset.COMPLETE}" and dataset.is_reduction_folder(last)
    ]


def _is_complete(
    root: storage.Location, entries: Sequence[StorageEntry], reductions: Sequence[str]
) -> bool:
    return bool(reductions) and all(
        _is_published(root, entries, reduction) for reduction in reductions
    )


def _is_published(root: storage.Location, entries: Sequence[StorageEntry], reduction: str) -> bool:
    manifest = publication.read_remote_manifest(root / reduction)
    sizes = publication.file_sizes_below(entries, reduction)
    return manifest is not None and publication.is_complete(manifest, sizes)
