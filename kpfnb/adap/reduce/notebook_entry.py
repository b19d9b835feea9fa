"""What the notebook `reduce` does: a folder, a dataset, .pypeit files or a queue, by parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kpfnb.adap.reducing import board, chain, pypeitfiles, queuereduction, reduction
from kpfnb.adap.reducing.reduced import Reduction
from kpfnb.adap.reducing.reductions import Reductions
from kpfnb.errors import BadParameter


def run(
    *,
    raw: str = "",
    output: str = "",
    dataset: str = "",
    files: str = "",
    queue: str = "",
    spectrograph: str = "",
    setup: str = "all",
    config: Sequence[str] = (),
    custom: str = "",
    exclude: str = "",
    workers: int = 1,
    silence_minutes: int = 30,
    timeout_minutes: int = 0,
    force: bool = False,
    dry_run: bool = False,
) -> Reduction | Reductions:
    """Reduce one of `raw`, `dataset`, `files` and `queue`; without any, the example frames.

    Local copies of datasets are kept, to be looked at.

    Parameters
    ----------
    raw, output, setup, config : see `reduction.run`
    dataset, custom, exclude : see `chain.run`
    files : folder of .pypeit files; see `pypeitfiles.run`
    queue : see `queuereduction.run`
    workers : so many datasets or files at a time

    Raises
    ------
    BadParameter : more than one of the four
    """
    given = {"raw": raw, "dataset": dataset, "files": files, "queue": queue}
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise BadParameter(f"{' and '.join(named)} exclude each other", "give one of them")
    limits: dict[str, Any] = {
        "silence_minutes": silence_minutes,
        "timeout_minutes": timeout_minutes,
    }
    with board.shown():
        if queue:
            options: dict[str, Any] = {
                "spectrograph": spectrograph,
                "custom": custom,
                "exclude": exclude,
            }
            options |= {"silence": silence_minutes, "timeout": timeout_minutes, "keep": True}
            options["force"] = force
            return queuereduction.run(queue, workers=0 if dry_run else workers, options=options)
        if dataset:
            wanted = chain.order(
                spectrograph, custom=custom, exclude=exclude, keep=True, force=force, **limits
            )
            return chain.run(dataset, wanted, dry_run=dry_run)
        if files:
            return pypeitfiles.run(files, workers=workers, force=force, dry_run=dry_run, **limits)
        return reduction.run(
            raw,
            output,
            spectrograph=spectrograph,
            setup=setup,
            config=config,
            force=force,
            dry_run=dry_run,
            **limits,
        )
