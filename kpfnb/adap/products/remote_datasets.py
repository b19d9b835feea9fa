"""Datasets on the remote: brought here, and kept safe on another one.

The settings' remote `data` holds the datasets, `backup` their reductions once more, at the same
place below it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kpfnb import live, storage
from kpfnb.adap import dataset
from kpfnb.errors import BadInput, BadParameter, KpfnbError
from kpfnb.storage import Carried, Item, Location, State, StorageError, Trouble

DATA = "data:"
BACKUP = "backup:"

Place = str | Path | Location

_log = logging.getLogger(__name__)


def download(
    name: str,
    destination: Place = ".",
    *,
    source: Place = DATA,
    logs: bool = False,
    raw: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> Carried:
    """Bring the reductions of a dataset here, as `<destination>/<name>/complete/reduce...`.

    What is here already and is the same is not brought again.

    Parameters
    ----------
    logs : only their logs
    raw : the raw frames too

    Raises
    ------
    BadParameter : logs and raw
    BadInput : no such dataset, or nothing of what is wanted in it
    StorageError : the remote can't be read
    """
    if logs and raw:
        raise BadParameter("logs and raw exclude each other", "say one of them")
    below = str(dataset.parse(name))
    origin = storage.at(source) / below
    if origin.kind() != "folder":
        raise BadInput(f"no dataset {below} in {source}", "check its name, and the setting remotes")
    paths = [one.path for one in origin.list(recursive=True) if not one.is_folder]
    wanted = [path for path in paths if _is_wanted(path, logs=logs, raw=raw)]
    if not wanted:
        what = "logs" if logs else "results or raw frames" if raw else "results"
        raise BadInput(f"dataset {below} has no {what} in {source}", "is it reduced yet?")
    target = storage.at(destination) / below
    return storage.carry(origin, target, only=wanted, dry_run=dry_run, progress=progress)


def _is_wanted(path: str, *, logs: bool, raw: bool) -> bool:
    if logs:
        return dataset.is_log(path)
    return dataset.is_result(path) or (raw and dataset.is_raw(path))


def sync_backups(
    names: Iterable[str] = (),
    *,
    source: Place = DATA,
    backup: Place = BACKUP,
    read_back: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> Carried:
    """Make the backup of each dataset's reductions the same as the reductions; verified.

    It goes from remote to remote through this machine, without a copy on its disk. A backup of a
    reduction that is not on the remote any more is left alone. One dataset that fails does not
    stop the others.

    Parameters
    ----------
    names : datasets; all on the remote by default
    read_back : compare every byte, not only hashes

    Raises
    ------
    BadInput : a name that is none, or no dataset at all; before any work
    BadSettings, StorageError : a remote can't be used; before any work
    """
    origin, target = storage.at(source), storage.at(backup)
    wanted = [str(dataset.parse(name)) for name in names]
    if len(wanted) != 1:
        for place in (origin, target):
            # One word now, instead of one for each dataset
            place.kind()
    wanted = wanted or dataset.find(origin)
    if not wanted:
        raise BadInput(f"no datasets in {origin}", "check the setting remotes")
    parts: list[tuple[str, Carried]] = []
    with live.progress(len(wanted), f"backup to {target}", shown=progress) as bar:
        for done, name in enumerate(wanted):
            bar.update(done=done, note=name)
            try:
                for folder, part in _back_up(origin, target, name, read_back, dry_run):
                    parts.append((folder, part))
                    for item in part.failed:
                        bar.failure(f"{folder}/{item.path}".rstrip("/"), item.detail)
            except KeyboardInterrupt:
                stopped = _not_done(State.LEFT, None, "stopped before its end")
                parts += [(left, stopped) for left in wanted[done:]]
                break
        bar.update(done=len(wanted), note="")
    return storage.join(str(origin), str(target), parts)


def _back_up(
    origin: Location, target: Location, name: str, read_back: bool, dry_run: bool
) -> Iterator[tuple[str, Carried]]:
    """What became of each folder of results; one that fails is told, and does not stop the next."""
    try:
        folders = dataset.reductions(origin / name)
    except KpfnbError as error:
        yield name, _failed(error)
        return
    if not folders:
        yield name, _not_done(State.FAILED, Trouble.NOT_FOUND, "no results to back up")
    for folder in folders:
        below = f"{name}/{folder}"
        try:
            part = storage.carry(
                origin / below,
                target / below,
                mirror=True,
                read_back=read_back,
                dry_run=dry_run,
                progress=False,
            )
        except KpfnbError as error:
            part = _failed(error)
        yield below, part
        if part.interrupted:
            raise KeyboardInterrupt


def whole(done: Carried) -> Carried:
    """What was carried, if all of it arrived; a `KpfnbError` that a task fails with, if not."""
    if not done.outcome.is_good:
        raise KpfnbError(f"{done.source} to {done.destination}: {done.reason}", "try again")
    return done


def attempt(what: str, call: Callable[[], object]) -> list[str]:
    """Do what a task may lack and still be done: what went wrong in one line, or nothing."""
    try:
        call()
    except KpfnbError as error:
        _log.warning("%s: %s", what, error)
        return [f"{what}: {error.what}"]
    return []


def _failed(error: KpfnbError) -> Carried:
    trouble = error.trouble if isinstance(error, StorageError) else Trouble.OTHER
    return _not_done(State.FAILED, trouble, error.what)


def _not_done(state: State, trouble: Trouble | None, detail: str) -> Carried:
    return Carried("", "", (Item("", state, 0, trouble, detail),))
