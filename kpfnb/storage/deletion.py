"""Deletion, which comes last: only what is verified elsewhere, or what a mirror has no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kpfnb.storage import inventory, rclone
from kpfnb.storage.carried import Item, State
from kpfnb.storage.inventory import Inventory
from kpfnb.storage.listing import Entry
from kpfnb.storage.location import Location
from kpfnb.storage.pair import Pair
from kpfnb.storage.trouble import Failure, StorageError, Trouble, classify


def of_source(pair: Pair, items: list[Item], files: Mapping[str, Entry]) -> list[Item]:
    """Delete at the source what is verified at the destination; the items as they are then."""
    verified = [one.path for one in items if one.state in (State.COPIED, State.THERE)]
    if not verified:
        return items
    only = None if pair.one_file else verified
    try:
        now = inventory.take(pair.source, hash_type=pair.hash_type, only=only).files
    except StorageError as error:
        why = Failure(error.trouble, f"copied, but not deleted: {error.what}")
        kept = dict.fromkeys(verified, why)
        return [_moved(one, kept) if one.path in kept else one for one in items]
    unchanged = [path for path in verified if now.get(path) == files[path]]
    failures = _delete(pair.source, unchanged, one_file=pair.one_file)
    changed = Failure(Trouble.DAMAGED, "changed at the source after it was copied; not deleted")
    failures |= dict.fromkeys(set(verified) - set(unchanged), changed)
    return [_moved(one, failures) if one.path in set(verified) else one for one in items]


def of_extras(
    place: Location, there: Inventory, files: Mapping[str, Entry], *, dry_run: bool
) -> list[Item]:
    """Delete what is `there` and not among the files, and the folders that are empty then."""
    extras = {path: one for path, one in there.files.items() if path not in files}
    refused = [Item(path, State.FAILED, 0, *why) for path, why in there.problems.items()]
    if dry_run:
        return refused + [Item(p, State.WOULD_DELETE, one.size) for p, one in extras.items()]
    failures = _delete(place, list(extras)) if extras else {}
    if extras:
        # A folder that stays is no harm; S3 has none
        rclone.ask("rmdirs", place.argument, options=["--leave-root"])
    return refused + [
        Item(path, State.FAILED, one.size, *failures[path])
        if path in failures
        else Item(path, State.DELETED, one.size)
        for path, one in extras.items()
    ]


def _moved(item: Item, failures: Mapping[str, Failure]) -> Item:
    if item.path not in failures:
        return replace(item, state=State.MOVED)
    trouble, detail = failures[item.path]
    return replace(item, state=State.FAILED, trouble=trouble, detail=detail)


def _delete(place: Location, paths: list[str], *, one_file: bool = False) -> dict[str, Failure]:
    """Delete files; why those are still there that are.

    Links are not followed here: what they point to is not ours.
    """
    if not paths:
        return {}
    only = None if one_file else paths
    answer = rclone.ask("deletefile" if one_file else "delete", place.argument, names=only)
    try:
        left = inventory.take(place, only=only).files
    except StorageError as error:
        return dict.fromkeys(paths, Failure(error.trouble, f"deleted or not: {error.what}"))
    failures = {}
    for path in left:
        said = answer.words.about.get(path, "still there")
        failures[path] = Failure(classify(said), f"not deleted: {said}")
    return failures
