"""Counts of frames filling towards their minimum: what is watched while a night goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from html import escape
from typing import NamedTuple

from kpfnb import refreshing
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.kpf.verdict import assessing
from kpfnb.kpf.verdict.finding import Finding
from kpfnb.kpf.verdict.result import SIGNS, NightVerdict
from kpfnb.kpf.verdict.rules import Level, Measure


class Filling(NamedTuple):
    """The frames of one kind: so many, of so many that are wanted; `night` is whose they are."""

    title: str
    have: int
    want: int
    night: str
    verdict: Verdict

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.have} of at least {self.want}"


def fillings(findings: Iterable[Finding]) -> list[Filling]:
    """What the rules that count frames say."""
    return [
        Filling(
            one.rule.title,
            round(one.found.value or 0),
            round(one.rule.warn.low or one.rule.fail.low or 0),
            one.night,
            one.verdict,
        )
        for one in findings
        if one.rule.measure is Measure.COUNT
    ]


def html(judged: NightVerdict) -> str:
    """The counts as bars, which screen readers know, then each level and what it lacks."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(one.title)}</th>"
        f"<td><progress aria-label='{escape(one.title, quote=True)}' "
        f"value='{min(one.have, one.want)}' max='{max(one.want, 1)}'></progress></td>"
        f"<td>{one.told}{'' if one.night == judged.night else f' ({one.night})'}</td></tr>"
        for one in fillings(judged.findings)
    )
    clock = f"{judged.taken.astimezone(judged.zone):%H:%M:%S}"
    last = judged.last_l0 and f"{judged.last_l0.astimezone(judged.zone):%Y-%m-%d %H:%M}"
    return (
        f"<p>{judged.observations} observations, the last L0 written {last or 'never'}; "
        f"looked at {clock} ({escape(judged.zone.key)})</p>"
        f"<table><tbody>{rows}</tbody></table>"
        f"<p><strong>{SIGNS[judged.verdict]} {judged.verdict} {escape(judged.night)}</strong></p>"
        f"<ul>{''.join(_level(judged, level) for level in judged.levels)}</ul>"
        f"<ul>{''.join(f'<li>{escape(remark)}</li>' for remark in judged.remarks)}</ul>"
    )


def _level(judged: NightVerdict, level: Level) -> str:
    """A level, and its rules that do not pass."""
    own = [one for one in judged.findings if one.rule.level is level]
    bad = [one for one in judged.bad if one.rule.level is level]
    lacking = "".join(
        f"<li>{SIGNS[one.verdict]} {escape(one.rule.title)}: {escape(one.value)} "
        f"({escape(one.threshold)})</li>"
        for one in bad
    )
    verdict = judged.levels[level]
    passed = f"{len(own) - len(bad)} of {len(own)} rules pass"
    head = f"<strong>{SIGNS[verdict]} {verdict} {escape(str(level))}</strong>"
    return f"<li>{head}: {escape(level.question)} {passed}<ul>{lacking}</ul></li>"


def show(judged: NightVerdict, *, refresh_seconds: float) -> None:
    """Show it; in JupyterLab it looks again by itself, for as long as the kernel lives."""

    def again() -> str:
        return html(replace(assessing.assess(judged.night), accept=judged.accept))

    refreshing.show(judged, html(judged), again, every_seconds=refresh_seconds)
