"""The settings in force, where each came from, and whether what they name works."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kpfnb import settings
from kpfnb.doctor import checks
from kpfnb.doctor.health import Check, Health
from kpfnb.outcomes import Outcome
from kpfnb.settings import Source

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

_STYLES = {Health.OK: "green", Health.WARNING: "yellow", Health.PROBLEM: "bold red"}


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found."""

    settings: list[Source]
    checks: list[Check]

    @property
    def outcome(self) -> Outcome:
        """Failed where a check found a problem; a warning is none."""
        problems = any(check.health is Health.PROBLEM for check in self.checks)
        return Outcome.FAILED if problems else Outcome.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": self.outcome,
            "settings": [source.model_dump() for source in self.settings],
            "checks": [asdict(check) for check in self.checks],
        }

    def to_rich(self) -> Group:
        """Two tables for a `rich` console, which leaves colours away where there is no terminal."""
        from rich.console import Group
        from rich.table import Table

        given = Table("setting", "value", "from", box=None, pad_edge=False)
        for source in self.settings:
            given.add_row(_text(source.name), _text(source.value), _text(source.origin, "dim"))
        found = Table("check", "", "found → what to do", box=None, pad_edge=False)
        for check in self.checks:
            what = _text(check.found)
            if check.advice:
                what.append_text(_text(f" → {check.advice}", "bold"))
            found.add_row(_text(check.name), _text(check.health, _STYLES[check.health]), what)
        return Group(given, "", found)


def diagnose() -> Diagnosis:
    """Look at every setting and at what it names. `BadSettings` if they can't be loaded."""
    return Diagnosis(settings.sources(), checks.examine(settings.load()))


def _text(value: str, style: str = "") -> Text:
    from rich.text import Text

    # A value is shown as it is: no markup, and nothing that would steer the terminal
    return Text("".join(c if c.isprintable() else "\ufffd" for c in value), style, overflow="fold")
