"""Coadds as a result: what was made of which exposures, and how to look at it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.coadd.exposures import ReducedExposure
from kpfnb.adap.coadd.products import NO_STANDARD, CoaddProduct, ExposureResult
from kpfnb.adap.coadd.task import CoaddKind
from kpfnb.adap.pypeit import command
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.core.result import OneLineRepr, Outcome, to_jsonable
from kpfnb.notebook.display.html import file_link

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.notebook.display.figures import HoverFigure

REASONS_SHOWN = 3


@dataclass(frozen=True, repr=False)
class CoaddResult(OneLineRepr):
    """What became of one configuration or dataset; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    output : the folder of the coadds
    inputs : all that the products depend on
    science : what became of each exposure
    coadds : all that should be there
    singles : objects or targets of one exposure only, of which there is no coadd
    problems : what went wrong as a whole
    left_out : frames that could not be used from the start, with the reason
    note : set where nothing was done: a dry run, or nothing to do
    exposures : in a dry run, those that would be coadded, to be looked at
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
        """Judged by the products. Nothing that could be coadded is no failure."""
        if self.dry_run:
            return Outcome.SUCCEEDED
        lost = [frame for frame in self._wrong_frames if frame.reason != NO_STANDARD]
        none_left = bool(lost) and len(lost) == len(self.science)
        broke = bool(self.coadds) or none_left or any(step.failure for step in self.steps)
        if broke and not any(one.good for one in self.coadds):
            return Outcome.FAILED
        return Outcome.PARTIAL if any(True for _ in self.all_problems()) else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """What was coadded, and what is wrong, in one line."""
        if self.note:
            return self.note
        good = sum(one.good for one in self.coadds)
        what = "objects" if self.kind is CoaddKind.SPECTRA else "targets"
        text = f"{good} of {len(self.coadds)} {what} coadded"
        if not self.coadds:
            text = f"nothing to coadd: {len(self.singles)} {what} of one exposure each"
        wrong = list(self.all_problems())
        more = f" and {len(wrong) - REASONS_SHOWN} more" if len(wrong) > REASONS_SHOWN else ""
        return text + (": " + "; ".join(wrong[:REASONS_SHOWN]) + more if wrong else "")

    @property
    def complete(self) -> bool:
        """True where doing it again with the same inputs could not make it better."""
        reasons = {frame.reason for frame in self._wrong_frames}
        return (
            all(one.good for one in self.coadds) and not self.problems and reasons <= {NO_STANDARD}
        )

    @property
    def is_final(self) -> bool:
        """True where another attempt could not end better: no command was killed or stopped."""
        return not any(step.is_transient for step in self.steps)

    @property
    def _wrong_frames(self) -> list[ExposureResult]:
        return [frame for frame in self.science if frame.reason]

    def all_problems(self) -> Iterator[str]:
        """Everything that went wrong, each in one line; a reason that many share is told once."""
        told = set(self.problems)
        yield from self.problems
        named = [(one.name, one.reason) for one in self.coadds if one.reason]
        named += [(frame.file, frame.reason) for frame in self._wrong_frames]
        for name, reason in [*named, *self.left_out]:
            if not any(reason in known for known in told):
                told.add(reason)
                yield f"{name}: {reason}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        made = [one for one in self.coadds if one.good]
        found: dict[str, int | float | str] = {
            "exposures": len(self.science),
            "coadds": f"{len(made)} of {len(self.coadds)}",
        }
        if self.kind is CoaddKind.SPECTRA:
            found["flux-calibrated"] = sum(bool(frame.flux) for frame in self.science)
        return found | command.command_figures(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: this is also the record that stays with the products."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "kind": str(self.kind),
            "started": self.started,
            "output": str(self.output),
            "figures": self.key_figures(),
            "inputs": self.inputs,
            "science": [asdict(frame) for frame in self.science],
            "coadds": [to_jsonable(asdict(one)) for one in self.coadds],
            "singles": list(self.singles),
            "steps": [step.to_dict() for step in self.steps],
            "problems": list(self.problems),
            "left_out": dict(self.left_out),
            "note": self.note,
            "dry_run": self.dry_run,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any], output: Path) -> CoaddResult:
        """From its record, found in the folder `output`."""
        return cls(
            output=output,
            kind=CoaddKind(record["kind"]),
            inputs=record["inputs"],
            science=tuple(ExposureResult(**frame) for frame in record["science"]),
            coadds=tuple(
                CoaddProduct(**{key: _as_tuple(value) for key, value in one.items()})
                for one in record["coadds"]
            ),
            singles=tuple(record["singles"]),
            steps=tuple(CommandResult(**step) for step in record["steps"]),
            problems=tuple(record["problems"]),
            left_out=tuple(record["left_out"].items()),
            started=record["started"],
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a coadd."""
        import pandas as pd

        names = ["coadd", "target", "exposures", "status", "S/N", "spectra", "unit"]
        names += ["excluded slits", "skipped detectors", "reason"]
        rows = [
            (
                one.name,
                one.target,
                len(one.frames),
                self._status(one),
                one.snr,
                one.objects,
                ("flux" if one.fluxed else "counts") if one.products else "",
                ", ".join(one.excluded),
                ", ".join(one.skipped),
                one.reason,
            )
            for one in self.coadds
        ]
        return pd.DataFrame(rows, columns=names).round({"S/N": 1})

    def frames(self) -> pd.DataFrame:
        """One row an exposure: with what its flux was calibrated, and what is wrong with it."""
        import pandas as pd

        names = ["file", "kind", "target", "calibrated with", "reason"]
        rows = [
            (frame.file, frame.kind, frame.target, frame.flux, frame.reason)
            for frame in self.science
        ]
        rows += [(file, "", "", "", reason) for file, reason in self.left_out]
        return pd.DataFrame(rows, columns=names)

    def timing(self) -> pd.DataFrame:
        """One row a command: how long it took, and how much memory."""
        return command.command_table(self.steps)

    def plot(self) -> Figure:
        """The coadds; in a dry run, what would be coadded."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and what is at the mouse."""
        from kpfnb.adap.coadd import plots

        return plots.hover_plot([self])

    def row_details(self, row: Mapping[str, Any]) -> str:
        """What a row about a coadd leads to, as HTML: its picture, its exposures, its files."""
        from kpfnb.adap.pages import reduction_details

        parts = []
        logs = sorted(self.output.glob("*.log"))
        for one in self.coadds:
            if one.name != row["coadd"]:
                continue
            alone = replace(self, coadds=(one,)).plot()
            places = [self.output / name for name in one.products]
            files = " · ".join(file_link(path, path.name) for path in [*places, *logs])
            frames = "".join(f"<li>{html.escape(name)}</li>" for name in one.frames)
            head = html.escape(f"{one.target}: {one.name}")
            parts.append(
                f"<h4>{head}</h4><p>{html.escape(one.reason)}</p>"
                f"<p>{files}</p>{reduction_details.figure_html(alone, one.name)}"
                f"{reduction_details.html_details(f'exposures ({len(one.frames)})', f'<ul>{frames}</ul>')}"
            )
        return "".join(parts)

    def _status(self, one: CoaddProduct) -> str:
        return "planned" if self.dry_run else "coadded" if one.good else "failed"

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}", f"in {self.output}"]
        for table in (self.to_frame(), self.timing()):
            if len(table):
                lines += ["", drop_empty_columns(table).to_string(index=False, na_rep="")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The tables: coadds and steps; all text escaped. All exposures: see `frames`."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        tables = (("Coadds", self.to_frame()), ("Steps", self.timing()))
        return head + "".join(
            f"<h4>{title}</h4>{_html_table(table)}" for title, table in tables if len(table)
        )


def drop_empty_columns(table: pd.DataFrame) -> pd.DataFrame:
    """A table without the columns that say nothing."""
    return table[[name for name in table.columns if any(table[name].dropna() != "")]]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _html_table(table: pd.DataFrame) -> str:
    return drop_empty_columns(table).to_html(
        index=False, escape=True, border=0, justify="left", na_rep=""
    )
