"""The PypeIt commands of one piece of work, each run the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kpfnb import live
from kpfnb.adap.pypeit import command
from kpfnb.adap.pypeit.command import Limits, Step


@dataclass(frozen=True)
class Steps:
    """Runs commands and keeps how each went.

    Attributes
    ----------
    lock : a file that is locked for as long as one of the processes lives
    progress : False shows nothing
    taken : the commands that ran, in order
    """

    limits: Limits
    variables: Mapping[str, str]
    lock: Path
    progress: bool = True
    taken: list[Step] = field(default_factory=list)

    def run(self, name: str, arguments: Sequence[str], log: Path, *, label: str = "") -> Step:
        """Run a command in the folder of its log; how it ended is in the step, never raised."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with live.progress(1, f"{name} {label}".strip(), shown=self.progress) as bar:
            step = command.run(
                name,
                [*arguments, "--log_file", str(log)],
                folder=log.parent,
                log=log,
                label=label,
                limits=self.limits,
                variables=self.variables,
                lock=self.lock,
                tell=lambda text: bar.update(note=text),
            )
            bar.update(done=1, failed=int(bool(step.failure)))
        self.taken.append(step)
        return step
