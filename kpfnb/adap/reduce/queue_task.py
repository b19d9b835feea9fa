"""The task `reduce`: a dataset of the queue, from claim to cleanup."""

from __future__ import annotations

from collections.abc import Sequence

from kpfnb import storage
from kpfnb.adap.products import dataset, remote_datasets
from kpfnb.adap.reduce import dataset_pipeline, publication
from kpfnb.adap.reduce.batch_result import DatasetResult, ReductionBatchResult
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.result import Outcome
from kpfnb.queue.lease import Lease


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
    exclude : file that names frames not to be used
    sheet : write scorecards into the sheet
    keep : leave the local copy
    silence, timeout : stop PypeIt after so many minutes; 0: never
    force : reduce also where the remote has the results of the same frames and parameters; those
        that are partial or failed are always made again
    """
    wanted = dataset_pipeline.make_config(
        spectrograph,
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
    try:
        return dataset_pipeline.process_dataset(item, wanted, lease=lease, progress=False)
    except InvalidInputError as error:
        # Not a matter of trying again
        return ReductionBatchResult(
            (DatasetResult(item, Outcome.FAILED, error.what),), is_final=True
        )


def scan_items(queue: str) -> dict[str, bool]:
    """The datasets on the remote that can be reduced, and whether their results are there, whole.

    Judged by the manifest that every publication ends with.
    """
    root = storage.resolve_location(remote_datasets.DATA_REMOTE)
    entries = root.list(recursive=True) if root.kind() == "folder" else []
    paths = {one.path for one in entries if one.is_folder}
    found = {}
    for name in dataset.select_dataset_names(paths):
        if f"{name}/{dataset.COMPLETE}/{dataset.RAW}" not in paths:
            continue
        folders = [
            path
            for path in sorted(paths)
            if path.startswith(f"{name}/{dataset.COMPLETE}/")
            and path.count("/") == 4
            and dataset.is_reduction_folder(path.rpartition("/")[2])
        ]
        found[name] = bool(folders) and all(_is_published(root, entries, one) for one in folders)
    return found


def _is_published(
    root: storage.Location, entries: Sequence[storage.StorageEntry], folder: str
) -> bool:
    manifest = publication.read_remote_manifest(root / folder)
    sizes = publication.file_sizes_below(entries, folder)
    return manifest is not None and publication.is_complete(manifest, sizes)
