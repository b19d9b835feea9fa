"""Several reductions as one result: of datasets, or of the .pypeit files below a folder."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kpfnb.adap.pypeit import command
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kpfnb.adap.products.qa_gallery import QaGallery
    from kpfnb.adap.products.spectra import ObjectSpectrum
    from kpfnb.notebook.display.figures import HoverFigure

REASONS_SHOWN = 3


@dataclass(frozen=True)
class StageResult:
    """One stage of a dataset's life.

    Attributes
    ----------
    detail : what it did, in a few words
    failure : what went wrong without stopping the others; '' where nothing did
    """

    name: str
    seconds: float
    detail: str = ""
    failure: str = ""


@dataclass(frozen=True)
class DatasetResult:
    """What became of one dataset or .pypeit file.

    Attributes
    ----------
    reductions : those that were made of it, one a folder of results
    """

    name: str
    outcome: Outcome
    reason: str
    reductions: tuple[ReductionResult, ...] = ()
    stages: tuple[StageResult, ...] = ()

    @property
    def steps(self) -> list[CommandResult]:
        """The commands of PypeIt that ran."""
        return [step for one in self.reductions for step in one.steps]

    @property
    def exit_codes(self) -> list[int | None]:
        """Those of run_pypeit."""
        return [step.exit_code for step in self.steps if step.name.startswith("run_pypeit")]

    @property
    def products(self) -> int:
        """How many spec1d and spec2d files there are."""
        verdicts = [verdict for one in self.reductions for verdict in one.science]
        return sum(bool(v.spec1d) + bool(v.spec2d) for v in verdicts)

    @property
    def seconds(self) -> float:
        """How long its stages took; those of its commands where it has none."""
        return sum(one.seconds for one in self.stages) or sum(step.seconds for step in self.steps)

    @property
    def peak_bytes(self) -> int:
        """The memory of the largest process at its largest; 0 where it is not known."""
        return command.peak_memory_bytes(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "outcome": str(self.outcome),
            "reason": self.reason,
            "exit_codes": self.exit_codes,
            "products": self.products,
            "peak_bytes": self.peak_bytes,
            "stages": [asdict(stage) for stage in self.stages],
            "reductions": [one.to_dict() for one in self.reductions],
        }


@dataclass(frozen=True, repr=False)
class ReductionBatchResult(OneLineRepr):
    """What became of each; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    note : set where there was nothing to do, or only to say what would be done
    is_final : True where doing it again could not make it better
    """

    parts: tuple[DatasetResult, ...]
    note: str = ""
    is_final: bool = field(default=False, compare=False)

    @property
    def outcome(self) -> Outcome:
        """Of one, its own; of several, that of the whole."""
        if len(self.parts) == 1:
            return self.parts[0].outcome
        return merge_outcomes(part.outcome for part in self.parts)

    @property
    def reason(self) -> str:
        """One line: how many, and what is wrong with those that failed."""
        if self.note:
            return self.note
        if len(self.parts) == 1:
            return f"{self.parts[0].name}: {self.parts[0].reason}"
        wrong = [f"{p.name}: {p.reason}" for p in self.parts if not p.outcome.is_good]
        text = f"{len(self.parts) - len(wrong)} of {len(self.parts)} reduced"
        more = f" and {len(wrong) - REASONS_SHOWN} more" if len(wrong) > REASONS_SHOWN else ""
        return text + (f": {'; '.join(wrong[:REASONS_SHOWN])}{more}" if wrong else "")

    @property
    def reductions(self) -> list[ReductionResult]:
        """All reductions."""
        return [one for part in self.parts for one in part.reductions]

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        good = sum(part.outcome.is_good for part in self.parts)
        found: dict[str, int | float | str] = {"reduced": f"{good} of {len(self.parts)}"}
        found["products"] = sum(part.products for part in self.parts)
        found["minutes"] = round(sum(part.seconds for part in self.parts) / 60, 1)
        peak = max((part.peak_bytes for part in self.parts), default=0)
        found["peak memory (GB)"] = round(peak / 1e9, 2)
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "figures": self.key_figures(),
            "parts": [part.to_dict() for part in self.parts],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a dataset or .pypeit file."""
        import pandas as pd

        names = ["name", "outcome", "exit code", "products", "minutes", "peak (GB)", "reason"]
        rows = [
            (
                part.name,
                str(part.outcome),
                ", ".join("stopped" if code is None else str(code) for code in part.exit_codes),
                part.products,
                round(part.seconds / 60, 1),
                round(part.peak_bytes / 1e9, 2),
                part.reason,
            )
            for part in self.parts
        ]
        return pd.DataFrame(rows, columns=names)

    def frames(self) -> pd.DataFrame:
        """One row a raw frame, with what PypeIt took it for."""
        return _concatenate(self._named_tables(ReductionResult.frames))

    def warnings(self) -> pd.DataFrame:
        """One row a useful warning in a log of PypeIt."""
        return _concatenate(self._named_tables(ReductionResult.warnings))

    def timing(self) -> pd.DataFrame:
        """One row a stage or command, with how long it took."""
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        for part in self.parts:
            rows += [(part.name, s.name, round(s.seconds, 1), None, s.failure) for s in part.stages]
            rows += [(part.name, *command.command_row(step)) for step in part.steps]
        return pd.DataFrame(rows, columns=["name", *command.COMMAND_COLUMNS])

    def spectra(self) -> list[ObjectSpectrum]:
        """The extracted spectra of all reduced frames of which the files are here."""
        return [one for made in self.reductions for one in made.spectra()]

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

        return qa_gallery.QaGallery([path for one in self.reductions for path in one.qa().paths])

    def row_details(self, row: Mapping[str, Any]) -> str:
        """What a row about a dataset, or a frame of it, leads to, as HTML."""
        from kpfnb.adap.pages import reduction_details

        file = str(row.get("file", ""))
        parts = [part for part in self.parts if part.name == row.get("name")]
        told = [
            f"<p>{html.escape(f'{one.name}: {one.outcome}: {one.reason}')}</p>" for one in parts
        ]
        return "".join(told) + "".join(
            reduction_details.details_html(made.output, part.name, file=file)
            for part in parts
            for made in part.reductions
        )

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}"]
        if self.parts:
            lines += ["", self.to_frame().to_string(index=False, na_rep="")]
        if len(self.parts) == 1:
            lines += ["", self.timing().to_string(index=False, na_rep="")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The table; all text escaped."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        table = self.to_frame().to_html(index=False, escape=True, border=0, justify="left")
        return head + (table if self.parts else "")

    def _named_tables(self, table: Any) -> list[pd.DataFrame]:
        """The table of each reduction, with the name of its part before."""
        tables = []
        for part in self.parts:
            for one in part.reductions:
                found = table(one)
                found.insert(0, "name", part.name)
                tables.append(found)
        return tables


def _concatenate(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    filled = [table for table in tables if len(table)]
    if filled:
        return pd.concat(filled, ignore_index=True)
    return tables[0] if tables else pd.DataFrame(columns=["name"])
