"""The task `reduce`: a dataset of the queue, from claim to cleanup."""

from __future__ import annotations

from collections.abc import Sequence

from kpfnb import storage
from kpfnb.adap import dataset, holdings
from kpfnb.adap.reducing import chain, publication
from kpfnb.adap.reducing.reductions import Part, Reductions
from kpfnb.errors import BadInput
from kpfnb.outcomes import Outcome
from kpfnb.workqueue.lease import Lease


def run(
    item: str,
    lease: Lease,
    *,
    spectrograph: str = "keck_deimos",
    source: str = holdings.DATA,
    backup: str = holdings.BACKUP,
    custom: str = "",
    exclude: str = "",
    sheet: bool = True,
    keep: bool = False,
    silence: int = 30,
    timeout: int = 0,
    force: bool = False,
) -> Reductions:
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
    wanted = chain.order(
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
        return chain.run(item, wanted, lease=lease, progress=False)
    except BadInput as error:
        # Not a matter of trying again
        return Reductions((Part(item, Outcome.FAILED, error.what),), is_final=True)


def survey(queue: str) -> dict[str, bool]:
    """The datasets on the remote that can be reduced, and whether their results are there, whole.

    Judged by the manifest that every publication ends with.
    """
    root = storage.at(holdings.DATA)
    entries = root.list(recursive=True) if root.kind() == "folder" else []
    paths = {one.path for one in entries if one.is_folder}
    found = {}
    for name in dataset.names_of(paths):
        if f"{name}/{dataset.COMPLETE}/{dataset.RAW}" not in paths:
            continue
        folders = [
            path
            for path in sorted(paths)
            if path.startswith(f"{name}/{dataset.COMPLETE}/")
            and path.count("/") == 4
            and dataset.is_reduction(path.rpartition("/")[2])
        ]
        found[name] = bool(folders) and all(_is_whole(root, entries, one) for one in folders)
    return found


def _is_whole(root: storage.Location, entries: Sequence[storage.Entry], folder: str) -> bool:
    manifest = publication.manifest_on(root / folder)
    sizes = publication.sizes_below(entries, folder)
    return manifest is not None and publication.is_whole(manifest, sizes)
