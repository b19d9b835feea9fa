"""Details of one observation: why products are missing, what to do, the DRP's log, its header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup, escape

from kpfnb.core.clock import parse_utc
from kpfnb.core.fits import headers
from kpfnb.core.settings import Settings, load_settings
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress.attempts import read_attempts
from kpfnb.kpf.progress.missing import TIME_FORMAT, ObservationHistory, load_history
from kpfnb.notebook.links import action_html, link_html, observation_url, page_url
from kpfnb.runs.actions import PageAction

NAME_COLUMNS = ("obsid", "name", "observation")
SHOWN_COLUMNS = ("level", "result", "reason")
"""Columns of the row that are repeated above the details."""


def details_html(row: Mapping[str, Any]) -> str:
    """Details of the observation in a row of a table, as HTML; all text is escaped.

    A row without the name of an observation is an `InvalidInputError`.
    """
    name = next((str(row[column]) for column in NAME_COLUMNS if column in row), "")
    obsid = ObsID.parse(name)
    settings = load_settings()
    attempt = read_attempts(settings, [obsid.text]).get(obsid.text)
    history = load_history(obsid.text, attempt, settings)
    shown = [str(row[column]) for column in SHOWN_COLUMNS if row.get(column)]
    parts = [
        Markup("<h4>{}</h4><p>{}</p>").format(obsid, ": ".join(shown)),
        _links_html(obsid, history),
        _state_html(obsid, history, settings),
        *_excerpt_html(history),
        _header_html(obsid, settings),
    ]
    return str(Markup().join(parts))


def quicklook_link(name: str) -> Markup:
    """A name as HTML; in JupyterLab an observation links to its quicklook page."""
    obsid = ObsID.try_parse(name)
    return link_html(observation_url(obsid.text), name) if obsid else escape(name)


def observation_actions(obsid: str) -> list[PageAction]:
    """What can be done about one observation."""
    return [
        PageAction("Reprocess this one", "reprocess", {"targets": [obsid]}),
        PageAction("Make quicklook", "quicklook", {"start": obsid[3:]}),
    ]


def _links_html(obsid: ObsID, history: ObservationHistory) -> Markup:
    """Quicklook page, actions and log in one line."""
    page = observation_url(obsid.text)
    log = page_url(history.log) if history.log else ""
    links = [
        *([link_html(page, "Quicklook page")] if page else []),
        *map(action_html, observation_actions(obsid.text)),
        *([link_html(log, "Open log")] if log else []),
    ]
    return Markup("<p>{}</p>").format(Markup(" · ").join(links))


def _state_html(obsid: ObsID, history: ObservationHistory, settings: Settings) -> Markup:
    """The L0 and the last attempt, a line each."""
    raw = obsid.path(settings.kpf_root, KPF.raw)
    defect = "" if history.raw.problem else headers.find_defect(raw) or "complete"
    state = ", ".join(filter(None, [history.raw.describe(settings.zone), defect]))
    lines = [f"L0: {state} ({raw})", f"Last attempt: {_describe_attempt(history, settings)}"]
    if history.log:
        lines.append(f"Log: {history.log}")
    elif not settings.drp_log_dir:
        lines.append("Where the DRP's own log is, is not known (setting drp_log_dir)")
    return Markup("<p>{}</p>").format(Markup("<br>").join(map(escape, lines)))


def _describe_attempt(history: ObservationHistory, settings: Settings) -> str:
    attempt = history.attempt
    if history.logged:
        moment = history.logged.astimezone(settings.zone)
        return f"the DRP wrote its own log at {moment:{TIME_FORMAT}}"
    if not attempt:
        return "not known"
    moment = parse_utc(attempt.ended).astimezone(settings.zone)
    reason = f": {attempt.reason}" if attempt.reason else ""
    return f"{attempt.source}, {moment:{TIME_FORMAT}}, {attempt.outcome}{reason}"


def _excerpt_html(history: ObservationHistory) -> Iterator[Markup]:
    """The lines of the log, the error first."""
    if history.excerpt:
        first, _, rest = history.excerpt.partition("\n")
        yield Markup("<pre><b>{}</b>\n{}</pre>").format(first, rest)


def _header_html(obsid: ObsID, settings: Settings) -> Markup:
    try:
        cards = headers.read_cards(obsid.path(settings.kpf_root, KPF.raw))
    except headers.InvalidHeaderError as error:
        return Markup("<p>no header: {}</p>").format(error.what)
    rows = Markup().join(
        Markup("<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>").format(
            card.keyword, str(card.value), card.comment
        )
        for card in cards
    )
    return Markup(
        "<details open><summary>L0 header</summary>"
        "<div tabindex='0' style='max-height: 20em; overflow: auto'><table>{}</table></div>"
        "</details>"
    ).format(rows)
