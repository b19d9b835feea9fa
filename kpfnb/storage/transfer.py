"""Carry files from one place to another, so that each is verified there before it counts.

First both places are looked at: what is the same already is not carried again, so a run that was
cut off anywhere goes on where it was. The rest goes through one rclone, which writes beside and
renames (between local folders we do that), then the destination is looked at once more. What is
not the same then has failed, and is tried again where that can help. Only after that is anything
deleted.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kpfnb import live, locks
from kpfnb.errors import BadInput, BadParameter
from kpfnb.storage import deletion, diskcopy, inventory, rclone
from kpfnb.storage.addresses import at
from kpfnb.storage.carried import Carried, Item, State, readable
from kpfnb.storage.inventory import Match
from kpfnb.storage.listing import Entry
from kpfnb.storage.location import Location
from kpfnb.storage.pair import Pair, look
from kpfnb.storage.trouble import Failure, StorageError, Trouble, classify

RETRY_SECONDS = 2.0
SILENCE_SECONDS = 1800.0


def carry(
    source: str | Path | Location,
    destination: str | Path | Location,
    *,
    only: Iterable[str] | None = None,
    mirror: bool = False,
    move: bool = False,
    read_back: bool = False,
    retries: int = 2,
    dry_run: bool = False,
    progress: bool = True,
) -> Carried:
    """Copy a folder's files below the folder `destination`, or one file to the name `destination`.

    What went wrong with a file, a full quota among it, is in the result, never raised. Links are
    followed; empty folders and files that a killed writer left are not carried.

    Parameters
    ----------
    only : paths below the source; all files by default
    mirror : delete at the destination what the source has not; only if all else succeeded
    move : delete at the source what is verified at the destination, and has not changed since
    read_back : compare the bytes, also where hashes are known: slow, but trusts nothing
    retries : so many more attempts for files that failed for a reason that may pass
    dry_run : say what would be done
    progress : False shows nothing

    Raises
    ------
    BadInput : there is nothing at the source, or one is a file and the other a folder
    BadSettings, StorageError : a place can't be looked at; nothing was done
    Busy : another process carries to the same place
    """
    if mirror and only is not None:
        raise BadParameter("mirror and only exclude each other", "mirror a folder of its own")
    started = time.monotonic()
    origin, target = at(source), at(destination)
    with locks.hold(_lock_name(target)):
        pair = look(origin, target, read_back=read_back)
        if pair.one_file and (mirror or only is not None):
            raise BadInput(f"{origin} is a file", "name the folder that it is in")
        wanted = pair.wanted(only)
        there = inventory.take(target, hash_type=pair.hash_type) if mirror else None
        matches = pair.compare(wanted.files, there)
        todo = [path for path, found in matches.items() if found is not Match.SAME]
        items = [Item(p, State.FAILED, 0, t, d) for p, (t, d) in wanted.problems.items()]
        if dry_run:
            items += _planned(wanted.files, todo)
        else:
            failures = _carry(pair, wanted.files, todo, 1 + retries, progress=progress)
            items += _judged(wanted.files, todo, failures)
        if move and not dry_run:
            items = deletion.of_source(pair, items, wanted.files)
        if there and all(item.state.outcome.is_good for item in items):
            items += deletion.of_extras(target, there, wanted.files, dry_run=dry_run)
    ordered = tuple(sorted(items, key=lambda item: item.path))
    return Carried(str(origin), str(target), ordered, time.monotonic() - started, dry_run)


def _lock_name(target: Location) -> str:
    digest = hashlib.sha256(target.argument.encode()).hexdigest()
    return f"carrying to {target.name[:50]} {digest[:8]}"


def _planned(files: Mapping[str, Entry], todo: list[str]) -> list[Item]:
    missing = set(todo)
    return [
        Item(path, State.WOULD_COPY if path in missing else State.THERE, one.size)
        for path, one in files.items()
    ]


def _judged(
    files: Mapping[str, Entry], todo: list[str], failures: Mapping[str, Failure | None]
) -> list[Item]:
    """What became of each file; a failure of None stands for one that was not reached."""
    tried = set(todo)
    items = []
    for path, one in files.items():
        if path not in tried:
            items.append(Item(path, State.THERE, one.size))
        elif path not in failures:
            items.append(Item(path, State.COPIED, one.size))
        elif failure := failures[path]:
            items.append(Item(path, State.FAILED, one.size, *failure))
        else:
            items.append(Item(path, State.LEFT, one.size, None, "stopped before"))
    return items


def _carry(
    pair: Pair, files: Mapping[str, Entry], todo: list[str], attempts: int, *, progress: bool
) -> dict[str, Failure | None]:
    """Why files are not at the destination in the end."""
    failures: dict[str, Failure | None] = dict.fromkeys(todo)
    shown = progress and bool(todo)
    with live.progress(len(todo), f"carrying to {pair.destination}", shown=shown) as bar:
        for attempt in range(attempts):
            left = [path for path, why in failures.items() if not why or why.trouble.may_pass]
            if not left:
                break
            try:
                time.sleep(RETRY_SECONDS * attempt)
                found = _attempt(pair, {path: files[path] for path in left}, bar, len(todo))
            except KeyboardInterrupt:
                return failures
            failures = {p: why for p, why in failures.items() if p not in left} | dict(found)
        for path, why in failures.items():
            bar.failure(path, why.detail if why else "")
        bar.update(done=len(todo), failed=len(failures), note="")
    return failures


def _attempt(
    pair: Pair, files: Mapping[str, Entry], bar: live.Bar, total: int
) -> dict[str, Failure]:
    """Carry the files once, and look what is there then; those that failed, and why."""
    way = _between_disks if pair.on_disks else _by_rclone
    words = way(pair, files, bar, total - len(files))
    bar.update(note="verifying")
    try:
        _sync_to_disk(pair.destination, [""] if pair.one_file else files)
        matches = pair.compare(files)
    except StorageError as error:
        return dict.fromkeys(files, Failure(error.trouble, f"not verified: {error.what}"))
    return {
        path: words.get(path) or Failure(Trouble.DAMAGED, _damage(found))
        for path, found in matches.items()
        if found is not Match.SAME
    }


def _damage(found: Match) -> str:
    return f"{found} at the destination, or changed at the source"


def _by_rclone(
    pair: Pair, files: Mapping[str, Entry], bar: live.Bar, done: int
) -> dict[str, Failure]:
    """What rclone says of files, or of all together where it failed."""

    def tell(stats: Mapping[str, Any]) -> None:
        volume = f"{readable(stats.get('bytes', 0))} of {readable(stats.get('totalBytes', 0))}"
        bar.update(done=done + stats.get("transfers", 0), note=volume)

    answer = rclone.work(
        "copyto" if pair.one_file else "copy",
        pair.source.argument,
        pair.destination.argument,
        # All of them differ: nothing is to be skipped for its size and time
        options=["--ignore-times", rclone.FOLLOW],
        names=None if pair.one_file else files,
        tell=tell,
        silence_seconds=SILENCE_SECONDS,
    )
    said = dict.fromkeys(files, answer.words.last) if answer.exit_code else {}
    said |= answer.words.about
    return {path: Failure(classify(text, answer.exit_code), text) for path, text in said.items()}


def _between_disks(
    pair: Pair, files: Mapping[str, Entry], bar: live.Bar, done: int
) -> dict[str, Failure]:
    volume = readable(sum(one.size for one in files.values()))

    def tell(copied: int, size: int) -> None:
        bar.update(done=done + copied, note=f"{readable(size)} of {volume}")

    paths = [""] if pair.one_file else files
    places = pair.source.argument, pair.destination.argument
    said = diskcopy.copy(*places, paths, tell)
    if pair.one_file:
        said = {path: text for path in files for text in said.values()}
    return {path: Failure(classify(text), text) for path, text in said.items()}


def _sync_to_disk(destination: Location, paths: Iterable[str]) -> None:
    """On a local disk: what counts as there has to be there after a power cut, too."""
    if not destination.is_local:
        return
    for path in paths:
        # What is not there is found by the comparison
        with suppress(FileNotFoundError, NotADirectoryError):
            descriptor = os.open(Path(destination.argument, path), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
