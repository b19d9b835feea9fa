"""The results of several reductions: of datasets, or of the .pypeit files below a folder."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kpfnb.adap.pypeit import command
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.adap.reduce.result import ReductionResult, add_first_reasons
from kpfnb.core.result import OneLineRepr, Outcome, merge_outcomes
from kpfnb.core.text import frame_html

if TYPE_CHECKING:
    import pandas as pd

    from kpfnb.adap.products.qa_gallery import QaGallery
    from kpfnb.adap.products.spectra import ObjectSpectrum


@dataclass(frozen=True)
class StageResult:
    """One stage of a dataset's reduction.

    Attributes
    ----------
    detail : what it did, in a few words
    failure : what went wrong without stopping the others; '' if nothing did
    """

    name: str
    seconds: float
    detail: str = ""
    failure: str = ""


@dataclass(frozen=True)
class DatasetResult:
    """The result of one dataset or .pypeit file.

    Attributes
    ----------
    reductions : one for each folder of results
    """

    name: str
    outcome: Outcome
    reason: str
    reductions: tuple[ReductionResult, ...] = ()
    stages: tuple[StageResult, ...] = ()

    @property
    def steps(self) -> list[CommandResult]:
        """The commands of PypeIt that ran."""
        return [step for reduction in self.reductions for step in reduction.steps]

    @property
    def exit_codes(self) -> list[int | None]:
        """The exit codes of run_pypeit."""
        return [step.exit_code for step in self.steps if step.name.startswith("run_pypeit")]

    @property
    def products(self) -> int:
        """The number of spec1d and spec2d files."""
        frames = [frame for reduction in self.reductions for frame in reduction.science]
        return sum(len(frame.products) for frame in frames)

    @property
    def seconds(self) -> float:
        """The time that its stages took; if it has none, its commands."""
        return sum(step.seconds for step in self.stages or self.steps)

    @property
    def peak_bytes(self) -> int:
        """The highest memory use of a single process; 0 if it is not known."""
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
            "reductions": [reduction.to_dict() for reduction in self.reductions],
        }


@dataclass(frozen=True, repr=False)
class ReductionBatchResult(OneLineRepr):
    """The results of several reductions; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    note : set if there was nothing to do, or in a dry run
    is_final : True if another attempt could not end better
    """

    parts: tuple[DatasetResult, ...]
    note: str = ""
    is_final: bool = field(default=False, compare=False)

    @property
    def outcome(self) -> Outcome:
        """The outcome of a single part, or the merged outcome of several."""
        if len(self.parts) == 1:
            return self.parts[0].outcome
        return merge_outcomes(part.outcome for part in self.parts)

    @property
    def reason(self) -> str:
        """One line: how many are reduced, and why the others are not."""
        if self.note:
            return self.note
        if len(self.parts) == 1:
            return f"{self.parts[0].name}: {self.parts[0].reason}"
        failed = [f"{p.name}: {p.reason}" for p in self.parts if not p.outcome.is_good]
        text = f"{len(self.parts) - len(failed)} of {len(self.parts)} reduced"
        return add_first_reasons(text, failed)

    @property
    def reductions(self) -> list[ReductionResult]:
        """All reductions."""
        return [reduction for part in self.parts for reduction in part.reductions]

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        good = sum(part.outcome.is_good for part in self.parts)
        figures: dict[str, int | float | str] = {"reduced": f"{good} of {len(self.parts)}"}
        figures["products"] = sum(part.products for part in self.parts)
        figures["minutes"] = round(sum(part.seconds for part in self.parts) / 60, 1)
        peak = max((part.peak_bytes for part in self.parts), default=0)
        figures["peak memory (GB)"] = round(peak / 1e9, 2)
        return figures

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "figures": self.key_figures(),
            "parts": [part.to_dict() for part in self.parts],
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each dataset or .pypeit file."""
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
        """A row for each raw frame, with what PypeIt took it for."""
        return self._concatenate(ReductionResult.frames)

    def warnings(self) -> pd.DataFrame:
        """A row for each useful warning in PypeIt's logs."""
        return self._concatenate(ReductionResult.warnings)

    def timing(self) -> pd.DataFrame:
        """A row for each stage or command, with the time that it took."""
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        for part in self.parts:
            rows += [(part.name, s.name, round(s.seconds, 1), None, s.failure) for s in part.stages]
            rows += [(part.name, *command.command_row(step)) for step in part.steps]
        return pd.DataFrame(rows, columns=["name", *command.COMMAND_COLUMNS])

    def spectra(self) -> list[ObjectSpectrum]:
        """The extracted spectra of all reduced frames whose files are on this machine."""
        return [spectrum for reduction in self.reductions for spectrum in reduction.spectra()]

    def qa(self) -> QaGallery:
        """PypeIt's QA pictures, for a notebook to show."""
        from kpfnb.adap.products.qa_gallery import QaGallery

        return QaGallery([path for reduction in self.reductions for path in reduction.qa().paths])

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
        return head + (frame_html(self.to_frame()) if self.parts else "")

    def _concatenate(self, make_table: Callable[[ReductionResult], pd.DataFrame]) -> pd.DataFrame:
        """The tables of all reductions, with the name of the dataset as first column."""
        import pandas as pd

        tables = []
        for part in self.parts:
            for reduction in part.reductions:
                table = make_table(reduction)
                table.insert(0, "name", part.name)
                tables.append(table)
        filled = [table for table in tables if len(table)]
        if filled:
            return pd.concat(filled, ignore_index=True)
        return tables[0] if tables else pd.DataFrame(columns=["name"])
