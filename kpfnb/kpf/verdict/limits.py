"""All limits by which nights and files are judged, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb.core.settings import Settings
from kpfnb.kpf.quicklook.check_rules import LimitInfo, list_limits
from kpfnb.kpf.verdict import criteria_file
from kpfnb.kpf.verdict.rules import VerdictCriteria, VerdictLevel, VerdictRule

ANY_VERSION = "any version"
MAX_NAMES = 4
"""More keywords of one version are shown as the first and the last."""

INDENT = " " * 6


@dataclass(frozen=True)
class LimitList:
    """The rules of a night's verdict, and the checks of quicklook."""

    criteria: VerdictCriteria
    checks: tuple[LimitInfo, ...]
    thresholds: Path | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "verdict": [rule.to_dict() for rule in self.criteria.rules],
            "quicklook": [check._asdict() for check in self.checks],
        }

    def __str__(self) -> str:
        lines = [f"Rules of a night's verdict ({self.criteria.path})"]
        for level in VerdictLevel:
            lines += ["", f"{level}: {level.question}"]
            for rule in self.criteria.rules:
                if rule.level is level:
                    lines += _rule_lines(rule)
        lines += ["", f"Checks of quicklook ({self.thresholds or 'packaged thresholds'})"]
        for data_level in dict.fromkeys(check.level for check in self.checks):
            lines += ["", data_level]
            for check in self.checks:
                if check.level == data_level:
                    lines += _check_lines(check)
        return "\n".join(lines)


def collect_limits(site_settings: Settings) -> LimitList:
    """The limits that apply at this site; `InvalidInputError` names a mistake in their files."""
    criteria = criteria_file.load_criteria(criteria_file.criteria_path(site_settings))
    thresholds = site_settings.qlp_thresholds
    return LimitList(criteria, tuple(list_limits(thresholds)), thresholds)


def describe_versions(rule: VerdictRule) -> str:
    """The first DRP versions that write what a rule measures; '' if it measures no keyword."""
    by_version: dict[str, list[str]] = {}
    for name, since in rule.keywords_since().items():
        by_version.setdefault(since or ANY_VERSION, []).append(name)
    if len(by_version) == 1:
        return next(iter(by_version))
    return "; ".join(f"{_shorten(names)}: {since}" for since, names in by_version.items())


def _shorten(names: list[str]) -> str:
    return f"{names[0]} ... {names[-1]}" if len(names) > MAX_NAMES else ", ".join(names)


def _rule_lines(rule: VerdictRule) -> list[str]:
    nights = f", within {rule.nights} nights" if rule.nights > 1 else ""
    texts = [rule.limits.describe(rule.unit) + nights, f"source: {rule.limits_source}"]
    versions = describe_versions(rule)
    texts += [f"since: {versions}"] if versions else []
    return [f"  {rule.name}: {rule.title}", *(INDENT + text for text in texts)]


def _check_lines(check: LimitInfo) -> list[str]:
    scope = f" (where {check.scope})" if check.scope else ""
    texts = [check.limits + scope, f"source: {check.source}"]
    texts += [f"since: {check.since}"] if check.since else []
    return [f"  {check.name}: {check.check}", *(INDENT + text for text in texts)]
