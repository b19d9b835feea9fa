"""The folder of a reduction: a good one is never lost to a new one that is worse, or not finished.

PypeIt writes its folder's path into its products, so it must work where they will stay. While it
does, an earlier reduction waits beside it as `<name>.previous`. Each folder has a record,
`reduction.json`, whose outcome is null until its products were judged; from the records alone any
later run can tell what a killed one left, and go on from there. What is made of reductions has the
same life, with a record of another name.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from kpfnb import files
from kpfnb.errors import BadInput

RECORD = "reduction.json"
FAILED = ".failed"
"""Ends the name of the folder of a reduction that lost to an earlier one."""


def recover(output: Path, *, name: str = RECORD) -> dict[str, Any] | None:
    """Tidy up after a killed run; the record of the finished reduction that is in place, if any.

    `BadInput` where the folder holds something else than a reduction: it is not touched.
    """
    previous, discarded = _beside(output, ".previous"), _beside(output, ".discarded")
    if discarded.exists():
        shutil.rmtree(discarded)
    if output.exists():
        _refuse_foreign(output, name)
    if previous.exists():
        if output.exists() and finished(output, name=name):
            settle(output, name=name)
        else:
            _discard(output)
            previous.rename(output)
    return finished(output, name=name)


def begin(output: Path, inputs: dict[str, Any], *, name: str = RECORD) -> None:
    """An empty folder for a new reduction; an earlier one with anything good in it is put aside."""
    old = finished(output, name=name)
    if old and _reduced(old):
        output.rename(_beside(output, ".previous"))
    else:
        _discard(output)
    output.mkdir(parents=True)
    files.write_json(output / name, {"outcome": None, "inputs": inputs})


def settle(output: Path, *, name: str = RECORD) -> Path:
    """Decide between the new reduction and an earlier one; where the new one is afterwards.

    The new one stays unless a frame that the earlier one had reduced is missing in it; then the
    earlier one is put back, and the new one is left in `<name>.failed` to be looked at.
    """
    previous, failed = _beside(output, ".previous"), _beside(output, FAILED)
    old, new = finished(previous, name=name), finished(output, name=name)
    if not old:
        return output
    if new and not loses(old, new):
        _discard(previous)
        return output
    _discard(failed)
    output.rename(failed)
    previous.rename(output)
    return failed


def loses(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a frame that the old reduction has, by its record, is missing in the new one."""
    # A frame that was taken out of the dataset is no loss
    wanted = _reduced(old) & set(new["inputs"]["frames"])
    return bool(_reduced(old)) and not (_reduced(new) and _reduced(new) >= wanted)


def finished(folder: Path, *, name: str = RECORD) -> dict[str, Any] | None:
    """The record of a reduction that was judged; None where there is none, or only a half one."""
    path = folder / name
    record = files.read_json(path) if path.is_file() else None
    return record if record and record["outcome"] else None


def _reduced(record: dict[str, Any]) -> set[str]:
    return {verdict["file"] for verdict in record["science"] if not verdict["reason"]}


def _refuse_foreign(output: Path, name: str) -> None:
    if output.is_dir() and ((output / name).is_file() or not any(output.iterdir())):
        return
    raise BadInput(
        f"the output {output} holds something that is not a reduction of kpfnb",
        "name another output; nothing was changed",
    )


def _discard(folder: Path) -> None:
    """Remove a folder; renamed first, so that a half removed one is never taken for a reduction."""
    if folder.exists():
        discarded = _beside(folder, ".discarded")
        folder.rename(discarded)
        shutil.rmtree(discarded)


def _beside(output: Path, suffix: str) -> Path:
    return output.with_name(output.name + suffix)
