"""The result of one reduction: what became of each frame, how long it took, what went wrong."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.adap.products import reduction
from kpfnb.adap.products.reduction import SCIENCE_FOLDER, FrameResult
from kpfnb.adap.pypeit import command
from kpfnb.adap.pypeit.command import CommandResult
from kpfnb.core.result import OneLineRepr, Outcome
from kpfnb.core.text import frame_html

if TYPE_CHECKING:
    import pandas as pd

    from kpfnb.adap.products.qa_gallery import QaGallery
    from kpfnb.adap.products.spectra import ObjectSpectrum
    from kpfnb.adap.pypeit.input_files import PypeItFile

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
    def from_pypeit_files(cls, files: Iterable[PypeItFile]) -> Iterator[FrameType]:
        """The frames of reduction files, used and not."""
        for file in files:
            setup = file.path.parent.name
            for frame in file.frames:
                types = ", ".join(frame.types)
                yield cls(frame.file, types, frame.target, frame.exposure_seconds, setup)


@dataclass(frozen=True, repr=False)
class ReductionResult(OneLineRepr):
    """The result of one reduction; a `kpfnb.core.result.Result`.

    Attributes
    ----------
    output : the folder of the reduction
    inputs : all that the products depend on
    science : the result of each science and standard frame
    types : what PypeIt took each raw frame for
    unusable : raw frames that can't be read, with the reason
    problems : what went wrong with the dataset or a command as a whole
    started : start of the reduction, UTC
    note : set if nothing was done: a dry run, or nothing to do
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
        """Decided by the products: failed without any reduced science frame.

        A dataset may consist of standards alone; unreadable frames may be its science frames.
        """
        if self.dry_run:
            return Outcome.SUCCEEDED
        frames = [frame for frame in self.science if frame.kind == "science"]
        if not frames and not self.unusable:
            frames = list(self.science)
        if not any(frame.is_reduced for frame in frames):
            return Outcome.FAILED
        is_partial = self.problems or self.unusable or not self._all_reduced
        return Outcome.PARTIAL if is_partial else Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """What was reduced, and what went wrong, in one line."""
        if self.note:
            return self.note
        text = "nothing reduced"
        if self.science:
            count = sum(frame.is_reduced for frame in self.science)
            text = f"{count} of {len(self.science)} science and standard frames reduced"
        return add_first_reasons(text, list(self.all_problems()))

    @property
    def is_complete(self) -> bool:
        """True if another reduction of the same inputs could not be better."""
        return bool(self.science) and self._all_reduced and not self.problems

    @property
    def _all_reduced(self) -> bool:
        return all(frame.is_reduced for frame in self.science)

    def is_unchanged(self, inputs: dict[str, Any]) -> bool:
        """Whether it is complete and of these inputs, and all products are still there."""
        names = [(frame.setup, name) for frame in self.science for name in frame.products]
        return (
            self.inputs == inputs
            and self.is_complete
            and not any(
                reduction.product_defect(self.output / setup / SCIENCE_FOLDER / name)
                for setup, name in names
            )
        )

    def all_problems(self) -> Iterator[str]:
        """Everything that went wrong, each in one line; a shared reason is listed once."""
        yield from self.problems
        for frame in self.science:
            if frame.reason and not any(frame.reason in problem for problem in self.problems):
                yield f"{frame.file}: {frame.reason}"
        for file, defect in self.unusable:
            yield f"{file}: {defect}"

    def key_figures(self) -> dict[str, int | float | str]:
        """Key figures for the run list."""
        figures: dict[str, int | float | str] = {"raw frames": len(self.inputs["frames"])}
        for kind in ("science", "standard"):
            frames = [frame for frame in self.science if frame.kind == kind]
            if frames:
                count = sum(frame.is_reduced for frame in frames)
                figures[f"{kind} reduced"] = f"{count} of {len(frames)}"
        figures["spectra"] = sum(frame.objects for frame in self.science)
        return figures | command.command_figures(self.steps)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: also the record that stays with the products."""
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "started": self.started,
            "output": str(self.output),
            "figures": self.key_figures(),
            "inputs": self.inputs,
            "science": [frame.to_dict() for frame in self.science],
            "types": [asdict(frame_type) for frame_type in self.types],
            "unusable": dict(self.unusable),
            "steps": [step.to_dict() for step in self.steps],
            "problems": list(self.problems),
            "note": self.note,
            "dry_run": self.dry_run,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any], output: Path) -> ReductionResult:
        """The result from its record, found in the folder `output`."""
        return cls(
            output=output,
            inputs=record["inputs"],
            science=tuple(FrameResult(**frame) for frame in record["science"]),
            types=tuple(FrameType(**frame_type) for frame_type in record["types"]),
            unusable=tuple(record["unusable"].items()),
            steps=tuple(CommandResult(**step) for step in record["steps"]),
            problems=tuple(record["problems"]),
            started=record["started"],
        )

    def to_frame(self) -> pd.DataFrame:
        """A row for each science or standard frame."""
        import pandas as pd

        columns = ["file", "kind", "target", "status", "spectra", "best S/N", "reason"]
        rows = [
            (
                frame.file,
                frame.kind,
                frame.target,
                "reduced" if frame.is_reduced else "failed",
                frame.objects,
                frame.best_snr,
                frame.reason,
            )
            for frame in self.science
        ]
        return pd.DataFrame(rows, columns=columns).round({"best S/N": 1})

    def frames(self) -> pd.DataFrame:
        """A row for each raw frame, with what PypeIt took it for."""
        import pandas as pd

        columns = ["file", "frame type", "target", "exposure (s)", "setup", "defect"]
        rows = [(*asdict(frame_type).values(), "") for frame_type in self.types]
        rows += [(file, "", "", None, "", defect) for file, defect in self.unusable]
        return pd.DataFrame(rows, columns=columns)

    def timing(self) -> pd.DataFrame:
        """A row for each command: how long it took, and how much memory."""
        return command.command_table(self.steps)

    def warnings(self) -> pd.DataFrame:
        """A row for each of PypeIt's warnings that a person should see (`useful_warnings`)."""
        import pandas as pd

        from kpfnb.adap.pypeit import useful_warnings

        rows = [
            (setup, warning.line, warning.section, warning.text)
            for setup in self._setups
            for path in sorted((self.output / setup).glob("*.pypeit"))
            for warning in useful_warnings.find_warnings(path.with_suffix(".log"))
        ]
        return pd.DataFrame(rows, columns=["setup", "line", "about", "warning"])

    def spectra(self) -> list[ObjectSpectrum]:
        """The extracted spectra of all reduced frames."""
        from kpfnb.adap.products.spectra import read_spectra

        paths = [
            self.output / frame.setup / SCIENCE_FOLDER / frame.spec1d
            for frame in self.science
            if frame.is_reduced
        ]
        return [spectrum for path in paths for spectrum in read_spectra(path)]

    def qa(self) -> QaGallery:
        """PypeIt's QA pictures, for a notebook to show."""
        from kpfnb.adap.products.qa_gallery import QaGallery, list_pictures

        folders = [self.output / setup for setup in self._setups]
        return QaGallery([path for folder in folders for path in list_pictures(folder)])

    @property
    def _setups(self) -> list[str]:
        return sorted({frame.setup for frame in self.science})

    def __str__(self) -> str:
        lines = [f"{self.outcome}: {self.reason}", f"in {self.output}"]
        if self.science:
            lines += ["", self.to_frame().to_string(index=False, na_rep="")]
        if self.steps:
            lines += ["", self.timing().to_string(index=False)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The tables of science frames and steps; all text escaped. All frames: see `frames`."""
        head = f"<p><b>{self.outcome}</b>: {html.escape(self.reason)}</p>"
        tables = (("Science and standard frames", self.to_frame()), ("Steps", self.timing()))
        return head + "".join(
            f"<h4>{title}</h4>{frame_html(drop_empty_columns(table))}"
            for title, table in tables
            if len(table)
        )


def add_first_reasons(text: str, reasons: Sequence[str]) -> str:
    """A sentence with the first reasons why it is not better, and the number of the others."""
    if not reasons:
        return text
    others = len(reasons) - REASONS_SHOWN
    more = f" and {others} more" if others > 0 else ""
    return f"{text}: {'; '.join(reasons[:REASONS_SHOWN])}{more}"


def drop_empty_columns(table: pd.DataFrame) -> pd.DataFrame:
    """A table without the columns that have no value."""
    return table[[name for name in table.columns if any(table[name].dropna() != "")]]
