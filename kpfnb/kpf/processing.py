"""Run the DRP again, for observations or for masters: one call for the command and the notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kpfnb.errors import BadParameter
from kpfnb.kpf import masters, reprocess
from kpfnb.kpf.nightlog import MASTERS, SCIENCE
from kpfnb.kpf.reprocessing import Reprocessing


def run(
    what: str,
    targets: Sequence[str | Path],
    *,
    objects: Sequence[str] = (),
    sources: Sequence[str] = (),
    delete: bool = False,
    **common: Any,
) -> Reprocessing:
    """Make science products (2D, L1, L2) or masters.

    All but `what` are the parameters of `kpfnb.kpf.reprocess.run` and `kpfnb.kpf.masters.run`; what
    only the first of them knows is a `BadParameter` with masters.
    """
    if what == SCIENCE:
        return reprocess.run(targets, objects=objects, sources=sources, delete=delete, **common)
    if what != MASTERS:
        raise BadParameter(f"what: {what!r}", f"it is {SCIENCE} or {MASTERS}")
    if objects or sources or delete:
        raise BadParameter(
            "masters are made by night", "leave object, source and delete alone with masters"
        )
    return masters.run(targets, **common)
