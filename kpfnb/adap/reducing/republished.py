"""Results that are on the remote already: where their inputs are the same, PypeIt is not run again.

That is so for those that have succeeded. Partial and failed ones are always made again: what was
lacking may have been the machine's fault, and the better of both stays.

So a dataset whose worker died between publishing and reporting costs its successor a download.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap.reducing import publication, workplace
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.storage import Location


def bring(
    place: Location,
    folder: Path,
    record: Mapping[str, Any],
    inputs: Mapping[str, Any],
    *,
    progress: bool = True,
) -> Reduction | None:
    """The reduction on the remote, brought to `folder`; None where it is not the one wanted.

    A finished one in `folder` is left alone, since it goes before what is on the remote.

    Parameters
    ----------
    place : of the reduction on the remote
    record : of the reduction that is there
    inputs : of the reduction that is wanted

    Raises
    ------
    StorageError : it can't be brought
    """
    if _placeless(record["inputs"]) != _placeless(inputs):
        return None
    if workplace.recover(folder):
        return None
    manifest = publication.manifest_on(place)
    sizes = {one.path: one.size for one in place.list(recursive=True) if not one.is_folder}
    if manifest is None or not publication.is_whole(manifest, sizes):
        return None
    publication.check(storage.carry(place, folder, mirror=True, progress=progress))
    # It tells that all is there; it must never go back before all else has
    (folder / publication.MANIFEST).unlink()
    made = Reduction.from_dict(dict(record), folder)
    return replace(made, note=f"nothing to do: {made.reason}, as on the remote")


def _placeless(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs without where the raw frames were: each machine has them in another place."""
    raw, plans = inputs["raw"], inputs.get("plans", {})
    texts = {name: text.replace(raw, "") for name, text in plans.items()}
    return {**inputs, "raw": "", "plans": texts}
