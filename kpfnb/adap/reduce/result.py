"""A reduction as a result: what was made of each frame, how long it took, and how to look at it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.products import reduction
from kpfnb.adap.products.reduction import SCIENCE_FOLDER, FrameResult
from kpfnb.adap.pypeit import command
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.core.result import OneLineRepr, Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.adap.products.qa_gallery import QaGallery
    from kpfnb.adap.products.spectra import ObjectSpectrum
    from kpfnb.adap.pypeit.input_files import PypeItFile
    from kpfnb.notebook.display.figures import HoverFigure

REASONS_SHOWN = 3


@dataclass(frozen=True)
class FrameType:
    """What PypeIt took a raw frame for."""

    file: str
    frametype: str
    target: str
    exposure_seconds: float | None
    setup: str

    @classmethod
    def from_pypeit_files(cls, plans: Iterable[PypeItFile]) -> Iterator[FrameType]:
        """The frames of reduction files, used and not."""
        for plan in plans:
            for f in plan.frames:
                setup = plan.path.parent.name
                yield cls(f.file, ", ".join(f.types), f.target, f.exposure_seconds, setup)


@dataclass(frozen=True, repr=False)
class ReductionResult(OneLineRepr):
    """What became of one dataset; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    output : the folder of the reduction
    inputs : all that the products depend on
    science : the verdict on each science and standard frame
    types : what PypeIt took each raw frame for
    unusable : raw frames that can't be read, with the reason
    problems : what went wrong with the dataset or a command as a whole
    started : when, UTC
    note : set where nothing was done: a dry run, or nothing to do
    """

    output: Path
    inputs: dict[str, Any]
    science: tuple[FrameResult, ...] = ()
    types: tuple[FrameType, ...] = ()
    unusable: tuple[tuple[str, str], ...] = ()
    steps: tuple[CommandResult, ...] = ()
    problems: tuple[str, ...] = ()
    started: str = ""
    note: str = ""
    dry_run: bool = False

    @property
    def outcome(self) -> Outcome:
        """Judged by the products: without any science frame reduced, standards save nothing.

        A dataset may hold standards alone; where frames can't be read, one may be the science.
        """
        if self.dry_run:
            return Outcome.SUCCEEDED
        aims = [verdict for verdict in self.science if verdict.kind == "science"]
        if not aims and not self.unusable:
            aims = list(self.science)
        if not any(verdict.is_reduced for verdict in aims):
            return Outcome.FAILED
        whole = all(verdict.is_reduced for verdict in self.science)
        return Outcome.PARTIAL if self.problems or self.unusable or not whole else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """What was reduced, and what is wrong, in one line."""
        if self.note:
            return self.note
        good = sum(verdict.is_reduced for verdict in self.science)
        text = f"{good} of {len(self.science)} science and standard frames reduced"
        if not self.science:
            text = "nothing reduced"
        wrong = list(self.all_problems())
        more = f" and {len(wrong) - REASONS_SHOWN} more" if len(wrong) > REASONS_SHOWN else ""
        return text + (": " + "; ".join(wrong[:REASONS_SHOWN]) + more if wrong else "")

    @property
    def complete(self) -> bool:
        """True where doing it again with the same inputs could not make it better."""
        return bool(self.science) and all(v.is_reduced for v in self.science) and not self.problems

    def is_still_complete(self) -> bool:
        """Whether all was reduced then, and all products are there still."""
        names = [(v.setup, name) for v in self.science for name in (v.spec1d, v.spec2d)]
        return self.complete and not any(
            reduction.product_defect(self.output / setup / SCIENCE_FOLDER / name)
            for setup, name in names
        )

    def all_problems(self) -> Iterable[str]:
        """Everything that went wrong, each in one line; a reason that many share is told once."""
        yield from self.problems
        for verdict in self.science:
            if verdict.reason and not any(verdict.reason in problem for problem in self.problems):
                yield f"{verdict.file}: {verdict.reason}"
        for file, defect in self.unusable:
            yield f"{file}: {defect}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        found: dict[str, int | float | str] = {"raw frames": len(self.inputs["frames"])}
        for kind in ("science", "standard"):
            verdicts = [verdict for verdict in self.science if verdict.kind == kind]
            if verdicts:
                found[f"{kind} reduced"] = (
                    f"{sum(v.is_reduced for v in verdicts)} of {len(verdicts)}"
                )
        found["spectra"] = sum(verdict.objects for verdict in self.science)
        return found | command.command_figures(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: this is also the record that stays with the products."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "started": self.started,
            "output": str(self.output),
            "figures": self.key_figures(),
            "inputs": self.inputs,
            "science": [verdict.to_dict() for verdict in self.science],
            "types": [asdict(row) for row in self.types],
            "unusable": dict(self.unusable),
            "steps": [step.to_dict() for step in self.steps],
            "problems": list(self.problems),
            "note": self.note,
            "dry_run": self.dry_run,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any], output: Path) -> ReductionResult:
        """A reduction from its record, found in the folder `output`."""
        return cls(
            output=output,
            inputs=record["inputs"],
            science=tuple(FrameResult(**verdict) for verdict in record["science"]),
            types=tuple(FrameType(**row) for row in record["types"]),
            unusable=tuple(record["unusable"].items()),
            steps=tuple(CommandResult(**step) for step in record["steps"]),
            problems=tuple(record["problems"]),
            started=record["started"],
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a science or standard frame."""
        import pandas as pd

        names = ["file", "kind", "target", "status", "spectra", "best S/N", "reason"]
        rows = [
            (v.file, v.kind, v.target, _status_text(v), v.objects, v.best_snr, v.reason)
            for v in self.science
        ]
        return pd.DataFrame(rows, columns=names).round({"best S/N": 1})

    def frames(self) -> pd.DataFrame:
        """One row a raw frame, with what PypeIt took it for."""
        import pandas as pd

        names = ["file", "frame type", "target", "exposure (s)", "setup", "defect"]
        rows = [(*asdict(row).values(), "") for row in self.types]
        rows += [(file, "", "", None, "", defect) for file, defect in self.unusable]
        return pd.DataFrame(rows, columns=names)

    def timing(self) -> pd.DataFrame:
        """One row a command: how long it took, and how much memory."""
        return command.command_table(self.steps)

    def warnings(self) -> pd.DataFrame:
        """One row a warning of PypeIt that a person should see: see `usefulwarnings`."""
        import pandas as pd

        from kpfnb.adap.pypeit import useful_warnings

        rows = [
            (setup, one.line, one.section, one.text)
            for setup in self._setups
            for plan in sorted((self.output / setup).glob("*.pypeit"))
            for one in useful_warnings.find_warnings(plan.with_suffix(".log"))
        ]
        return pd.DataFrame(rows, columns=["setup", "line", "about", "warning"])

    def spectra(self) -> list[ObjectSpectrum]:
        """The extracted spectra of all reduced frames."""
        from kpfnb.adap.products import spectra

        paths = [
            self.output / v.setup / SCIENCE_FOLDER / v.spec1d for v in self.science if v.is_reduced
        ]
        return [spectrum for path in paths for spectrum in spectra.read_spectra(path)]

    def plot(self) -> Figure:
        """The extracted spectra."""
        return self.hover_plot().figure

    def hover_plot(self) -> HoverFigure:
        """The plot, and which object and pixel is at the mouse."""
        from kpfnb.adap.products import spectra

        return spectra.hover_plot_spectra(self.spectra())

    def qa(self) -> QaGallery:
        """PypeIt's QA pictures, to be shown by a notebook."""
        from kpfnb.adap.products import qa_gallery

        return qa_gallery.QaGallery(
            [p for s in self._setups for p in qa_gallery.list_pictures(self.output / s)]
        )

    def row_details(self, row: Mapping[str, Any]) -> str:
        """What a row about a frame leads to, as HTML: its QA pictures and spectra, and all else."""
        from kpfnb.adap.pages import reduction_details

        return reduction_details.details_html(
            self.output, self.output.name, file=str(row.get("file", ""))
        )

    @property
    def _setups(self) -> list[str]:
        return sorted({verdict.setup for verdict in self.science})

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}", f"in {self.output}"]
        if self.science:
            lines += ["", self.to_frame().to_string(index=False, na_rep="")]
        if self.steps:
            lines += ["", self.timing().to_string(index=False)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The tables: science frames and steps; all text escaped. All frames: see `frames`."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        tables = (
            ("Science and standard frames", self.to_frame()),
            ("Steps", self.timing()),
        )
        return head + "".join(
            f"<h4>{title}</h4>{_html_table(table)}" for title, table in tables if len(table)
        )


def _status_text(verdict: FrameResult) -> str:
    return "reduced" if verdict.is_reduced else "failed"


def _html_table(table: pd.DataFrame) -> str:
    # An empty column says nothing
    told = [name for name in table.columns if any(table[name].dropna() != "")]
    return table[told].to_html(index=False, escape=True, border=0, justify="left", na_rep="")
