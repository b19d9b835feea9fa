"""What `kpfnb doctor` reports: the settings, and the result of each check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from kpfnb.core.command_lines import format_command, join_steps
from kpfnb.core.result import Outcome
from kpfnb.core.settings import Settings, find_origin, load_settings

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text


class CheckStatus(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """Everything works that does not need it."""
    PROBLEM = "problem"
    """Something that the settings ask for can't work."""


_STYLES = {CheckStatus.OK: "green", CheckStatus.WARNING: "yellow", CheckStatus.PROBLEM: "bold red"}


@dataclass(frozen=True)
class HealthCheck:
    """One checked item, what was found, and what to do."""

    name: str
    health: CheckStatus
    found: str
    advice: str = ""


def passed_check(name: str, found: str) -> HealthCheck:
    """A check that passed."""
    return HealthCheck(name, CheckStatus.OK, found)


def warning_check(name: str, found: str, advice: str) -> HealthCheck:
    """A check that found something missing that not every user needs."""
    return HealthCheck(name, CheckStatus.WARNING, found, advice)


def failed_check(name: str, found: str, advice: str) -> HealthCheck:
    """A check of something that can't work in its current state."""
    return HealthCheck(name, CheckStatus.PROBLEM, found, advice)


@dataclass(frozen=True)
class SettingOrigin:
    """One setting, its value as people see it (secrets hidden), and where it comes from."""

    name: str
    value: str
    origin: str


def describe_settings(**arguments: Any) -> list[SettingOrigin]:
    """Each setting with its value and origin, in the order of declaration."""
    settings = load_settings(**arguments)
    return [
        SettingOrigin(name, _format_value(getattr(settings, name)), find_origin(name, arguments))
        for name in Settings.model_fields
    ]


def _format_value(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, list):
        has_steps = any(isinstance(part, list) for part in value)
        return format_command(join_steps(value) if has_steps else value)
    return "" if value is None or value == {} else str(value)


@dataclass(frozen=True)
class Diagnosis:
    """All settings and all checks."""

    settings: list[SettingOrigin]
    checks: list[HealthCheck]

    @property
    def outcome(self) -> Outcome:
        """Failed if a check found a problem; warnings do not count."""
        has_problem = any(check.health is CheckStatus.PROBLEM for check in self.checks)
        return Outcome.FAILED if has_problem else Outcome.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "outcome": self.outcome,
            "settings": [asdict(setting) for setting in self.settings],
            "checks": [asdict(check) for check in self.checks],
        }

    def to_rich(self) -> Group:
        """Two tables for a `rich` console, which omits colours if there is no terminal."""
        from rich.console import Group
        from rich.table import Table

        settings = Table("setting", "value", "from", box=None, pad_edge=False)
        for setting in self.settings:
            settings.add_row(
                _plain_text(setting.name),
                _plain_text(setting.value),
                _plain_text(setting.origin, "dim"),
            )
        checks = Table("check", "", "found → what to do", box=None, pad_edge=False)
        for check in self.checks:
            finding = _plain_text(check.found)
            if check.advice:
                finding.append_text(_plain_text(f" → {check.advice}", "bold"))
            status = _plain_text(check.health, _STYLES[check.health])
            checks.add_row(_plain_text(check.name), status, finding)
        return Group(settings, "", checks)


def _plain_text(value: str, style: str = "") -> Text:
    """Text without rich's markup and without control characters of the terminal."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() else "\ufffd" for c in value), style, overflow="fold")
