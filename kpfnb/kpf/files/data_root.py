"""The data root before any work: whether it exists, and what to say of nights without files."""

from __future__ import annotations

from pathlib import Path

from kpfnb.kpf.files.obsid import KPF, list_nights

ANY_LEVEL = tuple(KPF.levels)


def check_data_root(root: Path) -> None:
    """Fail with `InvalidInputError` if the data root has no directory of any level."""
    if not any((root / level).is_dir() for level in ANY_LEVEL):
        list_nights(root)


def describe_empty_nights(root: Path, start: str = "", end: str = "") -> str:
    """Why there is nothing to do for these nights, which have no L0 files; '' for any night."""
    present = list_nights(root, levels=ANY_LEVEL)
    if not start and not end:
        return f"The data root {root} has no L0 files"
    low, high = min(start, end or start), max(start, end)
    one = f"Night {high} has" if low == high else f"Nights {low or 'from the first'} to {high} have"
    others = [night for night in present if not low <= night <= high]
    if not others:
        known = "there are no other nights"
    elif len(others) == 1:
        known = f"the only other night is {others[0]}"
    else:
        known = f"nights present: {others[0]} to {others[-1]}"
    return f"{one} no L0 files ({known})"
