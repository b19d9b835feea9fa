"""The settings in force, where each came from, and whether what they name works."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kpfnb.cli.doctor import checks
from kpfnb.cli.doctor.checks import CheckStatus, HealthCheck
from kpfnb.core import settings
from kpfnb.core.result import Outcome
from kpfnb.core.settings import SettingOrigin

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

_STYLES = {CheckStatus.OK: "green", CheckStatus.WARNING: "yellow", CheckStatus.PROBLEM: "bold red"}


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found."""

    settings: list[SettingOrigin]
    checks: list[HealthCheck]

    @property
    def outcome(self) -> Outcome:
        """Failed where a check found a problem; a warning is none."""
        problems = any(check.health is CheckStatus.PROBLEM for check in self.checks)
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
            given.add_row(
                _plain_text(source.name),
                _plain_text(source.value),
                _plain_text(source.origin, "dim"),
            )
        found = Table("check", "", "found → what to do", box=None, pad_edge=False)
        for check in self.checks:
            what = _plain_text(check.found)
            if check.advice:
                what.append_text(_plain_text(f" → {check.advice}", "bold"))
            found.add_row(
                _plain_text(check.name), _plain_text(check.health, _STYLES[check.health]), what
            )
        return Group(given, "", found)


def diagnose() -> Diagnosis:
    """Look at every setting and at what it names. `InvalidSettingsError` if they can't be loaded."""
    return Diagnosis(settings.describe_settings(), checks.run_checks(settings.load_settings()))


def _plain_text(value: str, style: str = "") -> Text:
    from rich.text import Text

    # A value is shown as it is: no markup, and nothing that would steer the terminal
    return Text("".join(c if c.isprintable() else "\ufffd" for c in value), style, overflow="fold")
