"""The result of coadding: the coadds of one kind, their exposures, and what went wrong."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.coadd.exposures import ReducedExposure
from kpfnb.adap.coadd.products import NO_STANDARD, CoaddKind, CoaddProduct, ExposureResult
from kpfnb.adap.pypeit import command
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.adap.reduce.result import add_first_reasons, drop_empty_columns
from kpfnb.core.result import OneLineRepr, Outcome, to_jsonable
from kpfnb.core.text import format_count, frame_html

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class CoaddResult(OneLineRepr):
    """The coadds of one kind of a configuration or dataset; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    output : the folder of the coadds
    inputs : all that the products depend on
    science : the result of each exposure
    coadds : all that were to be made
    singles : objects or targets with a single exposure, of which there is no coadd
    problems : what went wrong as a whole
    left_out : frames that could not be used from the start, with the reason
    note : set if nothing was done: a dry run, or nothing to do
    exposures : in a dry run, those that would be coadded, for the plot
    """

    output: Path
    kind: CoaddKind
    inputs: dict[str, Any]
    science: tuple[ExposureResult, ...] = ()
    coadds: tuple[CoaddProduct, ...] = ()
    singles: tuple[str, ...] = ()
    steps: tuple[CommandResult, ...] = ()
    problems: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    started: str = ""
    note: str = ""
    dry_run: bool = False
    exposures: tuple[ReducedExposure, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Decided by the products; skipped if there is nothing to coadd."""
        if self.dry_run:
            # Which spectra belong together is only known when PypeIt has matched them
            is_known = self.kind is CoaddKind.IMAGES
            return Outcome.SKIPPED if is_known and not self.coadds else Outcome.SUCCEEDED
        lost = [exposure for exposure in self._failed if exposure.reason != NO_STANDARD]
        all_lost = bool(lost) and len(lost) == len(self.science)
        may_fail = bool(self.coadds) or all_lost or any(step.failure for step in self.steps)
        if may_fail and not any(coadd.is_made for coadd in self.coadds):
            return Outcome.FAILED
        if list(self.all_problems()):
            return Outcome.PARTIAL
        return Outcome.SUCCEEDED if self.coadds else Outcome.SKIPPED

    @property
    def reason(self) -> str:
        """What was coadded, and what went wrong, in one line."""
        if self.note:
            return self.note
        if self.coadds:
            made_count = sum(coadd.is_made for coadd in self.coadds)
            text = f"{made_count} of {len(self.coadds)} {self.noun}s coadded"
        else:
            text = self.nothing_to_coadd
        return add_first_reasons(text, list(self.all_problems()))

    @property
    def noun(self) -> str:
        """What is coadded."""
        return "object" if self.kind is CoaddKind.SPECTRA else "target"

    @property
    def nothing_to_coadd(self) -> str:
        """Why there is no coadd."""
        if not self.singles:
            return f"nothing to coadd: no {self.noun}s"
        singles = format_count(len(self.singles), self.noun)
        return f"nothing to coadd: {singles} with a single exposure"

    @property
    def is_complete(self) -> bool:
        """True if other coadds of the same inputs could not be better."""
        reasons = {exposure.reason for exposure in self._failed}
        all_made = all(coadd.is_made for coadd in self.coadds)
        return all_made and not self.problems and reasons <= {NO_STANDARD}

    @property
    def is_final(self) -> bool:
        """True if another attempt could not end better: no command was killed or stopped."""
        return not any(step.is_transient for step in self.steps)

    @property
    def _failed(self) -> list[ExposureResult]:
        return [exposure for exposure in self.science if exposure.reason]

    def all_problems(self) -> Iterator[str]:
        """Everything that went wrong, each in one line; a shared reason is listed once."""
        yield from self.problems
        known = set(self.problems)
        named = [(coadd.name, coadd.reason) for coadd in self.coadds if coadd.reason]
        named += [(exposure.file, exposure.reason) for exposure in self._failed]
        for name, reason in [*named, *self.left_out]:
            if not any(reason in problem for problem in known):
                known.add(reason)
                yield f"{name}: {reason}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        made_count = sum(coadd.is_made for coadd in self.coadds)
        figures: dict[str, int | float | str] = {
            "exposures": len(self.science),
            "coadds": f"{made_count} of {len(self.coadds)}",
        }
        if self.kind is CoaddKind.SPECTRA:
            figures["flux-calibrated"] = sum(bool(exposure.flux) for exposure in self.science)
        return figures | command.command_figures(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: also the record that stays with the products."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "kind": str(self.kind),
            "started": self.started,
            "output": str(self.output),
            "figures": self.key_figures(),
            "inputs": self.inputs,
            "science": [asdict(exposure) for exposure in self.science],
            "coadds": [to_jsonable(asdict(coadd)) for coadd in self.coadds],
            "singles": list(self.singles),
            "steps": [step.to_dict() for step in self.steps],
            "problems": list(self.problems),
            "left_out": dict(self.left_out),
            "note": self.note,
            "dry_run": self.dry_run,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any], output: Path) -> CoaddResult:
        """The result from its record, found in the folder `output`."""
        return cls(
            output=output,
            kind=CoaddKind(record["kind"]),
            inputs=record["inputs"],
            science=tuple(ExposureResult(**exposure) for exposure in record["science"]),
            coadds=tuple(
                CoaddProduct(**{key: _as_tuple(value) for key, value in coadd.items()})
                for coadd in record["coadds"]
            ),
            singles=tuple(record["singles"]),
            steps=tuple(CommandResult(**step) for step in record["steps"]),
            problems=tuple(record["problems"]),
            left_out=tuple(record["left_out"].items()),
            started=record["started"],
        )

    def to_frame(self) -> pd.DataFrame:
        """A row for each coadd."""
        import pandas as pd

        columns = ["coadd", "target", "exposures", "status", "S/N", "spectra", "unit"]
        columns += ["excluded slits", "skipped detectors", "reason"]
        rows = [
            (
                coadd.name,
                coadd.target,
                len(coadd.frames),
                "planned" if self.dry_run else "coadded" if coadd.is_made else "failed",
                coadd.snr,
                coadd.objects,
                ("flux" if coadd.fluxed else "counts") if coadd.products else "",
                ", ".join(coadd.excluded),
                ", ".join(coadd.skipped),
                coadd.reason,
            )
            for coadd in self.coadds
        ]
        return pd.DataFrame(rows, columns=columns).round({"S/N": 1})

    def frames(self) -> pd.DataFrame:
        """A row for each exposure: what its flux was calibrated with, and what went wrong."""
        import pandas as pd

        columns = ["file", "kind", "target", "calibrated with", "reason"]
        rows = [(e.file, e.kind, e.target, e.flux, e.reason) for e in self.science]
        rows += [(file, "", "", "", reason) for file, reason in self.left_out]
        return pd.DataFrame(rows, columns=columns)

    def timing(self) -> pd.DataFrame:
        """A row for each command: how long it took, and how much memory."""
        return command.command_table(self.steps)

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}", f"in {self.output}"]
        for table in (self.to_frame(), self.timing()):
            if len(table):
                lines += ["", drop_empty_columns(table).to_string(index=False, na_rep="")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The tables of coadds and steps; all text escaped. All exposures: see `frames`."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        tables = (("Coadds", self.to_frame()), ("Steps", self.timing()))
        return head + "".join(
            f"<h4>{title}</h4>{frame_html(drop_empty_columns(table))}"
            for title, table in tables
            if len(table)
        )


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
