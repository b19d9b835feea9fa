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
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rules import Measure


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
    """The counts as bars, which screen readers know, then the table of all rules."""
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
        f"<table><tbody>{rows}</tbody></table>{judged._repr_html_()}"
    )


def show(judged: NightVerdict, *, refresh_seconds: float) -> None:
    """Show it; in JupyterLab it looks again by itself, for as long as the kernel lives."""

    def again() -> str:
        return html(replace(assessing.assess(judged.night), accept=judged.accept))

    refreshing.show(judged, html(judged), again, every_seconds=refresh_seconds)
