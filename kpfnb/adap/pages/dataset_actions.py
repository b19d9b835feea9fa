"""What a person can do with a dataset: each action opens a notebook filled in."""

from __future__ import annotations

from collections.abc import Iterable

from kpfnb.adap.products.dataset import select_dataset_names
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.runs.actions import PageAction


def spectrograph_of(reductions: Iterable[ReductionResult]) -> str:
    """The spectrograph of the reductions; '' if it is not known, or not the same."""
    known = {str(result.inputs.get("spectrograph", "")) for result in reductions} - {""}
    return known.pop() if len(known) == 1 else ""


def reduce_again(name: str, spectrograph: str) -> PageAction | None:
    """Reduce a dataset again; None for what is no dataset, such as a .pypeit file.

    spectrograph : '' if it is not known: then the person chooses it
    """
    if not select_dataset_names([name]):
        return None
    values = {"dataset": name, "force": True}
    if spectrograph:
        values["spectrograph"] = spectrograph
    return PageAction("Reduce again", "reduce", values)
