"""The PypeIt commands of one piece of work, each run the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    tell : called now and then with which command is doing what
    taken : the commands that ran, in order
    """

    limits: Limits
    variables: Mapping[str, str]
    lock: Path
    progress: bool = True
    tell: Callable[[str], None] = lambda text: None
    taken: list[Step] = field(default_factory=list)

    def run(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        *,
        label: str = "",
        timed: bool = False,
    ) -> Step:
        """Run a command in the folder of its log; how it ended is in the step, never raised.

        Parameters
        ----------
        label : what it works on
        timed : whether PypeIt has to tell its execution time at the end, as run_pypeit does
        """
        title = f"{name} {label}".strip()

        def tell(text: str) -> None:
            bar.update(note=text)
            self.tell(f"{title}: {text}")

        log.parent.mkdir(parents=True, exist_ok=True)
        with live.progress(1, title, shown=self.progress) as bar:
            step = command.run(
                name,
                [*arguments, "--log_file", str(log)],
                folder=log.parent,
                log=log,
                label=label,
                limits=self.limits,
                variables=self.variables,
                lock=self.lock,
                tell=tell,
                timed=timed,
            )
            bar.update(done=1, failed=int(bool(step.failure)))
        self.taken.append(step)
        return step
